/** @file The border of a mask as rings of few points: Douglas and Peucker. */

/** @typedef {{points: [number, number][], hole: boolean}} Ring in pixels of the photo, whose centers are whole numbers */

/** Rings of fewer pixels than this have no vertices to drag. */
const LEAST_PX = 4;
/** More vertices than this nobody can tell apart. */
const MOST = 2000;

/**
 * @param {Int32Array[]} loops as of `outline.js`: corners of pixels, the object on the right-hand side
 * @param {number} loose how far a point may lie from the border, in pixels of the photo
 * @returns {Ring[]}
 */
export function ringsOf(loops, loose) {
  /** @type {Ring[]} */
  const rings = [];
  let left = MOST;
  for (const loop of [...loops].sort((a, b) => b.length - a.length)) {
    const area = signedArea(loop);
    if (Math.abs(area) < LEAST_PX || left <= 0) continue;
    const points = simplified(loop, loose);
    if (points.length < 3) continue;
    left -= points.length;
    rings.push({ points, hole: area < 0 });
  }
  return rings;
}

/**
 * Positive where the object lies within the loop.
 * @param {Int32Array} loop
 */
function signedArea(loop) {
  let twice = 0;
  for (let i = 0; i < loop.length; i += 2) {
    const next = (i + 2) % loop.length;
    twice += loop[i] * loop[next + 1] - loop[next] * loop[i + 1];
  }
  return twice / 2;
}

/**
 * @param {Int32Array} loop
 * @param {number} loose
 * @returns {[number, number][]}
 */
function simplified(loop, loose) {
  const count = loop.length / 2;
  // A ring is cut where it begins and at the corner that lies farthest from there.
  let far = 0;
  let most = -1;
  for (let i = 1; i < count; i++) {
    const away = (loop[2 * i] - loop[0]) ** 2 + (loop[2 * i + 1] - loop[1]) ** 2;
    if (away > most) [far, most] = [i, away];
  }
  const keep = new Uint8Array(count);
  keep[0] = keep[far] = 1;
  const parts = [[0, far], [far, count]];
  for (let part = parts.pop(); part; part = parts.pop()) {
    const [from, to] = part;
    const end = to % count;
    const [x, y] = [loop[2 * from], loop[2 * from + 1]];
    const [dx, dy] = [loop[2 * end] - x, loop[2 * end + 1] - y];
    const length = Math.hypot(dx, dy);
    let [at, widest] = [-1, loose];
    for (let i = from + 1; i < to; i++) {
      const [ax, ay] = [loop[2 * i] - x, loop[2 * i + 1] - y];
      const away = length ? Math.abs(ax * dy - ay * dx) / length : Math.hypot(ax, ay);
      if (away > widest) [at, widest] = [i, away];
    }
    if (at < 0) continue;
    keep[at] = 1;
    parts.push([from, at], [at, to]);
  }
  /** @type {[number, number][]} */
  const points = [];
  // Corners of pixels lie half a pixel before their centers.
  for (let i = 0; i < count; i++) if (keep[i]) points.push([loop[2 * i] - 0.5, loop[2 * i + 1] - 0.5]);
  return points;
}
