/** @file Objects that go to other photos: copied and pasted, or taken over to the next photo of a sequence, until one has changed too much. */

/** @import { Entry } from "../state/annotation.js" */
/** @import { Desk } from "../state/workspace.js" */
/** @import { Hand } from "./editor.js" */
/** @import { Many } from "./many.js" */
/** @import { Notices } from "../ui/toasts.js" */
/** @import { Store } from "../state/store.js" */
/** @import { Key } from "../language.js" */
/** @import { Thing } from "../types.js" */
import { counted, t } from "../language.js";
import * as api from "../sync/api.js";
import { nameOf } from "../state/annotation.js";
import { closed } from "../state/rights.js";
import { uuid } from "../ui/dom.js";

/** @typedef {{source: string, object: Thing | null, agreement: number | null, problem: string}} Copy */

export class Copying {
  /**
   * @param {{store: Store, desk: Desk, hand: Hand, many: Many, notices: Notices}} parts
   */
  constructor({ store, desk, hand, many, notices }) {
    this.store = store;
    this.desk = desk;
    this.hand = hand;
    this.many = many;
    this.notices = notices;
    /** @type {string[]} ids of what was copied */
    this.copied = [];
    /** What is being taken over is the last: the user has stopped the run. */
    this.stops = false;
    /** @type {{hand: string, objects: string[]} | null} the object that a run stopped at, as long as it is in hand, and those it came with */
    this.stopped = null;
    store.on(["hand"], ({ hand: id }) => id !== this.stopped?.hand && (this.stopped = null));
  }

  /** Remember what is selected, to be pasted here or on another photo. */
  copy() {
    const entries = this.many.meant.filter((entry) => !entry.isNothing);
    if (!entries.length) return this.store.set({ hint: t("copy.nothing") });
    this.copied = entries.map(({ thing }) => thing.id);
    this.store.set({ hint: t("copy.copied", { objects: counted("object", entries.length) }) });
  }

  /** Put what was copied on this photo. */
  async paste() {
    const { photo } = this.store.state;
    if (!this.copied.length) return this.store.set({ hint: t("copy.notCopied") });
    if (!photo || this.hand.barred()) return;
    this.hand.release();
    const items = await this.send(photo.id, this.copied, false);
    if (items) this.tell(items, "copy.pasted", "copy.pastedNone");
  }

  /** The objects that go to the next photo: what is selected or in hand, else all. From where a run stopped, all that came with it. */
  get sources() {
    const { selected, hand } = this.store.state;
    const run = this.stopped?.hand === hand ? (this.stopped?.objects ?? []) : [];
    const all = this.store.stack.filter((entry) => !entry.isNothing).map(({ thing }) => thing.id);
    const chosen = all.filter((id) => (selected.size ? selected.has(id) : id === hand || run.includes(id)));
    return chosen.length ? chosen : all;
  }

  /**
   * Take the objects over to the next photo, moved and fitted to what is seen there.
   * @param {boolean} [ahead] go on until one of them has changed too much, or the folder ends
   */
  async carry(ahead = false) {
    if (this.runs) return;
    let { sources } = this;
    this.hand.release();
    this.stops = false;
    this.store.set({ carrying: true });
    /** @type {Copy[]} */
    const done = [];
    let [photos, hint] = [0, ""];
    try {
      for (;;) {
        const next = this.desk.neighbour(1);
        if (!next) return this.store.set({ hint: t("copy.last") });
        if (closed({ ...this.store.state, photo: next })) return this.store.set({ hint: t("copy.accepted") });
        if (!sources.length) return this.store.set({ hint: t("copy.noObjects") });
        hint = t(ahead ? "copy.takingAhead" : "copy.taking", { objects: counted("object", sources.length), name: next.name });
        this.store.set({ hint });
        const items = await this.send(next.id, sources, true);
        if (!items) return;
        photos++;
        await this.desk.open(next.id);
        done.push(...items);
        for (const { object } of items) if (object) void this.desk.sync.heard(object);
        const doubtful = items.find((item) => item.problem && item.object) ?? items.find((item) => item.problem);
        const entry = doubtful?.object && this.store.state.entries.get(doubtful.object.id);
        sources = items.flatMap(({ object }) => (object ? [object.id] : []));
        if (entry) this.hand.take(entry);
        if (entry) this.stopped = { hand: entry.thing.id, objects: sources };
        if (doubtful) this.store.set({ hint: this.doubted(doubtful, entry ?? null) });
        if (!ahead || doubtful || this.stops) return;
      }
    } finally {
      this.store.set({ carrying: false, ...(this.store.state.hint === hint ? { hint: "" } : {}) });
      if (photos > 1) this.tell(done, "copy.takenMany", "copy.takenManyNone", photos);
      else if (photos) this.tell(done, "copy.taken", "copy.takenNone");
    }
  }

  /** Objects go from photo to photo; Esc stops them. */
  get runs() {
    return this.store.state.carrying;
  }

  /** Stop running ahead. Returns whether something ran. */
  stop() {
    if (this.runs && !this.stops) this.store.set({ hint: t("copy.stopped") });
    this.stops = true;
    this.store.touch("carrying");
    return this.runs;
  }

  /** Why nothing can be taken over to the next photo; null: it can. */
  why() {
    if (this.runs) return t("copy.whyRuns");
    const next = this.desk.neighbour(1);
    if (!next) return t("copy.whyLast");
    if (closed({ ...this.store.state, photo: next })) return t("copy.whyAccepted");
    if (this.store.state.loading) return t("copy.whyOpening");
    return this.sources.length ? null : t("copy.whyNone");
  }

  /**
   * @param {Copy} copy
   * @param {Entry | null} entry
   */
  doubted({ problem }, entry) {
    return `${entry ? nameOf(entry, this.store) : t("copy.anObject")}: ${problem}.`;
  }

  /**
   * @param {number} photo
   * @param {string[]} objects
   * @param {boolean} follow
   * @returns {Promise<Copy[] | null>} null: it was not done, and the user was told
   */
  async send(photo, objects, follow) {
    try {
      await this.hand.queue.settled();
      const { items } = await api.json("POST", `/photos/${photo}/copies`, { action_id: uuid(), objects, follow, ...this.store.refined });
      return items;
    } catch (error) {
      this.notices.problem(error);
      return null;
    }
  }

  /**
   * Say what became of the objects, with a way back, and show them.
   * @param {Copy[]} items
   * @param {Key} what was done
   * @param {Key} none the same, of no object
   * @param {number} [photos]
   */
  tell(items, what, none, photos = 1) {
    const made = items.flatMap(({ object }) => (object ? [object] : []));
    for (const thing of made) void this.desk.sync.heard(thing);
    const left = items.filter(({ object }) => !object);
    const reasons = [...new Set(left.map(({ problem }) => problem))].join(", ");
    const without = left.length ? t("copy.leftOut", { n: left.length, reasons }) : "";
    if (!made.length) return void this.notices.show(t(none, { photos: counted("photo", photos) }) + without);
    const said = t(what, { objects: counted("object", made.length), photos: counted("photo", photos) }) + without;
    this.hand.anywhere?.did(said, made.map(({ id }) => ({ kind: "was", object: id, was: { deleted: true } })), made[made.length - 1].photo_id);
  }
}
