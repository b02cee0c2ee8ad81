/** @file What lies over the masks and stays equally big at every zoom: borders, marks of clicks, the brush, the busy sign. */

/** @import { Camera } from "./camera.js" */
/** @import { Rgb } from "./color.js" */
/** @import { Prompt } from "../types.js" */
import { drawTwice } from "./double-line.js";
import { pathOf } from "./outline.js";
import { drawShape } from "./vertices-overlay.js";

const MARK_PX = 6;

/** @typedef {CanvasRenderingContext2D} Context */

/**
 * The border of a mask: a line with a dark edge, which stands out on any photo.
 * @param {Context} context in CSS pixels
 * @param {Camera} camera
 * @param {Int32Array[]} lines
 * @param {{colour: string, width: number, dash?: number[]}} style
 */
export function drawBorder(context, camera, lines, { colour, width, dash }) {
  const path = pathOf(lines, camera.scale < 1 ? 0.75 / camera.scale : 0);
  context.save();
  context.translate(camera.left, camera.top);
  context.scale(camera.scale, camera.scale);
  context.lineJoin = "round";
  context.strokeStyle = "rgb(0 0 0 / 0.8)";
  context.lineWidth = (width + 1.75) / camera.scale;
  context.stroke(path);
  context.strokeStyle = colour;
  context.lineWidth = width / camera.scale;
  if (dash) context.setLineDash(dash.map((length) => length / camera.scale));
  context.stroke(path);
  context.restore();
}

/**
 * The mark of a click: a plus on the object's colour, or a minus on white.
 * @param {Context} context
 * @param {[number, number]} at on the stage
 * @param {{positive: boolean, pending: boolean, last: boolean, colour: Rgb}} look
 */
export function drawMark(context, [x, y], { positive, pending, last, colour }) {
  const radius = last ? MARK_PX + 1 : MARK_PX;
  context.save();
  context.translate(x, y);
  context.globalAlpha = pending ? 0.75 : 1;
  disc(context, radius + 2, "rgb(0 0 0 / 0.6)");
  disc(context, radius + 1, positive ? "white" : "#16181d");
  disc(context, radius - 0.5, positive ? `rgb(${colour.join(" ")})` : "white");
  context.strokeStyle = "#16181d";
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(-3, 0);
  context.lineTo(3, 0);
  if (positive) {
    context.moveTo(0, -3);
    context.lineTo(0, 3);
  }
  context.stroke();
  if (pending) {
    context.strokeStyle = "white";
    context.lineWidth = 1.5;
    context.setLineDash([3, 3]);
    context.beginPath();
    context.arc(0, 0, radius + 4, 0, 2 * Math.PI);
    context.stroke();
  }
  context.restore();
}

/**
 * @param {Context} context
 * @param {number} radius
 * @param {string} colour
 */
function disc(context, radius, colour) {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(0, 0, radius, 0, 2 * Math.PI);
  context.fill();
}

/**
 * The brush: its size on the photo.
 * @param {Context} context
 * @param {[number, number]} at on the stage
 * @param {number} radius in CSS pixels
 * @param {boolean} erase
 */
export function drawBrush(context, [x, y], radius, erase) {
  const circle = new Path2D();
  circle.arc(x, y, Math.max(1, radius), 0, 2 * Math.PI);
  context.save();
  context.lineWidth = 3;
  context.strokeStyle = "rgb(0 0 0 / 0.6)";
  context.stroke(circle);
  context.lineWidth = 1.25;
  context.strokeStyle = "white";
  if (erase) context.setLineDash([4, 3]);
  context.stroke(circle);
  context.beginPath();
  context.moveTo(x - 3, y);
  context.lineTo(x + 3, y);
  if (!erase) {
    context.moveTo(x, y - 3);
    context.lineTo(x, y + 3);
  }
  context.stroke();
  context.restore();
}

/**
 * The cursor of who works by the keyboard.
 * @param {Context} context
 * @param {[number, number]} at on the stage
 */
export function drawCross(context, [x, y]) {
  const cross = new Path2D();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    cross.moveTo(x + 5 * dx, y + 5 * dy);
    cross.lineTo(x + 16 * dx, y + 16 * dy);
  }
  drawTwice(context, cross, { width: 1.75 });
}

/**
 * The sign that the model works: an arc round the click that it works on.
 * @param {Context} context
 * @param {[number, number]} at on the stage
 * @param {number} turn 0..1
 */
export function drawBusy(context, [x, y], turn) {
  const start = turn * 2 * Math.PI;
  context.save();
  context.lineCap = "round";
  for (const [width, colour] of /** @type {[number, string][]} */ ([[5, "rgb(0 0 0 / 0.6)"], [2.5, "white"]])) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.beginPath();
    context.arc(x, y, MARK_PX + 8, start, start + 1.5 * Math.PI);
    context.stroke();
  }
  context.restore();
}

/**
 * A box or a stroke of clicks that is drawn, or under way to the server.
 * @param {Context} context
 * @param {Camera} camera
 * @param {Prompt} prompt
 */
export function drawPrompt(context, camera, prompt) {
  const { kind, points, positive } = prompt;
  if (kind === "polygon" || kind === "lasso") return drawShape(context, camera, prompt);
  const path = new Path2D();
  const places = points.map(([x, y]) => camera.toStage(x, y));
  const [[x0, y0], [x1, y1]] = [places[0], places[places.length - 1]];
  if (kind === "box") path.rect(x0, y0, x1 - x0, y1 - y0);
  else places.forEach(([x, y], i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
  const look = kind === "box" ? { width: 1.5, dash: [6, 4] } : { width: 4 };
  drawTwice(context, path, { ...look, colour: positive ? "white" : "#ffb4ab" });
}
