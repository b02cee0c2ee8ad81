/** @file A mask: a bit for each pixel of a box of the photo. What is drawn, hit, patched and painted on. */

/** @import { Box } from "../types.js" */
/** @import { Grey } from "./png.js" */
import { t } from "../language.js";

export class Mask {
  /**
   * An empty mask over a box. It starts at a multiple of 8, so that masks share their byte borders.
   * @param {Box} box
   */
  constructor(box) {
    this.x0 = box[0] & ~7;
    this.y0 = box[1];
    this.stride = Math.max(0, (box[2] - this.x0 + 7) >> 3);
    this.height = Math.max(0, box[3] - box[1]);
    /** Rows, most significant bit first. */
    this.bits = new Uint8Array(this.stride * this.height);
  }

  /** A mask of nothing. */
  static empty() {
    return new Mask([0, 0, 0, 0]);
  }

  /**
   * The mask of a decoded PNG of a box.
   * @param {Box} box
   * @param {Grey} grey
   */
  static of(box, grey) {
    const mask = new Mask(box);
    mask.put(box, grey);
    return mask;
  }

  get x1() {
    return this.x0 + this.stride * 8;
  }

  get y1() {
    return this.y0 + this.height;
  }

  /** A copy that can be changed. */
  clone() {
    const copy = new Mask([this.x0, this.y0, this.x1, this.y1]);
    copy.bits.set(this.bits);
    return copy;
  }

  /**
   * What lies in a box, as a mask of its own.
   * @param {Box} box half-open, not empty
   */
  crop(box) {
    const part = new Mask([
      Math.max(this.x0, box[0]),
      Math.max(this.y0, box[1]),
      Math.min(this.x1, box[2]),
      Math.min(this.y1, box[3]),
    ]);
    for (let y = 0; y < part.height; y++) {
      const from = (y + part.y0 - this.y0) * this.stride + ((part.x0 - this.x0) >> 3);
      const row = part.bits.subarray(y * part.stride, (y + 1) * part.stride);
      row.set(this.bits.subarray(from, from + part.stride));
      row[0] &= 0xff >> Math.max(0, box[0] - part.x0);
      row[part.stride - 1] &= 0xff << Math.max(0, part.x1 - box[2]);
    }
    return part;
  }

  /**
   * Whether a pixel is in it; false outside of the box.
   * @param {number} x whole number
   * @param {number} y whole number
   */
  has(x, y) {
    const dx = x - this.x0;
    const dy = y - this.y0;
    if (dx < 0 || dy < 0 || dy >= this.height || dx >= this.stride * 8) return false;
    return (this.bits[dy * this.stride + (dx >> 3)] & (128 >> (dx & 7))) !== 0;
  }

  /**
   * Make room, so that the box lies within.
   * @param {Box} box
   */
  cover(box) {
    if (box[0] >= box[2] || box[1] >= box[3]) return;
    const empty = !this.bits.length;
    if (!empty && box[0] >= this.x0 && box[1] >= this.y0 && box[2] <= this.x1 && box[3] <= this.y1) return;
    const whole = empty
      ? new Mask(box)
      : new Mask([
          Math.min(box[0], this.x0),
          Math.min(box[1], this.y0),
          Math.max(box[2], this.x1),
          Math.max(box[3], this.y1),
        ]);
    const shift = (this.x0 - whole.x0) >> 3;
    for (let y = 0; y < this.height; y++) {
      const row = this.bits.subarray(y * this.stride, (y + 1) * this.stride);
      whole.bits.set(row, (y + this.y0 - whole.y0) * whole.stride + shift);
    }
    this.x0 = whole.x0;
    this.y0 = whole.y0;
    this.stride = whole.stride;
    this.height = whole.height;
    this.bits = whole.bits;
  }

  /**
   * Replace what lies in the box by a decoded 1-bit PNG of its size.
   * @param {Box} box
   * @param {Grey} grey
   */
  put(box, grey) {
    const width = box[2] - box[0];
    const height = box[3] - box[1];
    if (grey.depth !== 1 || grey.width !== width || grey.height !== height) throw new Error(t("png.size"));
    this.cover(box);
    const from = box[0] - this.x0;
    const shift = from & 7;
    const last = grey.stride - 1;
    const ending = width & 7 ? (0xff << (8 - (width & 7))) & 0xff : 0xff;
    for (let y = 0; y < height; y++) {
      let at = (y + box[1] - this.y0) * this.stride + (from >> 3);
      for (let i = 0; i <= last; i++, at++) {
        const valid = i === last ? ending : 0xff;
        const byte = grey.data[y * grey.stride + i] & valid;
        this.bits[at] = (this.bits[at] & ~(valid >> shift)) | (byte >> shift);
        const rest = (valid << (8 - shift)) & 0xff;
        if (shift && rest) this.bits[at + 1] = (this.bits[at + 1] & ~rest) | ((byte << (8 - shift)) & 0xff);
      }
    }
  }

  /**
   * Set or clear the pixels whose centres lie within `radius` of the line through the points, inside of the photo.
   * @param {[number, number][]} points
   * @param {number} radius
   * @param {boolean} on
   * @param {{width: number, height: number}} photo
   */
  stroke(points, radius, on, photo) {
    for (let i = 0; i < points.length; i++) {
      this.capsule(points[Math.max(0, i - 1)], points[i], radius, on, photo);
    }
  }

  /**
   * One piece of a stroke, from a to b.
   * @param {[number, number]} a
   * @param {[number, number]} b
   * @param {number} radius
   * @param {boolean} on
   * @param {{width: number, height: number}} photo
   */
  capsule(a, b, radius, on, photo) {
    const x0 = Math.max(0, Math.ceil(Math.min(a[0], b[0]) - radius));
    const y0 = Math.max(0, Math.ceil(Math.min(a[1], b[1]) - radius));
    const x1 = Math.min(photo.width, Math.floor(Math.max(a[0], b[0]) + radius) + 1);
    const y1 = Math.min(photo.height, Math.floor(Math.max(a[1], b[1]) + radius) + 1);
    if (x0 >= x1 || y0 >= y1) return;
    if (on) this.cover([x0, y0, x1, y1]);
    const dx = b[0] - a[0];
    const dy = b[1] - a[1];
    const length2 = dx * dx + dy * dy;
    for (let y = Math.max(y0, this.y0); y < Math.min(y1, this.y1); y++) {
      for (let x = Math.max(x0, this.x0); x < Math.min(x1, this.x1); x++) {
        const along = length2 ? Math.max(0, Math.min(1, ((x - a[0]) * dx + (y - a[1]) * dy) / length2)) : 0;
        const offX = x - a[0] - along * dx;
        const offY = y - a[1] - along * dy;
        if (offX * offX + offY * offY <= radius * radius) this.setPixel(x - this.x0, y - this.y0, on);
      }
    }
  }

  /**
   * @param {number} dx column within the box
   * @param {number} dy row within the box
   * @param {boolean} on
   */
  setPixel(dx, dy, on) {
    const at = dy * this.stride + (dx >> 3);
    if (on) this.bits[at] |= 128 >> (dx & 7);
    else this.bits[at] &= ~(128 >> (dx & 7));
  }
}
