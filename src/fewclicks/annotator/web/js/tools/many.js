/** @file What is done to several objects at once: those that are selected, else the one in hand. Each can be taken back. */

/** @import { Entry } from "../state/annotation.js" */
/** @import { Hand } from "./editor.js" */
/** @import { Notices } from "../ui/toasts.js" */
/** @import { Store } from "../state/store.js" */
/** @import { Key } from "../language.js" */
/** @import { Step } from "./undo-anywhere.js" */
import { counted, t } from "../language.js";
import { partsOf } from "../canvas/outline.js";
import { nameOf } from "../state/annotation.js";
import { closed } from "../state/rights.js";
import { uuid } from "../ui/dom.js";

/** Larger than any hole or speck. */
const ALL_PX = 2 ** 31 - 1;

export class Many {
  /**
   * @param {Store} store
   * @param {Hand} hand
   * @param {Notices} notices
   */
  constructor(store, hand, notices) {
    this.store = store;
    this.hand = hand;
    this.notices = notices;
    /** @type {string | null} where a range of the list begins: at what was selected last, else at what is in hand */
    this.from = null;
    store.on(["entries"], () => this.forget());
    store.on(["onlyClass"], () => store.set({ selected: new Set(store.listed.map(({ thing }) => thing.id).filter((id) => store.state.selected.has(id))) }));
    store.on(["hand", "selected"], ({ hand: id, selected }) => selected.size || (this.from = id));
  }

  /** The objects that are meant, bottom to top. */
  get meant() {
    const { selected } = this.store.state;
    if (!selected.size) return this.store.hand ? [this.store.hand] : [];
    return this.store.stack.filter((entry) => selected.has(entry.thing.id));
  }

  /** What is deleted is not selected any more. */
  forget() {
    const { selected, entries } = this.store.state;
    const left = [...selected].filter((id) => entries.get(id)?.thing.deleted === false);
    if (left.length !== selected.size) this.store.set({ selected: new Set(left) });
  }

  /**
   * Select an object too, or no longer.
   * @param {Entry} entry
   */
  toggle(entry) {
    const selected = new Set(this.store.state.selected);
    const { hand } = this.store;
    // What is in hand is the first of those that are selected.
    if (!selected.size && hand && !hand.isNothing && hand !== entry) selected.add(hand.thing.id);
    if (!selected.delete(entry.thing.id)) selected.add(entry.thing.id);
    this.from = entry.thing.id;
    this.store.set({ selected });
  }

  /**
   * Select from the one that was selected last up to this one.
   * @param {Entry} entry
   * @param {Entry[]} shown as the list shows them
   */
  extend(entry, shown) {
    const ids = shown.map(({ thing }) => thing.id);
    if (!this.from || !ids.includes(this.from)) this.from = entry.thing.id;
    const [a, b] = [ids.indexOf(this.from), ids.indexOf(entry.thing.id)];
    this.store.set({ selected: new Set(ids.slice(Math.min(a, b), Math.max(a, b) + 1)) });
  }

  /** Select all that the list shows. */
  all() {
    this.store.set({ selected: new Set(this.store.listed.map(({ thing }) => thing.id)) });
  }

  /**
   * Select what a box on the photo meets.
   * @param {[number, number]} from
   * @param {[number, number]} to
   */
  band(from, to) {
    const [x0, x1] = [Math.min(from[0], to[0]), Math.max(from[0], to[0])];
    const [y0, y1] = [Math.min(from[1], to[1]), Math.max(from[1], to[1])];
    const met = this.store.stack.filter(({ thing: { box }, hidden }) => box && !hidden && box[0] <= x1 && box[2] > x0 && box[1] <= y1 && box[3] > y0);
    this.store.set({ selected: new Set(met.map(({ thing }) => thing.id)), hint: t("many.selected", { objects: counted("object", met.length) }) });
  }

