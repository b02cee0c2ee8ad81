/** @file The object in hand: taking it up, clicking, painting, undoing, finishing, dropping. */

/** @import { Many } from "./many.js" */
/** @import { Store } from "../state/store.js" */
/** @import { Thing } from "../types.js" */
/** @import { Queue } from "../sync/queue.js" */
/** @import { Notices } from "../ui/toasts.js" */
import { counted, t } from "../language.js";
import { boxOf, inside } from "./places.js";
import { closed } from "../state/rights.js";
import { note } from "../state/drafts.js";
import { uuid } from "../ui/dom.js";
import { Entry, nameOf, newborn } from "../state/annotation.js";
import { Trail } from "../state/undo.js";

const BUSY_AFTER_MS = 150;

export class Hand {
  /**
   * @param {Store} store
   * @param {Queue} queue
   * @param {Notices} notices
   */
  constructor(store, queue, notices) {
    this.store = store;
    this.queue = queue;
    this.notices = notices;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.busyTimer = undefined;
    /** @type {Many | null} what is done to several */
    this.many = null;
    /** @type {import("./undo-anywhere.js").UndoAnywhere | null} what was done in this tab */
    this.anywhere = null;
    /** @type {import("./proposals.js").Proposals | null} what is decided of proposals */
    this.proposals = null;
  }

  /**
   * A click of the user.
   * @param {number} x
   * @param {number} y
   * @param {boolean} positive
   */
  click(x, y, positive) {
    const { photo, loading } = this.store.state;
    // It is not known yet what lies there.
    if (loading) return this.store.onceOpen(() => this.click(x, y, positive));
    const point = photo && inside(photo, x, y);
    if (!point || !this.ready(point, positive, false)) return;
    const id = this.act({ kind: "click", x: point[0], y: point[1], positive, ...this.store.refined, ...this.store.reach });
    this.store.hand?.clicks.push({ id, x: point[0], y: point[1], positive });
    this.store.set({ hint: "" });
  }

  /**
   * A box of the user, by two opposite corners. One that lies beside the object in hand begins a new object.
   * @param {[number, number]} from
   * @param {[number, number]} to
   */
  box(from, to) {
    const { photo, armed } = this.store.state;
    if (!photo || this.barred()) return;
    const [x0, y0, x1, y1] = boxOf(photo, from, to);
    if (x1 - x0 < 1 || y1 - y0 < 1) return this.store.set({ hint: t("edit.boxEmpty") });
    const { hand } = this.store;
    const own = hand?.extent;
    const beside = own && (own[2] <= x0 || own[0] >= x1 || own[3] <= y0 || own[1] >= y1);
    if (!hand || armed || beside) this.create();
    else if (this.refuses(hand)) return;
    const entry = this.store.hand;
    if (!entry) return;
    const id = this.act({ kind: "box", x0, y0, x1, y1, ...this.store.refined });
    entry.prompts.push({ id, kind: "box", points: [from, to], positive: true });
    this.store.set({ hint: "" });
    this.store.touch("entries");
  }

  /**
   * A stroke of clicks.
   * @param {[number, number][]} points
   * @param {boolean} positive
   */
  scribble(points, positive) {
    const { photo } = this.store.state;
    if (!photo) return;
    const kept = points.map(([x, y]) => inside(photo, x, y)).filter((point) => point !== null);
    if (!kept.length) return this.store.set({ hint: t("edit.strokeBeside") });
    if (!this.ready(kept[0], positive, true)) return;
    const entry = this.store.hand;
    if (!entry) return;
    const id = this.act({ kind: "scribble", points: kept, positive, ...this.store.refined, ...this.store.reach });
    entry.prompts.push({ id, kind: "scribble", points: kept, positive });
    this.store.set({ hint: "" });
    this.store.touch("entries");
  }

  /** Whether the user may change nothing on the photo; then it says so. */
  barred() {
    if (closed(this.store.state)) this.store.set({ hint: t("edit.accepted") });
    return closed(this.store.state) !== null;
  }

