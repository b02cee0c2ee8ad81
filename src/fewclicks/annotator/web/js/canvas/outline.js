/** @file The border of a mask as closed lines along the edges of its pixels, outer borders and holes. */

/** @import { Mask } from "./mask.js" */

/** Directions: east, south, west, north, the object on the right-hand side. */
const DX = [1, 0, -1, 0];
const DY = [0, 1, 0, -1];

/**
 * The corners of each closed line, as x, y, x, y, …; pixel (x, y) has its corners at (x, y) and (x + 1, y + 1).
 * @param {Mask} mask
 * @param {boolean} [joined] pixels that meet at a corner are one part
 * @returns {Int32Array[]}
 */
export function loops(mask, joined = false) {
  const { bits, stride, height } = mask;
  const seen = new Uint8Array(bits.length);
  /** @type {Int32Array[]} */
  const found = [];
  for (let at = 0; at < stride * height; at++) {
    const above = at >= stride ? bits[at - stride] : 0;
    let starts = bits[at] & ~above & ~seen[at];
    while (starts) {
      const bit = Math.clz32(starts) - 24;
      const y = Math.floor(at / stride);
      found.push(follow(mask, seen, [mask.x0 + (at - y * stride) * 8 + bit, mask.y0 + y], joined));
      starts = bits[at] & ~above & ~seen[at];
    }
  }
  return found;
}

/**
 * How many parts and how many holes a mask has, as the server counts them: the border of a hole goes the other way round.
 * @param {Mask} mask
 */
export function partsOf(mask) {
  const areas = loops(mask, true).map(areaOf);
  const holes = areas.filter((area) => area < 0).length;
  return { parts: areas.length - holes, holes };
}

/**
 * Twice the area within a line, below 0 where it goes the other way round.
 * @param {Int32Array} line
 */
function areaOf(line) {
  let area = 0;
  for (let i = 0, j = line.length - 2; i < line.length; j = i, i += 2) area += line[j] * line[i + 1] - line[i] * line[j + 1];
  return area;
}

/** @type {WeakMap<Mask, Int32Array[]>} */
const borders = new WeakMap();

/**
 * The same of a mask that does not change any more, found once.
 * @param {Mask} mask
 */
export function loopsOf(mask) {
  const found = borders.get(mask) ?? loops(mask);
  borders.set(mask, found);
  return found;
}

/**
 * Walk round one border, from the top left corner of a pixel that has nothing above it.
 * @param {Mask} mask
 * @param {Uint8Array} seen upper edges of pixels that lie on a line already
 * @param {[number, number]} start
 * @param {boolean} joined
 */
function follow(mask, seen, [startX, startY], joined) {
  const corners = [];
  let x = startX;
  let y = startY;
  let way = 0;
  do {
    if (way === 0) {
      const dx = x - mask.x0;
      seen[(y - mask.y0) * mask.stride + (dx >> 3)] |= 128 >> (dx & 7);
    }
    x += DX[way];
    y += DY[way];
    const right = mask.has(...ahead(x, y, way, true));
    const left = mask.has(...ahead(x, y, way, false));
    const turn = left && (right || joined) ? 3 : right ? 0 : 1;
    if (turn) corners.push(x, y);
    way = (way + turn) % 4;
  } while (x !== startX || y !== startY || way !== 0);
  return Int32Array.from(corners);
}

/**
 * The pixel ahead of a corner, on the right or on the left of the way.
 * @param {number} x
 * @param {number} y
 * @param {number} way
 * @param {boolean} right
 * @returns {[number, number]}
 */
function ahead(x, y, way, right) {
  if (way === 0) return [x, right ? y : y - 1];
  if (way === 1) return [right ? x - 1 : x, y];
  if (way === 2) return [x - 1, right ? y - 1 : y];
  return [right ? x : x - 1, y - 1];
}

/** @type {WeakMap<Int32Array[], {apart: number, path: Path2D}>} the last path of lines: it serves while the view is moved */
const paths = new WeakMap();

/**
 * The lines as a path in corner coordinates, without corners that lie nearer to one another than `apart`.
 * @param {Int32Array[]} lines
 * @param {number} apart
 */
export function pathOf(lines, apart) {
  // In steps, so that the same path serves while the view is zoomed a little.
  const step = apart > 0 ? 2 ** Math.floor(Math.log2(apart)) : 0;
  const known = paths.get(lines);
  if (known?.apart === step) return known.path;
  const path = drawn(lines, step);
  paths.set(lines, { apart: step, path });
  return path;
}

/**
 * @param {Int32Array[]} lines
 * @param {number} apart
 */
function drawn(lines, apart) {
  const path = new Path2D();
  for (const line of lines) {
    let x = line[0];
    let y = line[1];
    path.moveTo(x, y);
    for (let i = 2; i < line.length; i += 2) {
      if (Math.abs(line[i] - x) + Math.abs(line[i + 1] - y) < apart) continue;
      x = line[i];
      y = line[i + 1];
      path.lineTo(x, y);
    }
    path.closePath();
  }
  return path;
}
