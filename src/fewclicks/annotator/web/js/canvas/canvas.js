/** @file The stage: one canvas for the photo, one for the masks, one for what lies over them. Draws what the store says. */

/** @import { Desk } from "../state/workspace.js" */
/** @import { Entry } from "../state/annotation.js" */
/** @import { Lens } from "./preview.js" */
/** @import { Painted } from "./mask-render.js" */
/** @import { Box, Photo, Prompt } from "../types.js" */
/** @import { Rgb } from "./color.js" */
/** @import { Store } from "../state/store.js" */
import { Camera } from "./camera.js";
import { instanceColour, pixel, rgb, standingOut } from "./color.js";
import { byId } from "../ui/dom.js";
import { Layer } from "./mask-layer.js";
import { loopsOf } from "./outline.js";
import { drawBorder, drawBrush, drawBusy, drawCross, drawMark, drawPrompt } from "./overlay.js";

/** So long after the last movement the masks are drawn anew at the present scale. */
const REST_MS = 120;

export class Stage {
  /**
   * @param {Store} store
   * @param {Desk} desk
   */
  constructor(store, desk) {
    this.store = store;
    this.desk = desk;
    this.element = byId("stage");
    this.canvases = ["photo", "masks", "overlay"].map((id) => byId(id, HTMLCanvasElement));
    this.contexts = this.canvases.map((canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")));
    this.camera = new Camera();
    /** @type {number | undefined} id of the photo that the view is of */
    this.shown = undefined;
    this.others = new Layer();
    this.own = new Layer();
    /** @type {Lens | null} */
    this.lens = null;
    /** @type {Prompt | null} a box or a stroke of clicks that is being drawn */
    this.prompt = null;
    /** @type {[number, number] | null} the pointer, or the cursor of the keyboard, on the stage */
    this.pointer = null;
    /** The cursor is moved by keys. */
    this.byKeys = false;
    this.moving = false;
    this.stale = { photo: true, masks: true, overlay: true };
    this.asked = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.rest = undefined;
    /** @type {WeakMap<Entry, {key: string, colour: Rgb}>} */
    this.colours = new WeakMap();
    /** @type {(() => void)[]} called after each movement of the view */
    this.moved = [];
    /** @type {((context: CanvasRenderingContext2D) => void)[]} draw more over the masks, in CSS pixels */
    this.overlays = [];
    /** @type {(() => void)[]} called when the pointer has moved */
    this.pointed = [];
    /** @type {string | null} what the layer of the others was drawn of; null: it must be drawn anew, also if of nothing */
    this.signature = null;
    this.watch();
  }

  watch() {
    const { store } = this;
    new ResizeObserver(() => this.resized()).observe(this.element);
    store.on(["photo"], ({ photo }) => photo && this.opened(photo));
    store.on(["opacity", "outlineOnly"], () => this.redrawMasks());
    store.on(["paint", "classes", "instances"], () => {
      this.colours = new WeakMap();
      this.redrawMasks();
    });
    store.on(["entries", "hand", "before", "pass", "heat"], () => this.changed());
    store.on(["hover", "selected", "tool", "brushPx", "busy", "photo", "hidden"], () => this.draw({ overlay: true }));
    store.on(["hidden"], ({ hidden }) => this.element.classList.toggle("hides-masks", hidden));
    store.on(["busy"], ({ busy }) => this.element.setAttribute("aria-busy", String(busy)));
  }

  /**
   * A photo is open. The same photo with news keeps the view; one that cannot be read has no size.
   * @param {Photo} photo
   */
  opened({ id, width, height }) {
    if (id === this.shown) return;
    this.shown = width ? id : undefined;
    this.camera.fitted = true;
    this.camera.resize({ photoWidth: Math.max(1, width), photoHeight: Math.max(1, height) });
    this.byKeys = false;
    this.redrawMasks();
    this.view();
  }

  resized() {
    const { clientWidth: width, clientHeight: height } = this.element;
    const dpr = devicePixelRatio || 1;
    for (const canvas of this.canvases) {
      canvas.width = Math.max(1, Math.round(width * dpr));
      canvas.height = Math.max(1, Math.round(height * dpr));
    }
    this.camera.resize({ width: Math.max(1, width), height: Math.max(1, height), dpr });
    this.redrawMasks();
    this.view();
  }

  /** All masks must be drawn anew. */
  redrawMasks() {
    this.signature = null;
    this.changed();
  }

  /** The object in hand has changed, and perhaps others: those are drawn anew only if they have. */
  changed() {
    const signature = this.otherEntries.map((entry) => `${entry.thing.id} ${entry.revision} ${entry.thing.class_id} ${this.store.placeOf(entry)} ${entry.thing.proposal ?? ""}`).join();
    if (signature !== this.signature) this.others.invalidate();
    this.signature = signature;
    this.own.invalidate();
    this.draw({ masks: true, overlay: true });
  }

  /**
   * A stroke has changed the object in hand within a box.
   * @param {Box} box
   */
  brushed(box) {
    const hand = this.store.hand;
    if (hand) this.own.update(box, [this.painted(hand)]);
    this.draw({ masks: true, overlay: true });
  }

  /** The view has moved. */
  view() {
    this.moving = true;
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      this.moving = false;
      this.draw({ photo: true, masks: true });
    }, REST_MS);
    this.draw({ photo: true, masks: true, overlay: true });
    for (const listener of this.moved) listener();
  }