  /**
   * Whether an object may not be changed; then it says so.
   * @param {Entry} entry
   */
  refuses(entry) {
    if (this.barred()) return true;
    if (entry.thing.locked) this.store.set({ hint: t("edit.locked", { name: nameOf(entry, this.store) }) });
    return entry.thing.locked;
  }

  /**
   * Have an object in hand for what the user does at a point. False: that was all there is to do.
   * @param {[number, number]} point
   * @param {boolean} positive
   * @param {boolean} painting
   */
  ready(point, positive, painting) {
    const { hand, armed } = this.store.state;
    if (hand !== null && !armed) return !this.store.hand || !this.refuses(this.store.hand);
    const under = armed ? null : this.store.at(...point);
    if (under) {
      this.take(under);
      return (painting || !positive) && !this.barred();
    }
    if (this.barred()) return false;
    const locked = armed ? null : this.store.at(...point, true);
    if (locked) {
      this.store.set({ hint: t("edit.lockedHere", { name: nameOf(locked, this.store) }) });
      return false;
    }
    if (!positive) {
      this.store.set({ hint: t(painting ? "edit.nothingToErase" : "edit.begin") });
      return false;
    }
    this.create();
    return true;
  }

  /** Make a new object and take it up. */
  create() {
    const { photo, classId, entries } = this.store.state;
    if (!photo || this.barred()) return;
    this.release();
    const id = uuid();
    const top = Math.max(0, ...[...entries.values()].map((entry) => entry.thing.z));
    const entry = new Entry(newborn(id, photo.id, classId, top + 1), photo);
    entry.fresh = true;
    entries.set(id, entry);
    this.send(id, "PUT", "", { photo_id: photo.id, class_id: classId });
    this.store.set({ hand: id, armed: false, pass: null });
    this.store.touch("entries");
  }

  /** @param {Entry} entry */
  take(entry) {
    if (this.store.hand === entry) return;
    this.store.set({ selected: new Set() });
    this.release();
    entry.since = 0;
    entry.fresh = false;
    this.store.set({ hand: entry.thing.id, armed: false, pass: null, hint: "" });
    this.store.touch("entries");
  }

  /** Finish what is in hand, if there is something, before another object is taken up. */
  release() {
    const entry = this.store.hand;
    if (!entry) return;
    if (entry.isNothing) this.remove(entry, entry.thing.can_undo);
    else this.close(entry);
  }

  /** @param {Entry} entry */
  close(entry) {
    entry.fresh = false;
    entry.since = 0;
    note(entry);
    if (!entry.thing.proposal) this.mark(entry, "done"); // which is only looked at stays one
    this.store.set({ hand: null, pass: null, before: false, busy: false });
    this.store.touch("entries");
  }

  /**
   * Whether it is finished, as the server shall know: an object that is only looked at stays as it is.
   * @param {Entry} entry
   * @param {"open" | "done"} state
   */
  mark(entry, state) {
    if (entry.thing.state === state || closed(this.store.state)) return;
    entry.thing = { ...entry.thing, state };
    this.patch(entry, { state });
  }

  /** Finish the object in hand. */
  finish() {
    const entry = this.store.hand;
    if (!entry) this.store.set({ armed: false, hint: t("edit.nothingToFinish") });
    else if (closed(this.store.state) || !this.proposals?.finish(entry)) this.release();
  }

  /** Drop what is in hand: a new object is deleted, of another one the changes since it was taken up are undone. */
  drop() {
    const entry = this.store.hand;
    if (this.store.state.armed) this.store.set({ armed: false });
    if (!entry) return;
    if (entry.fresh || (entry.isNothing && !entry.since)) {
      this.remove(entry, !entry.isNothing || entry.thing.can_undo);
      return;
    }
    const changes = entry.since;
    for (let i = 0; i < Math.abs(changes); i++) this.step(entry, changes > 0 ? "undo" : "redo");
    entry.trail = new Trail();
    this.close(entry);
    if (!changes) return;
    const said = t("edit.asItWas", { name: nameOf(entry, this.store), changes: counted("change", Math.abs(changes)) });
    this.anywhere?.did(said, [{ kind: "again", object: entry.thing.id, count: changes }]);
  }

  undo() {
    this.stepInHand("undo");
  }

  redo() {
    this.stepInHand("redo");
  }

