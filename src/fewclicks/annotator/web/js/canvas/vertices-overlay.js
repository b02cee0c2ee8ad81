/** @file The outline that is dragged, and polygons that are being drawn: lines and their vertices. */

/** @import { Camera } from "./camera.js" */
import { drawTwice } from "./double-line.js";

/** @typedef {[number, number]} Point */

const SIDE_PX = 7;

/**
 * @param {CanvasRenderingContext2D} context in CSS pixels
 * @param {Camera} camera
 * @param {Point[][]} rings in pixels of the photo
 * @param {{ring: number, at: number, fresh: boolean} | null} near what is, or could be, taken hold of
 * @param {boolean} held it is dragged
 */
export function drawVertices(context, camera, rings, near, held) {
  const path = new Path2D();
  for (const points of rings) trace(path, camera, points, true);
  drawTwice(context, path, { width: 1.5 });
  rings.forEach((points, ring) => {
    points.forEach((point, at) => {
      const chosen = near?.ring === ring && near.at === at && (held || !near.fresh);
      drawSquare(context, camera.toStage(...point), chosen);
    });
  });
  if (!near || held || !near.fresh) return;
  const points = rings[near.ring];
  const [a, b] = [points[near.at - 1], points[near.at % points.length]].map((point) => camera.toStage(...point));
  drawSquare(context, [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], true, 0.6);
}

/**
 * A polygon or a lasso that is being drawn.
 * @param {CanvasRenderingContext2D} context
 * @param {Camera} camera
 * @param {import("../types.js").Prompt} prompt
 */
export function drawShape(context, camera, { kind, points, positive }) {
  const path = new Path2D();
  trace(path, camera, points, kind === "lasso");
  drawTwice(context, path, { width: 1.75, colour: positive ? "white" : "#ffb4ab" });
  if (kind === "polygon") points.slice(0, -1).forEach((point, i) => drawSquare(context, camera.toStage(...point), i === 0));
}

/**
 * @param {Path2D} path
 * @param {Camera} camera
 * @param {Point[]} points
 * @param {boolean} closed
 */
function trace(path, camera, points, closed) {
  points.forEach((point, i) => path[i ? "lineTo" : "moveTo"](...camera.toStage(...point)));
  if (closed) path.closePath();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Point} at on the stage
 * @param {boolean} chosen
 * @param {number} [alpha]
 */
function drawSquare(context, [x, y], chosen, alpha = 1) {
  const side = chosen ? SIDE_PX + 3 : SIDE_PX;
  context.save();
  context.globalAlpha = alpha;
  context.fillStyle = chosen ? "#ffd54a" : "white";
  context.strokeStyle = "#16181d";
  context.lineWidth = 1.5;
  context.fillRect(x - side / 2, y - side / 2, side, side);
  context.strokeRect(x - side / 2, y - side / 2, side, side);
  context.restore();
}
