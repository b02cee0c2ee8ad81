/**
 * @file Masks drawn once and moved many times: a picture of the whole photo at its fitted size, and one of the view and a
 * little more at the present scale. Both are drawn when the masks have changed, the second also when the view comes to rest.
 */

/** @import { Box } from "../types.js" */
/** @import { Camera } from "./camera.js" */
/** @import { Painted, Window } from "./mask-render.js" */
import { paint } from "./mask-render.js";

/** How much of the view's size is drawn beyond each of its borders. */
const MARGIN = 0.25;
/** The picture of the whole photo has at most so many pixels. */
const MAX_PIXELS = 4e6;
/** Samples around the masks that are drawn too: a brush goes beyond its mask all the time. */
const ROOM = 64;

/**
 * @typedef {object} Picture
 * @property {Window} window what it shows
 * @property {HTMLCanvasElement} canvas the part of it where masks lie
 * @property {Window} filled that part
 */

export class Layer {
  constructor() {
    /** @type {Picture | null} */
    this.whole = null;
    /** @type {Picture | null} */
    this.part = null;
  }

  /** The masks have changed. */
  invalidate() {
    this.whole = null;
    this.part = null;
  }

  /**
   * The masks have changed within a box of the photo: only that is drawn anew.
   * @param {Box} box
   * @param {Painted[]} masks
   */
  update([x0, y0, x1, y1], masks) {
    this.whole = null;
    const context = this.part?.canvas.getContext("2d");
    if (!this.part || !context) return;
    // A sample more on each side: the line along the border may lie there.
    const part = partWithin(this.part.window, [x0, y0, x1, y1], 1);
    if (!part) return;
    const { filled } = this.part;
    const [left, top] = [Math.round((part.x0 - filled.x0) * part.k), Math.round((part.y0 - filled.y0) * part.k)];
    if (left < 0 || top < 0 || left + part.width > filled.width || top + part.height > filled.height) {
      this.part = null;
      return;
    }
    const image = context.createImageData(part.width, part.height);
    paint(new Uint32Array(image.data.buffer), part, masks);
    context.putImageData(image, left, top);
  }

  /**
   * Draw the masks on the stage. `masks` is called when they must be drawn anew.
   * @param {CanvasRenderingContext2D} context in device pixels
   * @param {Camera} camera
   * @param {() => Painted[]} masks
   * @param {boolean} moving the view moves: what is there must do
   */
  draw(context, camera, masks, moving) {
    const part = this.part;
    if (!moving && !(part && fits(part, camera))) this.part = painted(masks(), partOf(camera));
    if (!this.part || !covers(this.part.window, camera)) {
      this.whole ??= painted(masks(), wholeOf(camera));
      context.save();
      if (this.part) leaveOut(context, camera, this.part.window);
      place(context, camera, this.whole);
      context.restore();
    }
    if (this.part) place(context, camera, this.part);
  }
}

/**
 * Whether a picture is at the view's scale and holds all of the view.
 * @param {Picture} picture
 * @param {Camera} camera
 */
function fits(picture, camera) {
  return Math.abs(picture.window.k / (camera.scale * camera.dpr) - 1) < 1e-6 && covers(picture.window, camera);
}

/**
 * @param {Window} window
 * @param {Camera} camera
 */
function covers(window, camera) {
  const [x0, y0, x1, y1] = camera.view;
  const edge = 0.01;
  return (
    window.x0 <= Math.max(0, x0) + edge &&
    window.y0 <= Math.max(0, y0) + edge &&
    window.x0 + window.width / window.k >= Math.min(camera.photoWidth, x1) - edge &&
    window.y0 + window.height / window.k >= Math.min(camera.photoHeight, y1) - edge
  );
}

/**
 * The view and its margin, cut to the photo, at the present scale. It starts on a device pixel of the stage.
 * @param {Camera} camera
 * @returns {Window}
 */
function partOf(camera) {
  const k = camera.scale * camera.dpr;
  const left = Math.round(camera.left * camera.dpr);
  const top = Math.round(camera.top * camera.dpr);
  const x0 = Math.max(0, -left - Math.round(camera.width * camera.dpr * MARGIN));
  const y0 = Math.max(0, -top - Math.round(camera.height * camera.dpr * MARGIN));
  const x1 = Math.min(Math.ceil(camera.photoWidth * k), -left + Math.round(camera.width * camera.dpr * (1 + MARGIN)));
  const y1 = Math.min(Math.ceil(camera.photoHeight * k), -top + Math.round(camera.height * camera.dpr * (1 + MARGIN)));
  return { x0: x0 / k, y0: y0 / k, k, width: Math.max(1, x1 - x0), height: Math.max(1, y1 - y0) };
}

