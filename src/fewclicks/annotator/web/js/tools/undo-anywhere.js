/**
 * @file What was done in this tab, on whichever photo, the latest last: undo goes there and takes it back. A deed is one
 * step for the user, whatever it did to how many objects. All is kept in the browser, so that a reload forgets none.
 */

/** @import { Entry } from "../state/annotation.js" */
/** @import { Label } from "../state/undo.js" */
/** @import { Desk } from "../state/workspace.js" */
/** @import { Hand } from "./editor.js" */
/** @import { Store } from "../state/store.js" */
/** @import { Notices } from "../ui/toasts.js" */
/** @import { Thing } from "../types.js" */
import { t } from "../language.js";
import { nameOf } from "../state/annotation.js";
import { uuid } from "../ui/dom.js";

/**
 * A step of a deed, and so how it is taken back:
 * `mask`: the object's mask was changed, `label`: its class, name or attributes; both are undone in the object itself.
 * `was`: what was changed of it otherwise, such as its being deleted. `again`: Esc undid so many changes; negative: redid.
 * `imports`, `jobs`: what came from files, and proposals that were taken back.
 * @typedef {{kind: "mask", object: string}
 *   | ({kind: "label", object: string} & Label)
 *   | {kind: "was", object: string, was: Partial<Thing>}
 *   | {kind: "again", object: string, count: number}
 *   | {kind: "imports", ids: string[]}
 *   | {kind: "jobs", ids: string[], photo: number | undefined}} Step
 */
/** @typedef {{id: string, photo: number | null, said: string, steps: Step[]}} Deed `photo`: where undo goes first; null: it stays */
/** @typedef {{imports: (ids: string[]) => Promise<boolean>, jobs: (ids: string[], photo: number | undefined) => Promise<boolean>}} Ways each tells whether it went well */

const KEY = "fewclicks.deeds";
/** So many steps are remembered, and the latest deed however many it has: each new deed writes them all. */
const MOST = 2000;

export class UndoAnywhere {
  /**
   * @param {{store: Store, desk: Desk, hand: Hand, notices: Notices}} parts
   * @param {Ways} ways how what is no object's own is taken back
   */
  constructor({ store, desk, hand, notices }, ways) {
    this.store = store;
    this.desk = desk;
    this.hand = hand;
    this.notices = notices;
    this.ways = ways;
    /** @type {Deed[]} oldest first */
    this.done = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    /** @type {string | null} the object that undo itself took up: the next undo goes on from there */
    this.at = null;
    /** @type {string | undefined} the latest deed when the object in hand was taken up */
    this.from = this.last?.id;
    /** @type {Step[] | null} gathers the steps of one deed */
    this.gathered = null;
    /** @type {Promise<void>} the undo that is under way */
    this.turn = Promise.resolve();
    /** @type {Map<string, () => void>} take away the notices of deeds */
    this.told = new Map();
    store.on(["hand"], ({ hand: now }) => {
      if (now === this.at) return;
      this.at = null;
      this.from = this.last?.id;
    });
  }

  /** The latest deed. */
  get last() {
    return this.done.at(-1);
  }

  /**
   * Whether undo takes back the latest deed before anything in the object in hand: there is none, undo itself took it up,
   * or something else was done since.
   * @param {Entry | null} entry
   */
  goesFirst(entry) {
    if (!entry || this.at === entry.thing.id) return true;
    const { last } = this;
    if (!last || last.id === this.from) return false;
    return !last.steps.every((step) => (step.kind === "mask" || step.kind === "label") && step.object === entry.thing.id);
  }

  /**
   * The mask of an object was changed, or a label of it; done now, or done again.
   * @param {Entry} entry
   * @param {Label | null} [label]
   */
  add({ thing }, label = null) {
    /** @type {Step} */
    const step = label ? { kind: "label", object: thing.id, ...label } : { kind: "mask", object: thing.id };
    if (this.gathered) this.gathered.push(step);
    else this.record([step], thing.photo_id);
  }

  /**
   * The last change of an object's mask, or of its labels, was taken back.
   * @param {Entry} entry
   * @param {"mask" | "label"} [kind]
   */
  drop({ thing }, kind = "mask") {
    const is = (/** @type {Step} */ step) => step.kind === kind && step.object === thing.id;
    const at = this.done.findLastIndex(({ steps }) => steps.some(is));
    if (at < 0) return;
    const deed = this.done[at];
    const steps = deed.steps.toSpliced(deed.steps.findLastIndex(is), 1);
    if (steps.length) this.keep(this.done.with(at, { ...deed, steps }));
    else this.forget(deed.id);
  }

  /**
   * Do several things that are one step for the user. Returns what they did.
   * @param {() => void} work
   * @returns {Step[]}
   */
  together(work) {
    /** @type {Step[]} */
    const steps = (this.gathered = []);
    try {
      work();
    } finally {
      this.gathered = null;
    }
    return steps;
  }

  /**
   * Something was done. Returns its id.
   * @param {Step[]} steps
   * @param {number | null} photo
   * @param {string} [said]
   */
  record(steps, photo, said = "") {
    const id = uuid();
    this.at = null;
    if (!steps.length) return id;
    const done = [...this.done, { id, photo, said, steps }];
    let count = 0;
    const tooMany = done.findLastIndex((deed) => (count += deed.steps.length) > MOST);
    this.keep(done.slice(Math.min(tooMany + 1, done.length - 1)));
    return id;
  }