  /** @param {"undo" | "redo"} way */
  stepInHand(way) {
    const entry = this.store.hand;
    if (way === "undo" && this.anywhere?.goesFirst(entry)) return void this.anywhere.undo();
    if (!entry) {
      this.store.set({ hint: t("edit.takeUpToRedo") });
      return;
    }
    if (this.refuses(entry)) return;
    if (way === "undo" && this.proposals?.undo(entry)) return;
    if (entry.trail.label(way)) return this.relabel(entry, way);
    const possible = way === "undo" ? entry.thing.can_undo : entry.thing.can_redo;
    if (!possible && !this.queue.lines.has(entry.thing.id)) {
      this.store.set({ hint: t(way === "undo" ? "edit.nothingToUndo" : "edit.nothingToRedo") });
      return;
    }
    this.step(entry, way);
  }

  /**
   * @param {Entry} entry
   * @param {"undo" | "redo"} way
   */
  step(entry, way) {
    this.store.set({ meanings: null });
    this.anywhere?.[way === "undo" ? "drop" : "add"](entry);
    entry.since += way === "undo" ? -1 : 1;
    entry.trail.step(way);
    note(entry);
    if (entry === this.store.hand) this.mark(entry, "open");
    const id = uuid();
    this.send(entry.thing.id, "POST", `/${way}`, { action_id: id }, id, false);
    this.store.set({ pass: null });
  }

  /**
   * Do something to the object in hand. Returns the id of the action. `meanings`: what the first click can mean stays known.
   * @param {Record<string, unknown>} action
   * @param {Entry | null} [entry]
   * @param {import("../state/store.js").Meanings | null} [meanings]
   */
  act(action, entry = this.store.hand, meanings = null) {
    const id = uuid();
    if (!entry || this.refuses(entry)) return id;
    this.store.set({ meanings });
    this.anywhere?.add(entry);
    entry.since = Math.max(0, entry.since) + 1;
    entry.trail.masked();
    note(entry);
    if (entry === this.store.hand) this.mark(entry, "open");
    this.send(entry.thing.id, "POST", "/actions", { action_id: id, ...action }, id);
    this.store.set({ pass: null });
    return id;
  }

  /**
   * Change what an object is called, its class, its place in the stack, its state.
   * @param {Entry} entry
   * @param {Record<string, unknown>} part
   */
  patch(entry, part) {
    this.send(entry.thing.id, "PATCH", "", part);
  }

  /**
   * Delete an object. `said`: with a notice that offers to bring it back.
   * @param {Entry} entry
   * @param {boolean} said
   */
  remove(entry, said) {
    note(Object.assign(entry, { since: 0 }));
    entry.thing = { ...entry.thing, deleted: true };
    this.patch(entry, { deleted: true });
    if (this.store.hand === entry) this.store.set({ hand: null, pass: null, before: false });
    this.store.touch("entries");
    if (said) this.anywhere?.did(t("edit.deleted", { name: nameOf(entry, this.store) }), [{ kind: "was", object: entry.thing.id, was: { deleted: false } }]);
  }

  /**
   * Have some of what an object was, again; it need not be of this photo.
   * @param {string} object
   * @param {Partial<Thing>} was
   */
  restore(object, was) {
    const entry = this.store.state.entries.get(object);
    if (entry) entry.thing = { ...entry.thing, ...was };
    const { proposal: _, ...part } = was; // which the server tells by the state
    this.send(object, "PATCH", "", part);
    this.store.touch("entries");
  }

  /** Nothing is selected any more. Returns whether something was. */
  deselect() {
    const was = this.store.state.selected.size > 0;
    this.store.set({ selected: new Set() });
    return was;
  }

  /** Delete the object in hand, or those that are selected. */
  removeInHand() {
    if (this.store.state.selected.size && this.many) return this.many.remove();
    const entry = this.store.hand;
    if (this.barred()) return;
    if (entry) void (this.proposals?.discard(entry) || this.refuses(entry) || this.remove(entry, true));
    else this.store.set({ hint: t("edit.nothingToDelete") });
  }