  /**
   * Why nothing can be done to what is meant; null: it can.
   * @param {number} least
   * @returns {string | null}
   */
  why(least = 1) {
    const { meant } = this;
    if (closed(this.store.state)) return t("many.accepted");
    if (!meant.length) return t("many.nothing");
    if (meant.length < least) return t("many.two");
    if (meant.every(({ thing }) => thing.locked)) return t("many.locked");
    if (least > 1 && meant.some(({ thing }) => thing.locked)) return t("many.oneLocked");
    return null;
  }

  /**
   * Those that can be changed; where there are none it says why.
   * @param {number} [least]
   */
  free(least = 1) {
    const why = this.why(least);
    if (why) this.store.set({ hint: `${why}.` });
    return why ? [] : this.meant.filter(({ thing }) => !thing.locked);
  }

  /**
   * Put an object at another place of the stack.
   * @param {Entry} entry
   * @param {number} place from the top, among the others
   */
  restack(entry, place) {
    this.did("many.moved", { name: nameOf(entry, this.store) }, this.put(entry, this.store.stack.length - 1 - place));
  }

  /**
   * Move the object in hand up or down in the stack.
   * @param {1 | -1} way
   */
  lift(way) {
    const { stack, hand } = this.store;
    const to = stack.findIndex((one) => one === hand) + way;
    if (!hand) return this.store.set({ hint: t("edit.nothingToLift") });
    if (!stack[to]) return this.store.set({ hint: t(way > 0 ? "edit.isTop" : "edit.isBottom") });
    if (this.hand.barred()) return;
    this.hand.anywhere?.record(this.put(hand, to), hand.thing.photo_id);
    if (this.store.state.byDoubt) this.store.set({ hint: t("objects.movedByDoubt", { name: nameOf(hand, this.store) }) });
  }

  /**
   * Put an object at a place among the others, from the bottom. Returns what that changed.
   * @param {Entry} entry
   * @param {number} place
   * @returns {Step[]}
   */
  put(entry, place) {
    const order = this.store.stack.filter((one) => one !== entry);
    order.splice(place, 0, entry);
    const were = new Map(order.map((one) => [one, one.thing.z]));
    order.forEach((one, i) => {
      // The numbers stay, where they are told apart and go up.
      const z = i ? Math.max(order[i - 1].thing.z + 1, one === entry ? 0 : one.thing.z) : Math.min(...were.values());
      if (one.thing.z !== z) this.hand.set(one, { z });
    });
    const moved = order.filter((one) => one.thing.z !== were.get(one));
    return moved.map((one) => ({ kind: "was", object: one.thing.id, was: { z: were.get(one) } }));
  }

  /** Make the selected ones one object: the lowest gets the pixels of all. */
  merge() {
    const [kept, ...others] = this.free(2);
    if (!kept) return;
    this.hand.release();
    for (const other of others) other.thing = { ...other.thing, deleted: true };
    const steps = this.together(() => this.combine(kept, "/merge", { others: others.map(({ thing }) => thing.id) }));
    this.store.set({ selected: new Set() });
    this.store.touch("entries");
    this.did("many.merged", { objects: counted("object", others.length + 1) }, steps);
  }

  /** Make an object of each part of what is meant. */
  split() {
    const entries = this.free();
    if (!entries.length) return;
    this.hand.release();
    const steps = this.together(() => entries.forEach((entry) => this.combine(entry, "/split")));
    this.did("many.split", { what: entries.length > 1 ? counted("object", entries.length) : nameOf(entries[0], this.store) }, steps);
  }

  /**
   * Change the mask of an object together with others: what that did is undone in it as its own actions are.
   * @param {Entry} entry
   * @param {"/merge" | "/split"} path
   * @param {Record<string, unknown>} [body]
   */
  combine(entry, path, body = {}) {
    const id = uuid();
    entry.trail.masked();
    this.hand.anywhere?.add(entry);
    this.hand.send(entry.thing.id, "POST", path, { action_id: id, ...body }, id);
  }

