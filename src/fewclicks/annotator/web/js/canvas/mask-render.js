/** @file Draws masks into pixels: tinted inside, a line along the border, the upper ones over the lower ones. */

/** @import { Mask } from "./mask.js" */

/** @typedef {{mask: Mask, fill: number, line: number, dashed?: boolean}} Painted a mask and its colours as 32-bit pixels */

/**
 * @typedef {object} Window a part of the photo, and how it is sampled
 * @property {number} x0 left edge in corners of the photo's pixels
 * @property {number} y0
 * @property {number} k samples for each pixel of the photo
 * @property {number} width in samples
 * @property {number} height
 */

/** A dash and a gap in samples. */
const DASH = 14;

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
function paintOne(pixels, window, { mask, fill, line, dashed = false }, columns, rows) {
  const left = first(columns, mask.x0);
  const right = first(columns, mask.x1);
  const top = first(rows, mask.y0);
  const bottom = first(rows, mask.y1);
  if (left >= right || top >= bottom) return;
  const stride = right - left + 2;
  flag(mask, columns.subarray(left, right), rows.subarray(top, bottom), stride);
  const inside = flags;
  const from = Math.max(1, left);
  const to = Math.min(right, window.width + 1);
  for (let y = Math.max(1, top); y < Math.min(bottom, window.height + 1); y++) {
    let at = (y - top + 1) * stride + 1 + from - left;
    let target = (y - 1) * window.width + from - 1;
    for (let x = from; x < to; x++, at++, target++) {
      if (inside[at] === 0) continue;
      const all = inside[at - 1] & inside[at + 1] & inside[at - stride] & inside[at + stride];
      // The slope of the dashes is one that borders seldom have: along it a line would be whole, or not there.
      pixels[target] = all || (dashed && (x + 2 * y) % DASH >= DASH / 2) ? fill : line;
    }
  }
}

/**
 * Set `flags` to 1 where a sample lies in the mask, with a border of 0 all round.
 * @param {Mask} mask
 * @param {Int32Array} columns
 * @param {Int32Array} rows
 * @param {number} stride
 */
function flag(mask, columns, rows, stride) {
  const size = stride * (rows.length + 2);
  if (flags.length < size) flags = new Uint8Array(size);
  else flags.fill(0, 0, size);
  const inside = flags;
  const { bits, x0 } = mask;
  for (let y = 0; y < rows.length; y++) {
    const row = (rows[y] - mask.y0) * mask.stride;
    const start = (y + 1) * stride + 1;
    for (let x = 0; x < columns.length; x++) {
      const dx = columns[x] - x0;
      inside[start + x] = (bits[row + (dx >> 3)] >> (7 - (dx & 7))) & 1;
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
