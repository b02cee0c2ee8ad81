/** @file An object as the page has it: what the server said, its mask, and what is under way to the server. */

/** @import { Box, Click, Pass, Prompt, Thing } from "../types.js" */
/** @import { Store } from "./store.js" */
import { t } from "../language.js";
import { Mask } from "../canvas/mask.js";
import { loops } from "../canvas/outline.js";
import { Trail } from "./undo.js";

/** @typedef {{id: string, points: [number, number][], radius: number, erase: boolean}} Stroke */
/** @typedef {Click & {id: string}} PendingClick */

export class Entry {
  /**
   * @param {Thing} thing
   * @param {{width: number, height: number}} photo
   * @param {Mask} [mask]
   */
  constructor(thing, photo, mask = Mask.empty()) {
    this.thing = thing;
    this.photo = photo;
    /** The mask as it is saved. */
    this.mask = mask;
    /** @type {Mask | null} the mask before the last change, where it is known */
    this.before = null;
    /** @type {Stroke[]} strokes that are not yet saved */
    this.strokes = [];
    /** @type {PendingClick[]} clicks that are not yet saved */
    this.clicks = [];
    /** @type {(Prompt & {id: string})[]} boxes and strokes of clicks that are not yet saved */
    this.prompts = [];
    /** @type {Pass[]} of the last click */
    this.passes = thing.passes ?? [];
    /** It was made since it was last finished: dropping it deletes it. */
    this.fresh = false;
    /** Changes since it was taken up that can be undone: dropping it undoes them. */
    this.since = 0;
    /** What was done to it in this tab, in order. */
    this.trail = new Trail();
    /** The last stroke is being drawn. */
    this.drawing = false;
    /** Goes up with every change of the mask that is shown. */
    this.revision = 0;
    /** @type {{mask: Mask, revision: number} | null} */
    this.withStrokes = null;
    /** @type {{loops: Int32Array[], revision: number} | null} */
    this.border = null;
  }

  /** Not drawn. */
  get hidden() {
    return this.thing.hidden;
  }

  /** The mask with the strokes that are under way. */
  get shown() {
    if (!this.strokes.length) return this.mask;
    if (this.withStrokes?.revision !== this.revision) {
      const mask = this.mask.clone();
      for (const stroke of this.strokes) mask.stroke(stroke.points, stroke.radius, !stroke.erase, this.photo);
      this.withStrokes = { mask, revision: this.revision };
    }
    return this.withStrokes.mask;
  }

  /**
   * One more point of the last stroke, without drawing the others again. Returns the box of what may have changed.
   * @param {[number, number]} point
   * @returns {Box}
   */
  extend(point) {
    const { points, radius, erase } = this.strokes[this.strokes.length - 1];
    const mask = this.shown;
    const from = points[points.length - 1] ?? point;
    points.push(point);
    mask.capsule(from, point, radius, !erase, this.photo);
    this.revision++;
    this.withStrokes = { mask, revision: this.revision };
    const low = (/** @type {0 | 1} */ i) => Math.floor(Math.min(from[i], point[i]) - radius);
    const high = (/** @type {0 | 1} */ i) => Math.ceil(Math.max(from[i], point[i]) + radius) + 1;
    return [low(0), low(1), high(0), high(1)];
  }

  /** The border of the mask that is shown; during a stroke that of the mask before it, as finding it takes its time. */
  get loops() {
    if (this.border && this.drawing) return this.border.loops;
    if (this.border?.revision !== this.revision) this.border = { loops: loops(this.shown), revision: this.revision };
    return this.border.loops;
  }

  /** The clicks that are saved and those under way. */
  get marks() {
    return [...this.thing.clicks.map((click) => ({ ...click, id: "" })), ...this.clicks];
  }

  /** @returns {Box | null} where it lies, as far as that is known: its mask, and what was said of it that is not yet saved */
  get extent() {
    const { box } = this.thing;
    const points = [
      ...this.clicks.filter(({ positive }) => positive).map(({ x, y }) => [x, y]),
      ...this.prompts.filter(({ positive }) => positive).flatMap((prompt) => prompt.points),
      ...this.strokes.filter(({ erase }) => !erase).flatMap((stroke) => stroke.points),
      ...(box ? [[box[0], box[1]], [box[2], box[3]]] : []),
    ];
    if (!points.length) return null;
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  }

  /** Whether nothing was clicked or painted on it, and nothing is under way. */
  get isNothing() {
    return !this.thing.area_px && !this.clicks.length && !this.strokes.length && !this.prompts.length;
  }

  /**
   * Forget what was under way, when its answer has come.
   * @param {string} action
   */
  settle(action) {
    this.clicks = this.clicks.filter((click) => click.id !== action);
    this.prompts = this.prompts.filter((prompt) => prompt.id !== action);
    const strokes = this.strokes.filter((stroke) => stroke.id !== action);
    if (strokes.length !== this.strokes.length) this.revision++;
    this.strokes = strokes;
  }
}

/**
 * An object that the server has not heard of yet.
 * @param {string} id
 * @param {number} photo
 * @param {number} classId
 * @param {number} z
 * @returns {Thing}
 */
export function newborn(id, photo, classId, z) {
  const history = { can_undo: false, can_redo: false, undo_kind: null, redo_kind: null, person: "" };
  const looks = { box: null, area_px: 0, threshold: 0.5, clicks: [] };
  return { id, photo_id: photo, class_id: classId, name: "", z, state: "open", deleted: false, hidden: false, locked: false, version: 0, ...looks, ...history };
}

/**
 * What an object is called: its own name, or that of its class, with a number where the class has more than one.
 * @param {Entry} entry
 * @param {Store} store
 */
export function nameOf(entry, store) {
  const { name, class_id: classId } = entry.thing;
  if (name) return name;
  const label = store.state.classes.find((one) => one.id === classId)?.name || t("object");
  const place = store.placeOf(entry);
  return place ? `${label} ${place}` : label;
}
