/** @file The folder on the desk: its photos, the one that is open, its classes. */

/** @import { Class, Photo, PhotoState, Thing } from "../types.js" */
/** @import { Hand } from "../tools/editor.js" */
/** @import { Notices } from "../ui/toasts.js" */
/** @import { Queue } from "../sync/queue.js" */
/** @import { Store } from "./store.js" */
/** @import { Sync } from "../sync/sync.js" */
import { counted, t } from "../language.js";
import * as api from "../sync/api.js";
import { PAGE } from "../sync/team.js";
import { recall } from "./drafts.js";
import { Entry } from "./annotation.js";
import { AS_MODEL } from "./store.js";
import { closed } from "./rights.js";
import { Mask } from "../canvas/mask.js";
import { Picture } from "../canvas/image-view.js";

/** Pictures that are kept: the open one, the one before, the next. */
const KEEP_PICTURES = 3;
/** A photo that the server did not give, because it does not answer, is asked for again after so long. */
const AGAIN_MS = 1500;
/** The list is read again so often: others work on other photos, and put new ones into the folder. */
const LIST_MS = 15_000;

export class Desk {
  /**
   * @param {{store: Store, queue: Queue, sync: Sync, hand: Hand, notices: Notices}} parts
   */
  constructor({ store, queue, sync, hand, notices }) {
    this.store = store;
    this.queue = queue;
    this.sync = sync;
    this.hand = hand;
    this.notices = notices;
    /** @type {Map<number, Picture>} */
    this.pictures = new Map();
    /** Called when a picture has more to draw. */
    this.drawn = () => {};
    /** Called with news of people and of pre-annotations; "connected": news may have been missed. */
    this.heard = (/** @type {string} */ _name, /** @type {any} */ _said) => {};
    /** @type {EventSource | null} */
    this.events = null;
    /** The user goes from one photo that is not done to the next such: that is the one to prepare. */
    this.jumps = false;
    /** Goes up with every photo that is opened: an answer for an older one is dropped. */
    this.turn = 0;
    /** @type {Set<number>} photos whose notes were said */
    this.noted = new Set();
    store.on(["person"], ({ photo }) => {
      // Others see from now on who is here under the new name.
      if (photo && this.events && this.events.readyState !== EventSource.CLOSED) this.listen(photo.id);
    });
  }

  /** The picture of the photo that is open. */
  get picture() {
    const { photo } = this.store.state;
    return photo ? (this.pictures.get(photo.id) ?? null) : null;
  }

