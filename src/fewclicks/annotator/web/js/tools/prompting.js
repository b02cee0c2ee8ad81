/** @file A box, a stroke of clicks, a lasso or a polygon that is being drawn: by drag, point by point, or by keys from one `C` to the next. */

/** @import { Hand } from "./editor.js" */
/** @import { Store } from "../state/store.js" */
/** @import { Drawn, Prompt } from "../types.js" */
import { t } from "../language.js";

/** A box with a shorter side, on the screen, was a click. */
const LEAST_PX = 4;
/** Points of a stroke are no nearer than this on the screen. */
const APART_PX = 3;
/** A point of a polygon so near to the first on the screen closes it. */
const CLOSE_PX = 10;

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
    /** @type {{prompt: Prompt, place: string} | null} the polygon that was given up last */
    this.lost = null;
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
   * @param {Drawn} kind
   * @param {[number, number]} point
   * @param {boolean} positive
   */
  start(kind, point, positive) {
    this.lost = null;
    const points = kind === "polygon" ? [point, point] : [point];
    this.prompt = this.store.state.photo ? { kind, points, positive } : null;
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
    else if (kind === "polygon") points[points.length - 1] = point;
    else if (Math.hypot(point[0] - last[0], point[1] - last[1]) * scale >= APART_PX) points.push(point);
  }

  /**
   * It is done: send it, once the photo is open.
   * @param {number} scale of the view
   */
  finish(scale) {
    const { prompt } = this;
    this.prompt = null;
    if (prompt) this.store.onceOpen(() => this.send(prompt, scale));
  }

  /**
   * @param {Prompt} prompt
   * @param {number} scale of the view
   */
  send(prompt, scale) {
    const [from, to] = [prompt.points[0], prompt.points[prompt.points.length - 1]];
    if (prompt.kind === "polygon") this.outline(prompt.points.slice(0, -1), prompt.positive);
    else if (prompt.kind === "lasso") this.outline(prompt.points, prompt.positive);
    else if (prompt.kind === "scribble") this.hand.scribble(prompt.points, prompt.positive);
    else if (Math.min(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])) * scale < LEAST_PX) this.hand.click(...from, prompt.positive);
    else this.hand.box(from, to);
  }

  /**
   * One more point of the polygon; near the first one it is closed. Returns whether it goes on.
   * @param {[number, number]} point
   * @param {number} scale of the view
   */
  corner(point, scale) {
    const points = this.prompt?.points;
    if (!points) return false;
    const near = (/** @type {[number, number]} */ other) => Math.hypot(point[0] - other[0], point[1] - other[1]) * scale;
    if (points.length > 3 && near(points[0]) < CLOSE_PX) return this.finish(scale), false;
    // A double click ends it.
    if (near(points[points.length - 2]) < 2) return points.length > 3 ? (this.finish(scale), false) : true;
    points.splice(-1, 1, point, point);
    return true;
  }

  /** Take the last point of the polygon back. Returns whether there is a polygon. */
  uncorner() {
    if (this.prompt?.kind !== "polygon") return false;
    this.prompt.points.splice(-2, 1);
    if (this.prompt.points.length < 2) this.prompt = null;
    return true;
  }

  /**
   * A polygon or a lasso: what lies within it joins the object in hand, or leaves it. With nothing in hand it is a new object.
   * @param {[number, number][]} points
   * @param {boolean} positive
   */
  outline(points, positive) {
    const { photo, armed } = this.store.state;
    if (!photo) return;
    if (points.length < 3) return this.store.set({ hint: t("polygon.three") });
    const { hand } = this;
    if (!positive && !this.store.hand) return this.store.set({ hint: t("polygon.nothing") });
    if (!this.store.hand || armed) hand.create();
    const entry = this.store.hand;
    if (!entry || hand.refuses(entry)) return;
    const sent = points.map(([x, y]) => /** @type {[number, number]} */ ([Math.round(x * 100) / 100, Math.round(y * 100) / 100]));
    const id = hand.act({ kind: "polygon", points: sent, erase: !positive });
    entry.prompts.push({ id, kind: "lasso", points: sent, positive });
    this.store.set({ hint: "" });
    this.store.touch("entries");
  }

  /** It was none. Returns whether there was one. */
  cancel() {
    const { prompt } = this;
    if (prompt) this.lost = prompt.kind === "polygon" && prompt.points.length > 2 ? { prompt, place: this.place } : null;
    this.prompt = null;
    return prompt !== null;
  }

  /** Go on with the polygon that was given up last, unless something else was begun. Returns whether there is one. */
  regain() {
    const { lost } = this;
    this.lost = null;
    if (this.prompt || !lost || lost.place !== this.place) return false;
    this.prompt = lost.prompt;
    return true;
  }
}
