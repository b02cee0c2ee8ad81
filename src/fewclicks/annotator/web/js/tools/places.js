/** @file Points and boxes of the user, as the API takes them: in the photo, to a hundredth of a pixel. */

/** @import { Box, Photo } from "../types.js" */

/**
 * The point, or null beside the photo. The center of the first pixel is 0.
 * @param {Photo} photo
 * @param {number} x
 * @param {number} y
 * @returns {[number, number] | null}
 */
export function inside(photo, x, y) {
  if (x < -0.5 || y < -0.5 || x >= photo.width - 0.5 || y >= photo.height - 0.5) return null;
  return [Math.max(0, rounded(x)), Math.max(0, rounded(y))];
}

/**
 * The half-open box that has these points for opposite corners, as far as it lies in the photo.
 * @param {Photo} photo
 * @param {[number, number]} from
 * @param {[number, number]} to
 * @returns {Box}
 */
export function boxOf(photo, from, to) {
  const edge = (/** @type {number} */ at, /** @type {number} */ size) => rounded(Math.max(0, Math.min(size, at + 0.5)));
  const [left, right] = [Math.min(from[0], to[0]), Math.max(from[0], to[0])];
  const [top, bottom] = [Math.min(from[1], to[1]), Math.max(from[1], to[1])];
  return [edge(left, photo.width), edge(top, photo.height), edge(right, photo.width), edge(bottom, photo.height)];
}

/** @param {number} value */
function rounded(value) {
  return Math.round(value * 100) / 100;
}
