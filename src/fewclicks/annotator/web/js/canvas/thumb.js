/** @file A small picture of an object: the photo around it, and its mask. */

/** @import { Mask } from "./mask.js" */
/** @import { Rgb } from "./color.js" */
/** @import { Box } from "../types.js" */
import { pixel } from "./color.js";
import { paint } from "./mask-render.js";

/**
 * @param {HTMLCanvasElement} canvas square
 * @param {HTMLImageElement} image of the whole photo
 * @param {{photo: {width: number, height: number}, box: Box, mask: Mask, colour: Rgb}} what
 */
export function drawThumb(canvas, image, { photo, box: [x0, y0, x1, y1], mask, colour }) {
  const size = canvas.width;
  const side = Math.max(8, x1 - x0, y1 - y0) * 1.15;
  const left = (x0 + x1 - side) / 2;
  const top = (y0 + y1 - side) / 2;
  const [perX, perY] = [image.naturalWidth / photo.width, image.naturalHeight / photo.height];
  const context = canvas.getContext("2d");
  if (!context) return;
  const tint = context.createImageData(size, size);
  const window = { x0: left, y0: top, k: size / side, width: size, height: size };
  paint(new Uint32Array(tint.data.buffer), window, [{ mask, fill: pixel(colour, 0.45), line: pixel(colour, 1) }]);
  const cover = document.createElement("canvas");
  cover.width = cover.height = size;
  cover.getContext("2d")?.putImageData(tint, 0, 0);
  context.clearRect(0, 0, size, size);
  context.imageSmoothingQuality = "medium";
  context.drawImage(image, left * perX, top * perY, side * perX, side * perY, 0, 0, size, size);
  context.drawImage(cover, 0, 0);
}