  /** Keep the largest part of each. */
  keepLargest() {
    if (this.lacks(({ parts }) => parts > 1, "many.onePart")) return;
    this.clean({ drop_specks_px: ALL_PX }, "many.largest");
  }

  /** Fill all holes of each. */
  fillHoles() {
    if (this.lacks(({ holes }) => holes > 0, "many.noHoles")) return;
    this.clean({ fill_holes_px: ALL_PX }, "many.filled");
  }

  /**
   * Whether none of what can be changed has what is asked for; then it says so.
   * @param {(has: {parts: number, holes: number}) => boolean} has
   * @param {Key} none
   */
  lacks(has, none) {
    const entries = this.free();
    const lacks = entries.length > 0 && !entries.some((entry) => has(partsOf(entry.shown)));
    if (lacks) this.store.set({ hint: t(none) });
    return lacks;
  }

  /**
   * @param {Record<string, number>} how
   * @param {Key} said
   */
  clean(how, said) {
    const entries = this.free();
    if (!entries.length) return;
    const steps = this.together(() => entries.forEach((entry) => this.hand.act({ kind: "clean", ...how }, entry)));
    this.did(said, { objects: counted("object", entries.length) }, steps);
  }

  /** Delete what is meant. */
  remove() {
    const entries = this.free();
    if (entries.length === 1) return this.hand.remove(entries[0], true);
    if (!entries.length) return;
    for (const entry of entries) this.hand.remove(entry, false);
    this.did("many.deleted", { objects: counted("object", entries.length) }, entries.map(({ thing }) => ({ kind: "was", object: thing.id, was: { deleted: false } })));
  }

  /**
   * Give what is selected a class.
   * @param {number} classId
   */
  label(classId) {
    const entries = this.free().filter(({ thing }) => thing.class_id !== classId);
    if (!entries.length) return;
    const steps = this.together(() => entries.forEach((entry) => this.hand.label(entry, { class_id: classId })));
    this.did("many.classed", { objects: counted("object", entries.length) }, steps);
  }

  /**
   * Say something of what is meant.
   * @param {string} name of an attribute
   * @param {unknown} value null takes it away
   */
  describe(name, value) {
    const own = (/** @type {Entry} */ { thing }) => thing.attributes?.[name] ?? null;
    const say = (/** @type {Entry} */ entry) => this.hand.label(entry, { attributes: { ...entry.thing.attributes, [name]: value } });
    const entries = this.free().filter((entry) => own(entry) !== value);
    if (!entries.length) return;
    // That of one in hand is taken back as its clicks are.
    if (!this.store.state.selected.size) return entries.forEach(say);
    this.did("many.described", { objects: counted("object", entries.length), name }, this.together(() => entries.forEach(say)));
  }

  /**
   * Hide what is meant, or lock it; where all are, the reverse.
   * @param {"hidden" | "locked"} what
   * @param {Entry[]} [entries]
   */
  flip(what, entries = this.meant) {
    if (this.hand.barred()) return;
    if (!entries.length) return this.store.set({ hint: `${t("many.nothing")}.` });
    const is = !entries.every(({ thing }) => thing[what]);
    for (const entry of entries) {
      if (entry.thing[what] === is) continue;
      // A locked one is neither hidden nor shown: nothing but unlocking changes it.
      if (what === "hidden" && this.hand.refuses(entry)) continue;
      entry.thing = { ...entry.thing, [what]: is };
      this.hand.patch(entry, { [what]: is });
    }
    this.store.touch("entries");
  }

  /**
   * Do several things that are one step for the user.
   * @param {() => void} work
   * @returns {Step[]}
   */
  together(work) {
    return this.hand.anywhere?.together(work) ?? [];
  }

  /**
   * Say what was done, with a way back.
   * @param {Key} key
   * @param {Record<string, string>} words
   * @param {Step[]} steps
   */
  did(key, words, steps) {
    this.hand.anywhere?.did(t(key, words), steps);
  }
}
