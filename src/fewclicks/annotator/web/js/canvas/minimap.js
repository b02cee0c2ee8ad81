/** @file The small picture of a photo that does not fit into view: where the view is, and a way to move it. */

/** @import { Desk } from "../state/workspace.js" */
/** @import { Stage } from "./canvas.js" */
import { byId } from "../ui/dom.js";

const SIDE = 168;
/** A stage narrower than this has no room for it. */
const MIN_STAGE = 420;

export class Navigator {
  /**
   * @param {Stage} stage
   * @param {Desk} desk
   */
  constructor(stage, desk) {
    this.stage = stage;
    this.desk = desk;
    this.canvas = byId("navigator", HTMLCanvasElement);
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.go(event);
    });
    this.canvas.addEventListener("pointermove", (event) => this.go(event));
    stage.moved.push(() => this.draw());
  }

  draw() {
    const { canvas, context } = this;
    const { camera, element } = this.stage;
    const picture = this.desk.picture;
    canvas.hidden = camera.showsAll || !picture?.isReady || element.clientWidth < MIN_STAGE;
    if (canvas.hidden || !picture) return;
    const scale = SIDE / Math.max(camera.photoWidth, camera.photoHeight);
    const [width, height] = [camera.photoWidth * scale, camera.photoHeight * scale];
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.width = Math.max(1, Math.round(width * camera.dpr));
    canvas.height = Math.max(1, Math.round(height * camera.dpr));
    context.drawImage(picture.preview, 0, 0, canvas.width, canvas.height);
    const [x0, y0, x1, y1] = camera.view.map((value) => value * scale * camera.dpr);
    const shade = new Path2D();
    shade.rect(0, 0, canvas.width, canvas.height);
    shade.rect(x0, y0, x1 - x0, y1 - y0);
    context.fillStyle = "rgb(0 0 0 / 0.45)";
    context.fill(shade, "evenodd");
    context.strokeStyle = "white";
    context.lineWidth = 1.5 * camera.dpr;
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }

  /**
   * Move the view to where the pointer is held.
   * @param {PointerEvent} event
   */
  go(event) {
    if (!event.buttons) return;
    const box = this.canvas.getBoundingClientRect();
    const { camera } = this.stage;
    const across = (event.clientX - box.left) / box.width;
    const down = (event.clientY - box.top) / box.height;
    camera.centre(across * camera.photoWidth, down * camera.photoHeight);
    this.stage.view();
  }
}
