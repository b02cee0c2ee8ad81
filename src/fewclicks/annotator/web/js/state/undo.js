/**
 * @file The order in which an object's mask and its labels were changed. The server undoes changes of the mask; a label is
 * changed back here. So undo takes back what was done last, whichever it was.
 */

/** @import { Thing } from "../types.js" */

/** @typedef {{was: Partial<Thing>, is: Partial<Thing>}} Label a change of the class or the name */
/** @typedef {"mask" | Label} Change */

export class Trail {
  /**
   * @param {Change[]} [done] oldest first
   * @param {Change[]} [undone] the next one to redo last
   */
  constructor(done = [], undone = []) {
    this.done = done;
    this.undone = undone;
  }

  /** The mask was changed. */
  masked() {
    this.done.push("mask");
    this.undone = [];
  }

  /** The last change of the mask was none: it said what was said before. */
  repeated() {
    this.done.splice(this.done.lastIndexOf("mask"), 1);
  }

  /**
   * A label was changed.
   * @param {Label} label
   */
  labelled(label) {
    this.done.push(label);
    this.undone = this.undone.filter((change) => change === "mask");
  }

  /**
   * What undo would take back: a label, or null for a change of the mask.
   * @param {"undo" | "redo"} way
   */
  label(way) {
    const change = (way === "undo" ? this.done : this.undone).at(-1);
    return change && change !== "mask" ? change : null;
  }

  /**
   * One change was undone or redone.
   * @param {"undo" | "redo"} way
   */
  step(way) {
    const [from, to] = way === "undo" ? [this.done, this.undone] : [this.undone, this.done];
    to.push(from.pop() ?? "mask");
  }

  /** Whether the server alone does not know it. */
  get holdsLabels() {
    return [...this.done, ...this.undone].some((change) => change !== "mask");
  }
}
