/** @file Reads grey PNGs of 1 or 8 bits. The browser's own decoder would make four bytes of every bit on the way. */

import { t } from "../language.js";

/**
 * @typedef {object} Grey
 * @property {number} width
 * @property {number} height
 * @property {1 | 8} depth bits of a pixel
 * @property {number} stride bytes of a row
 * @property {Uint8Array} data rows, top to bottom; bits lie most significant first, the rest of a last byte is 0
 */

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/**
 * Decode a grey PNG of 1 or 8 bits without interlacing.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<Grey>}
 */
export async function decodeGrey(bytes) {
  if (SIGNATURE.some((value, at) => bytes[at] !== value)) throw new Error(t("png.none"));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let width = 0;
  let height = 0;
  let depth = 0;
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind === "IHDR") {
      width = view.getUint32(at + 8);
      height = view.getUint32(at + 12);
      depth = bytes[at + 16];
      if (bytes[at + 17] !== 0 || bytes[at + 20] !== 0 || (depth !== 1 && depth !== 8)) {
        throw new Error(t("png.kind"));
      }
    } else if (kind === "IDAT") {
      parts.push(bytes.subarray(at + 8, at + 8 + length));
    } else if (kind === "IEND") {
      break;
    }
    at += 12 + length;
  }
  const stride = Math.ceil((width * depth) / 8);
  const raw = new Uint8Array(await new Response(inflated(parts)).arrayBuffer());
  if (raw.length < height * (stride + 1)) throw new Error(t("png.cut"));
  return { width, height, depth: depth === 1 ? 1 : 8, stride, data: unfiltered(raw, stride, height) };
}

/** @param {Uint8Array<ArrayBuffer>[]} parts */
function inflated(parts) {
  return new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
}

/**
 * Undo the filters of the rows. At 1 and 8 bits the pixel before is the byte before.
 * @param {Uint8Array} raw
 * @param {number} stride
 * @param {number} height
 */
function unfiltered(raw, stride, height) {
  const data = new Uint8Array(stride * height);
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const from = y * (stride + 1) + 1;
    const row = data.subarray(y * stride, (y + 1) * stride);
    row.set(raw.subarray(from, from + stride));
    unfilter(raw[from - 1], row, above);
    above = row;
  }
  return data;
}

/**
 * @param {number} filter
 * @param {Uint8Array} row
 * @param {Uint8Array} above
 */
function unfilter(filter, row, above) {
  if (filter === 1) for (let i = 1; i < row.length; i++) row[i] += row[i - 1];
  else if (filter === 2) for (let i = 0; i < row.length; i++) row[i] += above[i];
  else if (filter === 3) for (let i = 0; i < row.length; i++) row[i] += ((i ? row[i - 1] : 0) + above[i]) >> 1;
  else if (filter === 4) {
    for (let i = 0; i < row.length; i++) row[i] += nearest(i ? row[i - 1] : 0, above[i], i ? above[i - 1] : 0);
  }
}

/**
 * Which of left, above and above-left is nearest to their linear prediction (the Paeth filter).
 * @param {number} left
 * @param {number} above
 * @param {number} corner
 */
function nearest(left, above, corner) {
  const toLeft = Math.abs(above - corner);
  const toAbove = Math.abs(left - corner);
  const toCorner = Math.abs(left + above - 2 * corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

/**
 * The bytes of a base64 text.
 * @param {string} text
 */
export function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
