/** @file One stroke of the brush or the eraser: seen at once, sent when it ends. */

/** @import { Entry, Stroke } from "../state/annotation.js" */
/** @import { Hand } from "./editor.js" */
/** @import { Store } from "../state/store.js" */

/** A stroke is sent in parts of so many points. */
const MAX_POINTS = 4000;
const DRAWING = "drawing";

/** @typedef {{points: [number, number][], radius: number, erase: boolean, scale: number, ended: boolean}} Early a stroke on a photo that is being opened */

export class Stroking {
  /**
   * @param {Store} store
   * @param {Hand} hand
   */
  constructor(store, hand) {
    this.store = store;
    this.hand = hand;
    /** @type {Entry | null} */
    this.entry = null;
    /** @type {Early | null} */
    this.early = null;
  }

  /**
   * Begin at a point of the photo. False: there is nothing to paint on.
   * @param {[number, number]} point
   * @param {boolean} object the button means the object; with the eraser it erases, and the other button paints
   */
  start(point, object) {
    const { tool, brushPx: radius, photo, loading } = this.store.state;
    const erase = (tool === "erase") === object;
    if (!photo) return false;
    if (!loading) return this.begin(point, radius, erase);
    const early = { points: [point], radius, erase, scale: 1, ended: false };
    this.early = early;
    this.store.onceOpen(() => this.catchUp(early));
    return true;
  }

  /**
   * The photo is open now: draw what was drawn until then.
   * @param {Early} early
   */
  catchUp(early) {
    const later = this.early === early ? null : this.early;
    this.early = null;
    const [first, ...others] = early.points;
    if (first && this.begin(first, early.radius, early.erase)) {
      for (const point of others) this.extend(point, early.scale);
      if (early.ended) this.finish();
    }
    this.early = later;
    this.store.touch("entries");
  }

  /**
   * @param {[number, number]} point
   * @param {number} radius
   * @param {boolean} erase
   */
  begin(point, radius, erase) {
    const [x, y] = point.map((value) => Math.round(value * 10) / 10);
    if (!this.hand.ready([x, y], !erase, true)) return false;
    const entry = this.store.hand;
    if (!entry) return false;
    this.store.set({ pass: null });
    this.entry = entry;
    entry.drawing = true;
    entry.strokes.push({ id: DRAWING, points: [], radius, erase });
    entry.revision++;
    entry.extend([x, y]);
    return true;
  }

  /**
   * @param {[number, number]} point
   * @param {number} scale of the view: points nearer than half a pixel of the screen add nothing
   * @returns {import("../types.js").Box | null} where the mask may have changed
   */
  extend([x, y], scale) {
    const { stroke, early } = this;
    if (early) Object.assign(early, { scale }).points.push([x, y]);
    if (!this.entry || !stroke) return null;
    const last = stroke.points[stroke.points.length - 1];
    const apart = Math.max(0.5 / scale, stroke.radius / 8);
    if (Math.hypot(x - last[0], y - last[1]) < apart) return null;
    const box = this.entry.extend([Math.round(x * 10) / 10, Math.round(y * 10) / 10]);
    if (stroke.points.length >= MAX_POINTS) this.goOn(this.entry, stroke);
    return box;
  }

  /**
   * Send what is drawn, and go on with a new stroke from its end.
   * @param {Entry} entry
   * @param {Stroke} stroke
   */
  goOn(entry, { points, radius, erase }) {
    this.finish();
    this.entry = entry;
    entry.drawing = true;
    entry.strokes.push({ id: DRAWING, points: [], radius, erase });
    entry.revision++;
    entry.extend(points[points.length - 1]);
  }

  /** The stroke is done: send it. */
  finish() {
    const { entry, stroke, early } = this;
    this.entry = null;
    this.early = null;
    if (early) early.ended = true;
    if (!entry || !stroke) return;
    entry.drawing = false;
    const { points, radius, erase } = stroke;
    stroke.id = this.hand.act({ kind: "brush", points, radius_px: radius, erase }, entry);
    this.store.touch("entries");
  }

  /** It was no stroke: two fingers came down. */
  cancel() {
    if (this.early) this.early.points = [];
    this.early = null;
    if (this.entry) this.entry.drawing = false;
    this.entry?.settle(DRAWING);
    this.entry = null;
    this.store.touch("entries");
  }

  get stroke() {
    return this.entry?.strokes.find((stroke) => stroke.id === DRAWING) ?? null;
  }
}
