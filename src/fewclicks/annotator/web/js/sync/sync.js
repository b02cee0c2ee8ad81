/** @file What the server says about objects, put into the store: answers to what was done here, news of what others did. */

/** @import { Box, Change, Thing } from "../types.js" */
/** @import { Handlers, Item, Queue } from "./queue.js" */
/** @import { Notices } from "../ui/toasts.js" */
/** @import { Store } from "../state/store.js" */
import { t } from "../language.js";
import * as api from "./api.js";
import { note } from "../state/drafts.js";
import { Entry, nameOf } from "../state/annotation.js";
import { Mask } from "../canvas/mask.js";
import { decodeGrey, fromBase64 } from "../canvas/png.js";

export class Sync {
  /**
   * @param {Store} store
   * @param {Notices} notices
   */
  constructor(store, notices) {
    this.store = store;
    this.notices = notices;
    /** @type {Queue | null} */
    this.queue = null;
    /** @type {Map<string, Thing>} news of objects whose own changes are still under way */
    this.news = new Map();
    /** @type {(entry: Entry) => void} told of an object to which what was asked for was not done: there is nothing to undo */
    this.undone = () => {};
  }

  /** @returns {Handlers} */
  get handlers() {
    return {
      version: (object) => this.store.state.entries.get(object)?.thing.version,
      done: (item, reply) => this.done(item, reply),
      failed: (item, problem) => this.failed(item, problem),
      conflict: (item, current) => this.conflict(item, current),
      later: (problem) => this.store.set({ hint: problem.message }),
      idle: (object) => this.idle(object),
      state: (waiting, reached) => this.store.set({ waiting, reached }),
    };
  }

  /**
   * The server has done what was asked for.
   * @param {Item} item
   * @param {Change | Thing} reply
   */
  async done(item, reply) {
    const change = "object" in reply ? reply : null;
    const thing = change ? change.object : /** @type {Thing} */ (reply);
    const entry = this.store.state.entries.get(item.object);
    if (!entry) return;
    if (change && item.path.endsWith("/actions") && !change.patch && !change.passes?.length) {
      this.nothing(entry); // a click that was said already
    }
    if (change?.patch) {
      const grey = await decodeGrey(fromBase64(change.patch.png));
      const mask = entry.mask.clone();
      mask.put(change.patch.box, grey);
      entry.before = entry.mask;
      // The patch of an action that was sent twice is the whole mask, so nothing else may be left.
      entry.mask = thing.box ? mask.crop(thing.box) : Mask.empty();
      entry.revision++;
    }
    for (const other of change?.others ?? []) await this.heard(other);
    const waits = (this.queue?.lines.get(item.object) ?? []).slice(1);
    entry.thing = { ...thing, ...ahead(waits) };
    entry.passes = thing.passes ?? [];
    entry.settle(item.id);
    this.store.touch("entries");
    // The sign that the model works stays while more of the object in hand waits.
    const { busy, hand } = this.store.state;
    const more = hand === item.object ? waits.length > 0 : hand !== null && this.queue?.lines.has(hand);
    this.store.set({ busy: busy && more === true, ...(change?.ms ? { lastMs: change.ms.total } : {}) });
  }

  /** @param {Entry} entry to which nothing was done */
  nothing(entry) {
    entry.since = Math.max(0, entry.since - 1);
    entry.trail.repeated();
    note(entry);
    this.undone(entry);
  }

  /**
   * All changes of an object are saved: what was heard meanwhile may be newer than their answers.
   * @param {string} object
   */
  idle(object) {
    const news = this.news.get(object);
    this.news.delete(object);
    if (news) void this.takeOver(news);
  }

  /**
   * The server has said no: say so, and show what is the case.
   * @param {Item} item
   * @param {Error} problem
   */
  async failed(item, problem) {
    const { entries, photo } = this.store.state;
    const entry = entries.get(item.object);
    this.notices.show(problem.message, undefined, "problem");
    this.store.set({ busy: false });
    if (!entry || !photo) return;
    entry.settle(item.id);
    if (/\/(actions|merge|split)$/.test(item.path)) this.nothing(entry);
    const { objects } = await api.photo(photo.id).catch(() => ({ objects: [entry.thing] }));
    const thing = objects.find((one) => one.id === item.object);
    if (thing) entry.thing = { ...thing, version: Math.max(thing.version, entry.thing.version) };
    else entries.delete(item.object);
    if (!thing && this.store.state.hand === item.object) this.store.set({ hand: null });
    this.store.touch("entries");
  }

  /**
   * Somebody else has changed the object meanwhile: take over what it is now.
   * @param {Item} item
   * @param {Thing} current
   */
  async conflict(item, current) {
    const entry = this.store.state.entries.get(item.object);
    if (!entry) return;
    await this.takeOver(current);
    const what = item.again ? "sync.onTop" : item.path.endsWith("redo") ? "sync.noRedo" : "sync.noUndo";
    this.notices.show(t(what, { name: nameOf(entry, this.store) }));
  }

  /**
   * News of an object. While own changes are under way it waits: their answers may be newer.
   * @param {Thing} thing
   */
  async heard(thing) {
    if (this.queue?.lines.has(thing.id)) this.news.set(thing.id, thing);
    else await this.takeOver(thing);
  }

  /**
   * An object as the server says it is now; its mask is fetched if the one that is here is older.
   * @param {Thing} thing
   */
  async takeOver(thing) {
    const { entries, photo } = this.store.state;
    const newest = () => (entries.get(thing.id)?.thing.version ?? -1) >= thing.version;
    if (!photo || thing.photo_id !== photo.id || newest()) return;
    const mask = thing.box && !thing.deleted ? await fetched(thing.id, thing.box) : null;
    if (newest() || this.store.state.entries !== entries) return;
    const entry = entries.get(thing.id) ?? new Entry(thing, photo);
    entry.thing = thing;
    entry.passes = thing.passes ?? [];
    if (!thing.deleted) {
      entry.mask = mask ?? Mask.empty();
      entry.before = null;
      entry.revision++;
    }
    entries.set(thing.id, entry);
    if (thing.deleted && this.store.hand === entry) this.store.set({ hand: null });
    this.store.touch("entries");
  }
}

/**
 * The mask of an object as the server has it.
 * @param {string} id
 * @param {Box} box of the mask
 */
async function fetched(id, box) {
  const grey = await api.grey(`/objects/${id}/mask`);
  return Mask.of([0, 0, grey.width, grey.height], grey).crop(box);
}

/**
 * What the user has changed in words that the server has not yet heard, so that its answers do not undo it on the screen.
 * @param {Item[]} waits
 * @returns {Partial<Thing>}
 */
function ahead(waits) {
  return Object.assign({}, ...waits.filter((item) => item.method === "PATCH").map((item) => item.body));
}
