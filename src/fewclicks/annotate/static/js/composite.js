/** @file Draws masks into pixels: tinted inside, a line along the border, the upper ones over the lower ones. */

/** @import { Mask } from "./mask.js" */

/** @typedef {{mask: Mask, fill: number, line: number}} Painted a mask and its colours as 32-bit pixels */

/**
 * @typedef {object} Window a part of the photo, and how it is sampled
 * @property {number} x0 left edge in corners of the photo's pixels
 * @property {number} y0
 * @property {number} k samples for each pixel of the photo
 * @property {number} width in samples
 * @property {number} height
 */

let flags = new Uint8Array(0);

/**
 * Draw masks, bottom to top, over what `pixels` holds. A sample takes the colour of the topmost mask that it lies in: the
 * overlap rule, which is also that of the exports. Samples at a mask's border take the colour of its line.
 * @param {Uint32Array} pixels
 * @param {Window} window
 * @param {Painted[]} masks
 */
export function paint(pixels, window, masks) {
  const columns = samples(window.x0, window.k, window.width);
  const rows = samples(window.y0, window.k, window.height);
  for (const painted of masks) paintOne(pixels, window, painted, columns, rows);
}

/**
 * The photo's column under each sample, from the one before the first to the one after the last.
 * @param {number} start
 * @param {number} k
 * @param {number} length
 */
function samples(start, k, length) {
  const found = new Int32Array(length + 2);
  for (let i = 0; i < length + 2; i++) found[i] = Math.floor(start + (i - 0.5) / k);
  return found;
}

/**
 * @param {Uint32Array} pixels
 * @param {Window} window
 * @param {Painted} painted
 * @param {Int32Array} columns
 * @param {Int32Array} rows
 */
function paintOne(pixels, window, { mask, fill, line }, columns, rows) {
  const from = first(columns, mask.x0);
  const to = first(columns, mask.x1);
  const top = first(rows, mask.y0);
  const bottom = first(rows, mask.y1);
  if (from >= to || top >= bottom) return;
  const width = to - from + 2;
  const size = width * (bottom - top + 2);
  if (flags.length < size) flags = new Uint8Array(size);
  else flags.fill(0, 0, size);
  for (let y = top; y < bottom; y++) {
    const row = (rows[y] - mask.y0) * mask.stride;
    let at = (y - top + 1) * width + 1;
    for (let x = from; x < to; x++, at++) {
      const dx = columns[x] - mask.x0;
      if (mask.bits[row + (dx >> 3)] & (128 >> (dx & 7))) flags[at] = 1;
    }
  }
  for (let y = Math.max(1, top); y < Math.min(bottom, window.height + 1); y++) {
    let at = (y - top + 1) * width + 1 + Math.max(0, 1 - from);
    let target = (y - 1) * window.width + Math.max(1, from) - 1;
    for (let x = Math.max(1, from); x < Math.min(to, window.width + 1); x++, at++, target++) {
      if (!flags[at]) continue;
      const inside = flags[at - 1] & flags[at + 1] & flags[at - width] & flags[at + width];
      pixels[target] = inside ? fill : line;
    }
  }
}

/**
 * The first place in a rising row whose value is not below `value`.
 * @param {Int32Array} row
 * @param {number} value
 */
function first(row, value) {
  let low = 0;
  let high = row.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (row[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
