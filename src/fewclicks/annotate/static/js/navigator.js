/** @file The small picture of a photo that does not fit into view: where the view is, and a way to move it. */

/** @import { Desk } from "./desk.js" */
/** @import { Stage } from "./stage.js" */
import { byId } from "./dom.js";

const SIDE = 168;

/**
 * @param {Stage} stage
 * @param {Desk} desk
 */
export function navigator(stage, desk) {
  const canvas = byId("navigator", HTMLCanvasElement);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const draw = () => {
    const { camera } = stage;
    const picture = desk.picture;
    canvas.hidden = camera.showsAll || !picture?.isReady || stage.element.clientWidth < 420;
    if (canvas.hidden || !picture) return;
    const scale = SIDE / Math.max(camera.photoWidth, camera.photoHeight);
    const [width, height] = [camera.photoWidth * scale, camera.photoHeight * scale];
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.width = Math.max(1, Math.round(width * camera.dpr));
    canvas.height = Math.max(1, Math.round(height * camera.dpr));
    context.drawImage(picture.preview, 0, 0, canvas.width, canvas.height);
    const k = scale * camera.dpr;
    const [x0, y0, x1, y1] = camera.view.map((value) => value * k);
    context.fillStyle = "rgb(0 0 0 / 0.45)";
    const shade = new Path2D();
    shade.rect(0, 0, canvas.width, canvas.height);
    shade.rect(x0, y0, x1 - x0, y1 - y0);
    context.fill(shade, "evenodd");
    context.strokeStyle = "white";
    context.lineWidth = 1.5 * camera.dpr;
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  };
  const go = (/** @type {PointerEvent} */ event) => {
    event.stopPropagation();
    if (!event.buttons) return;
    const box = canvas.getBoundingClientRect();
    const { camera } = stage;
    const across = (event.clientX - box.left) / box.width;
    const down = (event.clientY - box.top) / box.height;
    camera.centre(across * camera.photoWidth, down * camera.photoHeight);
    stage.view();
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    go(event);
  });
  canvas.addEventListener("pointermove", go);
  canvas.addEventListener("pointerup", (event) => event.stopPropagation());
  stage.moved.push(draw);
  return draw;
}