/**
 * @param {Camera} camera
 * @returns {Window}
 */
function wholeOf(camera) {
  const area = camera.photoWidth * camera.photoHeight;
  const k = Math.min(camera.fitScale * camera.dpr, Math.sqrt(MAX_PIXELS / area));
  const width = Math.max(1, Math.ceil(camera.photoWidth * k));
  const height = Math.max(1, Math.ceil(camera.photoHeight * k));
  return { x0: 0, y0: 0, k, width, height };
}

/**
 * @param {Painted[]} masks
 * @param {Window} window
 * @returns {Picture}
 */
function painted(masks, window) {
  const filled = partWithin(window, around(masks), ROOM) ?? { ...window, width: 0, height: 0 };
  const canvas = document.createElement("canvas");
  canvas.width = filled.width;
  canvas.height = filled.height;
  const context = canvas.getContext("2d");
  if (context && filled.width) {
    const image = context.createImageData(filled.width, filled.height);
    paint(new Uint32Array(image.data.buffer), filled, masks);
    context.putImageData(image, 0, 0);
  }
  return { window, canvas, filled };
}

/**
 * The box of the photo that holds all masks; a box of nothing where there are none.
 * @param {Painted[]} masks
 * @returns {Box}
 */
function around(masks) {
  const box = /** @type {Box} */ ([Infinity, Infinity, -Infinity, -Infinity]);
  for (const { mask } of masks) {
    if (!mask.bits.length) continue;
    box[0] = Math.min(box[0], mask.x0);
    box[1] = Math.min(box[1], mask.y0);
    box[2] = Math.max(box[2], mask.x1);
    box[3] = Math.max(box[3], mask.y1);
  }
  return box;
}

/**
 * The samples of a window that lie in a box of the photo, and so many more on each side; null where there are none.
 * @param {Window} window
 * @param {Box} box
 * @param {number} room
 * @returns {Window | null}
 */
function partWithin({ x0, y0, k, width, height }, box, room) {
  const left = Math.max(0, Math.floor((box[0] - x0) * k) - room);
  const top = Math.max(0, Math.floor((box[1] - y0) * k) - room);
  const right = Math.min(width, Math.ceil((box[2] - x0) * k) + room);
  const bottom = Math.min(height, Math.ceil((box[3] - y0) * k) + room);
  if (!(left < right && top < bottom)) return null;
  return { x0: x0 + left / k, y0: y0 + top / k, k, width: right - left, height: bottom - top };
}

/**
 * Draw nothing where a finer picture lies.
 * @param {CanvasRenderingContext2D} context
 * @param {Camera} camera
 * @param {Window} window
 */
function leaveOut(context, camera, window) {
  const { left, top, width, height } = where(camera, window);
  const rest = new Path2D();
  rest.rect(0, 0, context.canvas.width, context.canvas.height);
  rest.rect(left, top, width, height);
  context.clip(rest, "evenodd");
}

/**
 * Where a picture lies on the stage, in device pixels; one at the view's scale lies on whole ones.
 * @param {Camera} camera
 * @param {Window} window
 */
function where(camera, window) {
  const scale = camera.scale * camera.dpr;
  const exact = Math.abs(scale / window.k - 1) < 1e-6;
  const round = exact ? Math.round : (/** @type {number} */ value) => value;
  const left = round(Math.round(camera.left * camera.dpr) + window.x0 * scale);
  const top = round(Math.round(camera.top * camera.dpr) + window.y0 * scale);
  return { left, top, width: (window.width / window.k) * scale, height: (window.height / window.k) * scale, exact };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Camera} camera
 * @param {Picture} picture
 */
function place(context, camera, { canvas, filled }) {
  if (!filled.width) return;
  const { left, top, width, height, exact } = where(camera, filled);
  context.imageSmoothingEnabled = !exact && camera.scale * camera.dpr < filled.k * 4;
  if (exact) context.drawImage(canvas, left, top);
  else context.drawImage(canvas, left, top, width, height);
}
