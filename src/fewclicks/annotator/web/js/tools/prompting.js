/** @file A box or a stroke of clicks that is being drawn: by drag, or by keys from one `C` to the next. */

/** @import { Hand } from "./editor.js" */
/** @import { Store } from "../state/store.js" */
/** @import { Prompt } from "../types.js" */

/** A box with a shorter side, on the screen, was a click. */
const LEAST_PX = 4;
/** Points of a stroke are no nearer than this on the screen. */
const APART_PX = 3;

export class Prompting {
  /**
   * @param {Store} store
   * @param {Hand} hand
   */
  constructor(store, hand) {
    this.store = store;
    this.hand = hand;
    /** @type {Prompt | null} what is being drawn */
    this.prompt = null;
    /** What it is drawn on, and with: another photo or tool gives it up, news of the same photo do not. */
    this.place = "";
    store.on(["photo", "tool"], ({ photo, tool }) => {
      const place = `${photo?.id} ${tool}`;
      if (place !== this.place) this.prompt = null;
      this.place = place;
    });
  }

  /**
   * Begin at a point of the photo.
   * @param {"box" | "scribble"} kind
   * @param {[number, number]} point
   * @param {boolean} positive
   */
  start(kind, point, positive) {
    const { photo, loading } = this.store.state;
    this.prompt = photo && !loading ? { kind, points: [point], positive } : null;
    return this.prompt !== null;
  }

  /**
   * The pointer goes on.
   * @param {[number, number]} point
   * @param {number} scale of the view
   */
  extend(point, scale) {
    if (!this.prompt) return;
    const { kind, points } = this.prompt;
    const last = points[points.length - 1];
    if (kind === "box") this.prompt.points = [points[0], point];
    else if (Math.hypot(point[0] - last[0], point[1] - last[1]) * scale >= APART_PX) points.push(point);
  }

  /**
   * It is done: send it.
   * @param {number} scale of the view
   */
  finish(scale) {
    const { prompt } = this;
    this.prompt = null;
    if (!prompt) return;
    const [from, to] = [prompt.points[0], prompt.points[prompt.points.length - 1]];
    if (prompt.kind === "scribble") this.hand.scribble(prompt.points, prompt.positive);
    else if (Math.min(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])) * scale < LEAST_PX) this.hand.click(...from, prompt.positive);
    else this.hand.box(from, to);
  }

  /** It was none. Returns whether there was one. */
  cancel() {
    const was = this.prompt !== null;
    this.prompt = null;
    return was;
  }
}
