/** @file A line that is seen on any photo: a bright one with a dark edge. */

/**
 * @param {CanvasRenderingContext2D} context in CSS pixels
 * @param {Path2D} path
 * @param {{width: number, colour?: string, dash?: number[]}} look of the bright line
 */
export function drawTwice(context, path, { width, colour = "white", dash = [] }) {
  context.save();
  context.lineJoin = context.lineCap = "round";
  context.lineWidth = width + 2.25;
  context.strokeStyle = "rgb(0 0 0 / 0.6)";
  context.stroke(path);
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.setLineDash(dash);
  context.stroke(path);
  context.restore();
}