  /** Show the whole photo. */
  fit() {
    this.camera.fit();
    this.view();
  }

  /** One pixel of the photo is one of the screen. */
  actualSize() {
    this.camera.zoomTo(1 / this.camera.dpr, ...(this.pointer ?? []));
    this.view();
  }

  /** The pointer has moved. */
  told() {
    for (const listener of this.pointed) listener();
  }

  /**
   * Move the cursor of the keyboard; the view follows it.
   * @param {number} dx in CSS pixels
   * @param {number} dy
   */
  nudge(dx, dy) {
    const { camera } = this;
    const [x, y] = this.pointer ?? [camera.width / 2, camera.height / 2];
    this.pointer = [x + dx, y + dy];
    const over = (/** @type {number} */ value, /** @type {number} */ size) =>
      Math.min(0, size - 24 - value) + Math.max(0, 24 - value);
    const [panX, panY] = [over(this.pointer[0], camera.width), over(this.pointer[1], camera.height)];
    if ((panX || panY) && !camera.showsAll) camera.pan(panX, panY);
    this.pointer = [
      Math.max(0, Math.min(camera.width - 1, this.pointer[0] + panX)),
      Math.max(0, Math.min(camera.height - 1, this.pointer[1] + panY)),
    ];
    this.byKeys = true;
    if (panX || panY) this.view();
    this.draw({ overlay: true });
    this.told();
  }

  /** @param {Partial<Record<"photo" | "masks" | "overlay", boolean>>} what */
  draw(what) {
    Object.assign(this.stale, what);
    this.asked ||= requestAnimationFrame(() => this.frame());
  }

  frame() {
    this.asked = 0;
    const { stale } = this;
    this.stale = { photo: false, masks: false, overlay: false };
    if (stale.photo) this.drawPhoto(this.cleared(0));
    if (stale.masks) this.drawMasks(this.cleared(1));
    if (stale.overlay) this.drawOverlay(this.cleared(2));
  }