  /** Read the folder and open a photo: that of the address, or the first that is not done. */
  async start() {
    const pages = api.photos();
    const [folder, first] = await Promise.all([api.folder(), pages.next()]);
    document.title = `${folder.name} – fewclicks`;
    this.classes(folder.classes);
    this.store.set({ folder });
    if (this.store.isNew) this.store.set({ passes: folder.options.cfr ?? AS_MODEL, adaptive: folder.options.adaptive ?? false });
    this.model(folder.own);
    if (folder.problem) this.notices.show(folder.problem, undefined, "problem");
    await this.queue.keep(folder.id);
    const wanted = Number(/^#photo=(\d+)$/.exec(location.hash)?.[1]);
    for (let page = first; !page.done; page = await pages.next()) {
      this.store.set({ photos: [...this.store.state.photos, ...page.value] });
      const { photos, photo } = this.store.state;
      const found = wanted ? photos.find((one) => one.id === wanted) : photos.find((one) => isOpen(one));
      if (!photo && this.turn === 0 && found) void this.open(found.id);
    }
    const { photos } = this.store.state;
    const shown = photos.find((one) => !one.problem) ?? photos[0];
    if (this.turn === 0 && shown) await this.open(shown.id);
    const relist = () => document.visibilityState === "visible" && void this.relist();
    setInterval(relist, LIST_MS);
    document.addEventListener("visibilitychange", relist);
  }

  /** Read the list of photos again. */
  async relist() {
    try {
      const photos = await all();
      this.store.set({ photos: photos.map((one) => this.newer(one)) });
      if (!this.store.state.photo && photos.length) await this.open((photos.find(isOpen) ?? photos[0]).id);
    } catch {
      // The server does not answer: what waits to be saved tells the user.
    }
  }

  /**
   * A photo as the list has it, or as it was heard of since the list was read.
   * @param {Photo} photo
   */
  newer(photo) {
    const known = this.store.state.photos.find((one) => one.id === photo.id);
    return known && known.version > photo.version ? known : photo;
  }

  /** @param {Class[]} classes */
  classes(classes) {
    const { classId, onlyClass } = this.store.state;
    const known = (/** @type {number} */ id) => classes.some((one) => one.id === id);
    this.store.set({ classes, classId: known(classId) ? classId : (classes[0]?.id ?? 0), onlyClass: known(onlyClass) ? onlyClass : 0 });
  }

  /**
   * Say once what had to be ignored of a photo's file.
   * @param {Photo} photo
   */
  sayNotes({ id, name, notes }) {
    if (notes.length && !this.noted.has(id)) this.notices.show(`${name}: ${notes.join(" ")}`);
    this.noted.add(id);
  }

  /** @param {number} id */
  async open(id) {
    if (this.store.state.photo?.id === id) return;
    const turn = ++this.turn;
    const photo = this.store.state.photos.find((one) => one.id === id);
    if (!photo) return;
    this.events?.close();
    history.replaceState(null, "", `#photo=${id}`);
    const empty = { hand: null, hover: null, meanings: null, selected: new Set(), pass: null, before: false, armed: false, busy: false, lastMs: null, hint: "" };
    this.store.set({ photo, tiles: null, entries: new Map(), loading: !photo.problem, ...empty });
    if (photo.problem) return;
    try {
      const [found, masks] = await Promise.all([api.photo(id), api.masks(id)]);
      if (turn !== this.turn) return;
      const picture = this.pictureOf(found.photo, found.tiles);
      this.place(found.photo, found.objects, masks);
      this.store.set({ tiles: found.tiles });
      this.sayNotes(found.photo);
      this.listen(id);
      await picture.ready;
      if (turn === this.turn) this.prepareNext();
    } catch (error) {
      if (turn === this.turn) this.unreadable(photo, /** @type {Error} */ (error));
    } finally {
      if (turn === this.turn) this.store.set({ loading: false });
    }
  }

  /**
   * Open the photo again that the server did not give, unless the user has gone on.
   * @param {number} id
   */
  async openAgain(id) {
    const { turn } = this;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    if (turn !== this.turn) return;
    this.store.set({ photo: null });
    await this.open(id);
  }

  /**
   * Show the objects of a photo; the one that was in hand when it was left is taken up again.
   * @param {Photo} photo
   * @param {Thing[]} objects
   * @param {api.Packed[]} masks
   */
  place(photo, objects, masks) {
    const packed = new Map(masks.map((one) => [one.id, one]));
    /** @type {Map<string, Entry>} */
    const entries = new Map();
    for (const thing of objects) {
      const found = packed.get(thing.id);
      const entry = new Entry(thing, photo, found ? Mask.of(found.box, found.grey) : undefined);
      recall(entry);
      entries.set(thing.id, entry);
    }
    this.replace(photo);
    const open = [...entries.values()].filter(({ thing }) => thing.state === "open" && !thing.proposal);
    const hand = open.sort((a, b) => b.thing.z - a.thing.z)[0];
    this.store.set({ photo, entries, hand: hand?.thing.id ?? null });
    for (const entry of entries.values()) this.remind(entry);
  }

  /**
   * Clicks on an object that are still under way, so that their marks are there.
   * @param {Entry} entry
   */
  remind(entry) {
    for (const { id, body } of this.queue.lines.get(entry.thing.id) ?? []) {
      if (body.kind === "click") {
        entry.clicks.push({ id, x: Number(body.x), y: Number(body.y), positive: body.positive === true });
      }
    }
  }

  /**
   * @param {Photo} photo
   * @param {import("../types.js").Tiles | null} tiles
   */
  pictureOf(photo, tiles) {
    const known = this.pictures.get(photo.id);
    if (known) this.pictures.delete(photo.id);
    const picture = known ?? new Picture(photo, tiles, `${api.BASE}/photos/${photo.id}`, () => this.drawn());
    this.pictures.set(photo.id, picture);
    for (const id of [...this.pictures.keys()].slice(0, -KEEP_PICTURES)) this.pictures.delete(id);
    return picture;
  }

  /**
   * @param {Photo} photo
   * @param {Error} error
   */
  unreadable(photo, error) {
    this.pictures.delete(photo.id);
    const refused = error instanceof api.Problem && !error.passes;
    const known = error instanceof api.Problem || error instanceof TypeError;
    const shown = { ...photo, problem: known ? error.message : t("desk.notArrived") };
    this.store.set({ photo: shown });
    if (refused) this.replace(shown);
    else void this.openAgain(photo.id);
  }

  /** Have the server, and the browser, make the next photo ready. */
  prepareNext() {
    const next = this.jumps ? this.unfinished : this.neighbour(1);
    if (!next || next.problem) return;
    api
      .prepare(next.id)
      .then(() => api.photo(next.id))
      .then(({ photo, tiles }) => this.pictureOf(photo, tiles).ready)
      .catch(() => this.pictures.delete(next.id))
      .finally(() => this.picture && this.pictureOf(this.picture.photo, null));
  }

  /** @param {1 | -1} way */
  neighbour(way) {
    const { photos, photo } = this.store.state;
    const at = photos.findIndex((one) => one.id === photo?.id);
    return photos[at + way];
  }

  /** The next photo that is not done, after this one or else from the start. */
  get unfinished() {
    const { photos, photo } = this.store.state;
    const at = photos.findIndex((one) => one.id === photo?.id);
    return [...photos.slice(at + 1), ...photos.slice(0, Math.max(0, at))].find(isOpen);
  }

  /** @param {1 | -1} way */
  step(way) {
    this.jumps = false;
    const next = this.neighbour(way);
    if (next) void this.open(next.id);
    else this.store.set({ hint: this.store.isEmpty ? `${t("noPhotos")}.` : t(way > 0 ? "desk.last" : "desk.first") });
  }

  /** Open the next photo that is not done. */
  nextUnfinished() {
    this.jumps = true;
    const next = this.unfinished;
    if (next) void this.open(next.id);
    else this.store.set({ hint: this.store.isEmpty ? `${t("noPhotos")}.` : t("desk.allDone") });
  }

  /**
   * Mark the photo done, or not.
   * @param {boolean} done
   */
  async mark(done) {
    const { photo } = this.store.state;
    if (!photo) return;
    if (done) this.hand.release();
    try {
      await this.queue.settled();
      this.replace(await api.patchPhoto(photo.id, { state: done ? "done" : "begun" }));
    } catch (error) {
      this.notices.problem(error);
    }
  }

  /** Mark the photo done and go on with the next one that is not. */
  async markAndGoOn() {
    if (closed(this.store.state)) return this.store.set({ hint: t("edit.accepted") });
    await this.mark(true);
    this.nextUnfinished();
  }

  /**
   * A photo as it is now.
   * @param {Photo} photo
   */
  replace(photo) {
    const { photos, photo: open } = this.store.state;
    this.store.set({ photos: photos.map((one) => (one.id === photo.id ? photo : one)) });
    if (open?.id === photo.id) this.store.set({ photo });
  }

  /**
   * Hear of what others do to the photo.
   * @param {number} id
   */
  listen(id) {
    const before = this.events;
    const events = (this.events = new EventSource(`${api.BASE}/photos/${id}/events?page=${PAGE}&person=${encodeURIComponent(this.store.state.person)}`));
    const on = (/** @type {string} */ name, /** @type {(data: any) => void} */ heard) =>
      events.addEventListener(name, (event) => heard(JSON.parse(/** @type {MessageEvent} */ (event).data)));
    on("object", (thing) => void this.sync.heard(thing));
    on("photo", (photo) => this.replace(api.sized(photo)));
    on("classes", (classes) => this.classes(classes));
    on("model", (own) => this.model(own));
    on("method", ({ name }) => this.method(name));
    on("comments", (said) => this.heard("comments", said));
    on("presence", (said) => this.heard("presence", said));
    on("objects", ({ photo_id }) => void this.refresh(photo_id));
    on("preannotation", (said) => this.heard("preannotation", said));
    on("imported", (said) => void this.tookIn(said));
    const again = () => setTimeout(() => this.events === events && this.listen(id), LIST_MS);
    // The browser connects again by itself, but not where the server has refused.
    events.addEventListener("error", () => events.readyState === EventSource.CLOSED && again());
    events.addEventListener("open", () => {
      // Not earlier: the server would take this page for closed.
      before?.close();
      // What happened since the photo was read, or while the server was being started again, was not heard.
      void this.catchUp(id);
      this.heard("connected", null);
      this.queue.wake();
    });
  }

  /**
   * How the model refines by itself.
   * @param {import("../types.js").OwnPasses | null} own
   */
  model(own) {
    const { folder } = this.store.state;
    if (folder) this.store.set({ folder: { ...folder, own } });
    if (own?.quick) this.store.previewByItself();
  }

  /**
   * Another method answers clicks from now on.
   * @param {string} name
   */
  method(name) {
    const { folder } = this.store.state;
    if (folder) this.store.set({ folder: { ...folder, method: name } });
  }

  /** @param {number} id */
  async catchUp(id) {
    if (!this.store.state.folder?.own) void api.folder().then(({ own }) => this.model(own)).catch(() => null);
    // What is being made or changed here at this moment, the server may not have counted yet.
    const saved = this.store.stack.map((entry) => entry.thing).filter((thing) => thing.version > 0 && !this.queue.lines.has(thing.id));
    const found = await api.photo(id).catch(() => null);
    if (!found || this.store.state.photo?.id !== id) return;
    this.replace(found.photo);
    for (const thing of found.objects) await this.sync.heard(thing);
    const there = new Set(found.objects.map((thing) => thing.id));
    for (const thing of saved.filter((one) => !there.has(one.id))) await this.sync.heard({ ...thing, deleted: true, version: thing.version + 1 });
  }

  /**
   * Annotations were taken in, here or elsewhere: those found beside the photos at the start, or a file.
   * @param {{objects: number, photos?: number, undone?: boolean}} said
   */
  async tookIn({ objects, photos, undone }) {
    if (!objects) return;
    await this.relist();
    if (this.store.state.photo) await this.catchUp(this.store.state.photo.id);
    const said = { objects: counted("object", objects), photos: counted("photo", photos ?? 0) };
    // The dialog of an import tells of it itself.
    if (undone === undefined && !document.querySelector("#import-dialog[open]")) this.notices.show(t(photos ? "desk.importedOn" : "desk.imported", said));
  }

  /**
   * Read all objects of the open photo at once, with their masks: many have changed.
   * @param {number} id
   */
  async refresh(id) {
    const both = await Promise.all([api.photo(id), api.masks(id)]).catch(() => null);
    const { photo, entries } = this.store.state;
    if (!both || photo?.id !== id) return;
    const [found, masks] = both;
    const packed = new Map(masks.map((one) => [one.id, one]));
    const there = new Set(found.objects.map((thing) => thing.id));
    const free = (/** @type {string} */ object) => !this.queue.lines.has(object);
    for (const thing of found.objects) {
      const known = entries.get(thing.id);
      if (!free(thing.id) || (known && known.thing.version >= thing.version)) continue;
      const mask = packed.get(thing.id);
      const entry = known ?? new Entry(thing, found.photo);
      Object.assign(entry, { thing, passes: thing.passes ?? [], before: null, revision: entry.revision + 1 });
      entry.mask = mask ? Mask.of(mask.box, mask.grey) : Mask.empty();
      entries.set(thing.id, entry);
    }
    for (const [object, { thing }] of entries) {
      if (thing.version > 0 && !thing.deleted && !there.has(object) && free(object)) await this.sync.heard({ ...thing, deleted: true, version: thing.version + 1 });
    }
    this.replace(found.photo);
    this.store.touch("entries");
  }

  /** Read the photo and its objects anew: after an import. */
  async reread() {
    const { photo } = this.store.state;
    const photos = await all();
    this.classes((await api.folder()).classes);
    this.store.set({ photos, photo: null });
    if (photo) await this.open(photo.id);
  }
}

/** All photos of the folder. */
async function all() {
  /** @type {Photo[]} */
  const photos = [];
  for await (const page of api.photos()) photos.push(...page);
  return photos;
}

/**
 * @param {{state: PhotoState, problem: string | null}} photo
 */
export function isOpen(photo) {
  return photo.state !== "done" && photo.state !== "accepted" && !photo.problem;
}