  /**
   * The next object of the stack, or the one before.
   * @param {1 | -1} way
   */
  next(way) {
    const stack = this.store.listed.toReversed();
    if (!stack.length) return;
    const at = stack.findIndex((entry) => entry.thing.id === this.store.state.hand);
    const next = stack[(at < 0 && way < 0 ? stack.length - 1 : at + way + stack.length) % stack.length];
    this.take(next);
  }

  /** The next click begins a new object. */
  arm() {
    this.store.set({ armed: !this.store.state.armed });
  }

  /** Fill the holes and drop the specks of the object in hand. */
  clean() {
    const { holesPx, specksPx } = this.store.state;
    if (!this.store.hand) this.store.set({ hint: t("edit.nothingToClean") });
    else this.act({ kind: "clean", fill_holes_px: holesPx, drop_specks_px: specksPx });
  }

  /**
   * Choose the class: of the object in hand, and of those to come. When a new object is about to begin: of that one.
   * @param {number} classId
   */
  choose(classId) {
    if (this.store.state.selected.size && this.many) {
      this.store.set({ classId });
      return this.many.label(classId);
    }
    const entry = this.store.state.armed ? null : this.store.hand;
    this.store.set({ classId });
    if (entry && entry.thing.class_id !== classId && !this.refuses(entry)) this.label(entry, { class_id: classId });
  }

  /**
   * Give an object another class or name. Undo takes it back.
   * @param {Entry} entry
   * @param {Partial<Pick<Thing, "class_id" | "name" | "attributes">>} is
   */
  label(entry, is) {
    const { class_id, name, attributes } = entry.thing;
    const label = { was: "name" in is ? { name } : "attributes" in is ? { attributes: unsaid(attributes, is.attributes) } : { class_id }, is };
    entry.trail.labelled(label);
    this.anywhere?.add(entry, label);
    this.set(entry, is);
  }

  /**
   * Change a label back, or again.
   * @param {Entry} entry
   * @param {"undo" | "redo"} way
   */
  relabel(entry, way) {
    const label = entry.trail.label(way);
    if (!label) return;
    if (way === "undo") this.anywhere?.drop(entry, "label");
    else this.anywhere?.add(entry, label);
    entry.trail.step(way);
    this.set(entry, way === "undo" ? label.was : label.is);
    this.store.set({ classId: entry.thing.class_id });
  }

  /**
   * @param {Entry} entry
   * @param {Partial<Thing>} part
   */
  set(entry, part) {
    note(entry);
    entry.thing = { ...entry.thing, ...part };
    this.patch(entry, part);
    this.store.touch("entries");
  }

  /** @param {string} key */
  classByKey(key) {
    const found = this.store.state.classes.find((one) => one.key === key);
    if (found) this.choose(found.id);
    else this.store.set({ hint: t("edit.noClassKey", { key }) });
  }

  /**
   * @param {Entry} entry
   * @param {string} name
   */
  rename(entry, name) {
    const was = entry.thing.name;
    if (name === was) return;
    const steps = this.anywhere?.together(() => this.label(entry, { name })) ?? [];
    this.anywhere?.did(t("edit.renamed", { name: nameOf(entry, this.store) }), steps);
  }

  /**
   * @param {string} object
   * @param {string} method
   * @param {string} path
   * @param {Record<string, unknown>} body
   * @param {string} [id]
   * @param {boolean} [again]
   */
  send(object, method, path, body, id = uuid(), again = true) {
    this.queue.push({ id, object, method, path: `/objects/${object}${path}`, body, again });
    // From the first action that waits on: a second click does not put the sign off.
    this.busyTimer ??= setTimeout(() => {
      this.busyTimer = undefined;
      this.watch();
    }, BUSY_AFTER_MS);
  }

  /** Say whether the model works on the object in hand. */
  watch() {
    const { hand } = this.store.state;
    this.store.set({ busy: hand !== null && this.queue.lines.has(hand) });
  }
}

/**
 * What was said of an object before more was: null takes away what was not said.
 * @param {Record<string, unknown>} [was]
 * @param {Record<string, unknown>} [is]
 */
function unsaid(was = {}, is = {}) {
  return { ...Object.fromEntries(Object.keys(is).map((name) => [name, null])), ...was };
}