  /** @param {0 | 1 | 2} which */
  cleared(which) {
    const context = this.contexts[which];
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvases[which].width, this.canvases[which].height);
    return context;
  }

  /** @param {CanvasRenderingContext2D} context */
  drawPhoto(context) {
    this.desk.picture?.draw(context, this.camera, this.moving);
  }

  /** @param {CanvasRenderingContext2D} context */
  drawMasks(context) {
    if (!this.store.state.photo) return;
    this.others.draw(context, this.camera, () => this.otherEntries.map((entry) => this.painted(entry)), this.moving);
    const hand = this.store.hand;
    if (!hand || hand.hidden) return;
    const heat = this.lens?.heatOf(hand, this.colourOf(hand));
    if (heat) this.drawHeat(context, heat);
    else this.own.draw(context, this.camera, () => [this.painted(hand)], this.moving && !hand.strokes.length);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {HTMLCanvasElement} heat
   */
  drawHeat(context, heat) {
    const { left, top, scale, dpr, photoWidth, photoHeight } = this.camera;
    context.imageSmoothingEnabled = true;
    const { opacity } = this.store.state;
    context.globalAlpha = this.lens?.threshold === null ? Math.max(0.7, opacity) : Math.max(0.3, opacity);
    context.drawImage(heat, left * dpr, top * dpr, photoWidth * scale * dpr, photoHeight * scale * dpr);
    context.globalAlpha = 1;
  }

  /** The objects but the one in hand, bottom to top. */
  get otherEntries() {
    return this.store.stack.filter((entry) => entry.thing.id !== this.store.state.hand && !entry.hidden);
  }

  /**
   * A mask and its colours.
   * @param {Entry} entry
   * @returns {Painted}
   */
  painted(entry) {
    const { opacity, outlineOnly, hand } = this.store.state;
    const own = entry.thing.id === hand;
    const colour = this.colourOf(entry);
    const fill = outlineOnly ? 0 : pixel(colour, opacity);
    const mask = (own && this.lens?.instead(entry)) || entry.shown;
    return { mask, fill, line: own ? fill : pixel(colour, Math.max(0.9, opacity)), dashed: entry.thing.proposal };
  }

  /**
   * The colour that an object is drawn in: that of its class, or one that stands out from the photo better.
   * @param {Entry} entry
   * @returns {Rgb}
   */
  colourOf(entry) {
    const { classes, paint, instances } = this.store.state;
    const label = rgb(classes.find((one) => one.id === entry.thing.class_id)?.colour ?? "#ff3b6b");
    const place = instances ? this.store.placeOf(entry) : 0;
    // The first of a class has its colour; the others have colours that are told apart.
    if (place > 1) return instanceColour(label, place - 1);
    const own = label;
    const picture = this.desk.picture;
    if (paint === "class" || !picture?.isReady) return own;
    // Chosen once, for the first mask: it does not change from click to click.
    const key = `${entry.thing.class_id} ${entry.shown.bits.length > 0}`;
    const known = this.colours.get(entry);
    if (known?.key === key) return known.colour;
    const mask = entry.shown;
    const others = classes.filter((one) => one.id !== entry.thing.class_id).map((one) => rgb(one.colour));
    const under = picture.colours((x, y) => mask.has(x, y));
    const colour = standingOut(own, under, others, paint === "contrast");
    this.colours.set(entry, { key, colour });
    return colour;
  }

  /** @param {CanvasRenderingContext2D} context */
  drawOverlay(context) {
    const { camera, store } = this;
    const { hover, entries, hidden, selected } = store.state;
    context.setTransform(camera.dpr, 0, 0, camera.dpr, 0, 0);
    const hand = store.hand;
    const pointed = hover === null || hidden ? null : entries.get(hover);
    if (pointed && pointed !== hand && !pointed.hidden) drawBorder(context, camera, pointed.loops, { colour: "white", width: 1.75 });
    if (hand && !hand.hidden && !hidden) this.drawHand(context, hand);
    const { preview } = this.lens ?? {};
    if (preview && !hidden) drawBorder(context, camera, preview.loops, { colour: "white", width: 1.5, dash: [5, 4] });
    for (const id of hidden ? [] : selected) {
      const entry = entries.get(id);
      if (entry && entry !== hand && !entry.hidden) drawBorder(context, camera, entry.loops, { colour: "white", width: 1.75, dash: [7, 4] });
    }
    for (const prompt of [...(hand?.prompts ?? []), this.prompt]) if (prompt) drawPrompt(context, camera, prompt);
    for (const draw of this.overlays) draw(context);
    this.drawCursor(context);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Entry} hand
   */
  drawHand(context, hand) {
    const { camera, store } = this;
    const colour = this.colourOf(hand);
    const instead = this.lens?.instead(hand);
    const trying = this.lens?.threshold !== null && this.lens?.heatOf(hand, colour);
    const lines = instead ? loopsOf(instead) : hand.loops;
    if (!trying) drawBorder(context, camera, lines, { colour: `rgb(${lighter(colour).join(" ")})`, width: 1.75, dash: hand.thing.proposal ? [7, 5] : undefined });
    const marks = hand.marks;
    marks.forEach((mark, i) => {
      const look = { positive: mark.positive, pending: mark.id !== "", last: i === marks.length - 1, colour };
      drawMark(context, camera.toStage(mark.x, mark.y), look);
    });
    const working = marks.find((mark) => mark.id) ?? marks[marks.length - 1];
    if (!store.state.busy || !working) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    drawBusy(context, camera.toStage(working.x, working.y), still ? 0 : (performance.now() / 900) % 1);
    if (!still) requestAnimationFrame(() => this.draw({ overlay: true }));
  }

  /** @param {CanvasRenderingContext2D} context */
  drawCursor(context) {
    const { tool, brushPx, photo } = this.store.state;
    if (!this.pointer || !photo) return;
    if (tool === "brush" || tool === "erase") drawBrush(context, this.pointer, brushPx * this.camera.scale, tool === "erase");
    else if (this.byKeys) drawCross(context, this.pointer);
  }
}

/**
 * The same colour, lighter: a border on its own tint.
 * @param {Rgb} colour
 * @returns {Rgb}
 */
function lighter([r, g, b]) {
  const light = (/** @type {number} */ value) => Math.round(value + (255 - value) * 0.45);
  return [light(r), light(g), light(b)];
}