  /**
   * Something was done, and a notice tells of it with a way back.
   * @param {string} said
   * @param {Step[]} steps
   * @param {number | null} [photo]
   */
  did(said, steps, photo = this.store.state.photo?.id ?? null) {
    const id = this.record(steps, photo, said);
    this.told.set(id, this.notices.show(said, () => this.takeBack(id)));
  }

  /** @param {Deed[]} done */
  keep(done) {
    this.done = done;
    sessionStorage.setItem(KEY, JSON.stringify(done));
    this.store.set({ deeds: done.length });
  }

  /** @param {string} id */
  forget(id) {
    const at = this.done.findIndex((deed) => deed.id === id);
    if (this.from === id) this.from = this.done[at - 1]?.id;
    this.told.get(id)?.();
    this.told.delete(id);
    if (at >= 0) this.keep(this.done.toSpliced(at, 1));
  }

  /** Go where the latest deed was done, and take it back: one after another, however fast that is asked for. */
  undo() {
    this.turn = this.turn.then(() => this.undoLast()).catch((error) => this.notices.problem(error));
    return this.turn;
  }

  async undoLast() {
    if (this.store.state.carrying) return this.store.set({ hint: t("undo.wait") });
    for (let deed = this.last; deed; deed = this.last) {
      const { photo } = deed;
      if (photo !== null && this.store.state.photos.some((one) => one.id === photo)) {
        if (this.store.state.photo?.id !== photo) await this.desk.open(photo);
        const { photo: open, loading } = this.store.state;
        if (open?.id !== photo || loading || open.problem) return;
      }
      // An undo that is under way may bring back what this one needs.
      if (!deed.steps.some((step) => this.possible(step))) await this.hand.queue.settled();
      if (deed.steps.some((step) => this.possible(step))) return this.back(deed);
      this.forget(deed.id);
    }
    this.store.set({ hint: t("undo.nothing") });
  }

  /**
   * Take back what a notice tells of. False where more was done since to what it changed, which is said.
   * @param {string} id
   */
  takeBack(id) {
    const at = this.done.findIndex((deed) => deed.id === id);
    const deed = this.done[at];
    if (!deed) return Promise.resolve();
    const later = new Set(this.done.slice(at + 1).flatMap(({ steps }) => steps.map(changed)));
    const step = deed.steps.find((one) => changed(one) && later.has(changed(one)));
    const entry = step && "object" in step && this.store.state.entries.get(step.object);
    if (!entry) return this.back(deed);
    this.store.set({ hint: t("undo.later", { name: nameOf(entry, this.store) }) });
    return false;
  }

  /**
   * Whether there is something to take back.
   * @param {Step} step
   */
  possible(step) {
    if (!("object" in step)) return true;
    const entry = this.store.state.entries.get(step.object);
    if (step.kind === "was") return !entry || Object.entries(step.was).some(([name, value]) => entry.thing[/** @type {keyof Thing} */ (name)] !== value);
    if (!entry || entry.thing.deleted) return false;
    if (step.kind === "label" && step.was.class_id && !this.store.state.classes.some(({ id }) => id === step.was.class_id)) return false;
    return step.kind === "label" || step.kind === "again" || entry.thing.can_undo || this.hand.queue.lines.has(step.object);
  }

  /** @param {Deed} deed */
  async back(deed) {
    const objects = [...new Set(deed.steps.flatMap((step) => ("object" in step ? [step.object] : [])))];
    const entryOf = (/** @type {string} */ id) => this.store.state.entries.get(id);
    if (objects.length && this.hand.barred()) return;
    for (const step of deed.steps) {
      const entry = "object" in step && (step.kind !== "was" || step.was.deleted) && entryOf(step.object);
      if (entry && this.hand.refuses(entry)) return;
    }
    for (const step of deed.steps.toReversed()) if (this.possible(step) && (await this.stepBack(step)) === false) return;
    this.forget(deed.id);
    const only = objects.length === 1 ? entryOf(objects[0]) : undefined;
    if (only && !only.thing.deleted) {
      this.at = only.thing.id;
      this.hand.take(only);
    }
    const back = deed.said ? t("undo.back", { what: deed.said }) : only && t("undo.takenBack", { name: nameOf(only, this.store) });
    if (back) this.store.set({ hint: back });
  }

  /**
   * Take a step back. False where that failed, which is said.
   * @param {Step} step
   */
  async stepBack(step) {
    if (step.kind === "imports") return this.ways.imports(step.ids);
    if (step.kind === "jobs") return this.ways.jobs(step.ids, step.photo);
    const entry = this.store.state.entries.get(step.object);
    if (step.kind === "was") return this.hand.restore(step.object, step.was);
    if (!entry) return;
    if (step.kind === "label") return entry.trail.label("undo") ? this.hand.relabel(entry, "undo") : this.hand.set(entry, step.was);
    if (step.kind === "mask") return this.hand.step(entry, "undo");
    for (let i = 0; i < Math.abs(step.count); i++) this.hand.step(entry, step.count > 0 ? "redo" : "undo");
  }
}

/**
 * What a step changed that is undone in the object itself, where later changes come first; null: nothing.
 * @param {Step} step
 */
function changed(step) {
  return step.kind === "mask" || step.kind === "label" ? `${step.kind} ${step.object}` : null;
}
