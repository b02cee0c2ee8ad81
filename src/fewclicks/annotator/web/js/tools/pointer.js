/** @file Mouse, pen and fingers on the stage: clicks, strokes, pan, zoom. */

/** @import { Hand } from "./editor.js" */
/** @import { Lens } from "../canvas/preview.js" */
/** @import { Many } from "./many.js" */
/** @import { Meanings } from "./meanings.js" */
/** @import { Stage } from "../canvas/canvas.js" */
/** @import { Store } from "../state/store.js" */
import { t } from "../language.js";
import { Prompting } from "./prompting.js";
import { Stroking } from "./stroke.js";
import { Vertices } from "./vertices.js";

const LONG_PRESS_MS = 500;
/** A finger that has moved less has not moved. */
const STILL_PX = 10;
/** A wheel moves by at least so much a notch; the fingers on a trackpad by less, or sideways. */
const NOTCH_PX = 50;
/** With Alt, a notch is as many, so that fingers count them one by one. */
const TURN_PX = 100;

/** A mouse that has moved less has clicked; one that has moved more draws a box. */
const DRAG_PX = 6;

/** @typedef {"pan" | "stroke" | "press" | "click" | "prompt" | "grip" | "pinch" | null} Mode */

export class Pointing {
  /**
   * @param {{store: Store, stage: Stage, hand: Hand, lens: Lens, many: Many, meanings: Meanings}} parts
   */
  constructor({ store, stage, hand, lens, many, meanings }) {
    this.many = many;
    this.meanings = meanings;
    this.store = store;
    this.stage = stage;
    this.hand = hand;
    this.lens = lens;
    this.stroking = new Stroking(store, hand);
    this.prompting = new Prompting(store, hand);
    this.vertices = new Vertices({ store, stage, hand });
    /** The button that went down means the object. */
    this.positive = true;
    /** Ctrl was held as it went down: objects are selected. */
    this.band = false;
    /** @type {Mode} */
    this.mode = null;
    /** @type {Map<number, [number, number]>} pointers that are down */
    this.down = new Map();
    /** How far the wheel was turned with Alt held, since the last notch. */
    this.turn = 0;
    /** Space is held: the pointer pans. */
    this.space = false;
    /** It has panned since space was pressed. */
    this.panned = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.longPress = undefined;
    /** @type {[number, number]} where the finger came down */
    this.origin = [0, 0];
    this.listen(stage.element);
    store.on(["tool", "photo"], ({ tool }) => (stage.element.dataset.tool = tool));
    store.on(["tool", "photo"], () => (stage.prompt = this.prompting.prompt));
    // A click at the cursor of the keys has a preview too.
    stage.pointed.push(() => {
      if (stage.byKeys) this.byKeys();
      if (stage.byKeys && stage.pointer) lens.over(...stage.camera.toPhoto(...stage.pointer), true);
    });
  }

  /**
   * Hear what is done on the stage itself. What lies on it (a pin, the small picture, a card) keeps its presses and moves: they are none
   * on the photo. The wheel is always the photo's.
   * @param {HTMLElement} element
   */
  listen(element) {
    const own = (/** @type {(event: PointerEvent) => void} */ hear) => (/** @type {PointerEvent} */ event) => event.target === element && hear(event);
    element.addEventListener("pointerdown", own((event) => this.pressed(event)));
    element.addEventListener("pointermove", own((event) => this.moved(event)));
    element.addEventListener("pointerup", own((event) => this.released(event)));
    element.addEventListener("pointercancel", own((event) => this.cancelled(event)));
    element.addEventListener("pointerleave", () => this.left());
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    element.addEventListener("mousedown", (event) => event.button === 1 && event.preventDefault());
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  /**
   * The event's place on the stage.
   * @param {MouseEvent} event
   * @returns {[number, number]}
   */
  place(event) {
    const box = this.stage.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /**
   * Whether the event means the object, not the background.
   * @param {PointerEvent} event
   */
  means(event) {
    const background = event.button === 2 || event.shiftKey || event.altKey;
    return background === this.store.state.swapped;
  }

  /** @param {PointerEvent} event */
  pressed(event) {
    const at = this.place(event);
    this.stage.element.focus({ preventScroll: true });
    this.stage.element.setPointerCapture(event.pointerId);
    this.stage.byKeys = false;
    this.down.set(event.pointerId, at);
    const { foretold } = this.lens;
    this.lens.cancel();
    if (this.down.size === 2) return this.pinch();
    if (this.down.size > 2) return;
    if (event.button === 1 || this.space) return this.pan();
    const { tool } = this.store.state;
    this.band = (event.ctrlKey || event.metaKey) && event.button === 0 && event.pointerType !== "touch";
    if (this.band) {
      this.mode = "click";
      this.origin = at;
      this.positive = true;
    } else if (tool === "polygon" && (event.button === 0 || event.button === 2)) {
      this.corner(at, this.means(event));
    } else if (tool === "outline") {
      this.grasp(event, at);
    } else if (tool === "box" || tool === "scribble" || tool === "lasso") {
      if (event.button === 0 || event.button === 2) this.draw(tool, at, this.means(event));
    } else if (tool !== "click") {
      if (this.stroking.start(this.stage.camera.toPhoto(...at), this.means(event))) this.mode = "stroke";
      this.stage.changed();
    } else if (event.pointerType === "touch") {
      this.press(at);
      this.lens.press(...this.stage.camera.toPhoto(...at), !this.store.state.swapped);
    } else if (event.button === 0 || event.button === 2) {
      this.mode = "click";
      this.origin = at;
      this.positive = this.means(event);
      if (!foretold) this.lens.press(...this.stage.camera.toPhoto(...at), this.positive);
    }
  }

  /**
   * A corner of a polygon: the first begins it.
   * @param {[number, number]} at
   * @param {boolean} positive
   */
  corner(at, positive) {
    const point = this.stage.camera.toPhoto(...at);
    if (this.prompting.prompt?.kind !== "polygon") this.prompting.start("polygon", point, positive);
    else this.prompting.corner(point, this.stage.camera.scale);
    this.shown();
  }

  /**
   * With the outline tool: take hold of a vertex, take it away, or select the object there.
   * @param {PointerEvent} event
   * @param {[number, number]} at
   */
  grasp(event, at) {
    if (event.button === 2 || event.altKey) return this.vertices.remove(at);
    if (event.button !== 0) return;
    if (this.vertices.start(at, event.pointerType === "touch")) return void (this.mode = "grip");
    const under = this.store.at(...this.stage.camera.toPhoto(...at));
    if (under) this.hand.take(under);
    else this.pan();
  }

  /** What is being drawn has changed. */
  shown() {
    this.stage.prompt = this.prompting.prompt;
    this.stage.draw({ overlay: true });
  }

  /** Close the polygon that is being drawn. Returns whether there was one. */
  close() {
    if (this.prompting.prompt?.kind !== "polygon") return false;
    this.prompting.finish(this.stage.camera.scale);
    this.shown();
    return true;
  }

  /** Take the last corner of the polygon back, or bring back the polygon that was given up. Returns whether there is one. */
  uncorner() {
    const was = this.prompting.uncorner() || this.prompting.regain();
    if (was) this.shown();
    return was;
  }

  /**
   * By keys: take hold of what lies at the cursor, or let go there.
   * @param {[number, number]} at
   * @param {boolean} positive
   */
  gripByKeys(at, positive) {
    if (!positive) this.vertices.remove(at);
    else if (this.vertices.grip) this.vertices.move(at), this.vertices.finish();
    else if (!this.vertices.start(at)) this.store.set({ hint: t("outline.noVertex") });
  }

  /**
   * Begin a box, a lasso or a stroke of clicks.
   * @param {"box" | "scribble" | "lasso"} kind
   * @param {[number, number]} at
   * @param {boolean} positive
   */
  draw(kind, at, positive) {
    this.lens.cancel();
    this.mode = this.prompting.start(kind, this.stage.camera.toPhoto(...at), positive) ? "prompt" : null;
    this.stage.prompt = this.prompting.prompt;
    this.stage.draw({ overlay: true });
  }

  /**
   * By keys: begin at the cursor, or end there.
   * @param {"box" | "scribble" | "lasso"} kind
   * @param {[number, number]} at
   * @param {boolean} positive
   */
  drawByKeys(kind, at, positive) {
    if (!this.prompting.prompt) return void this.prompting.start(kind, this.stage.camera.toPhoto(...at), positive), this.byKeys();
    this.byKeys();
    this.prompting.finish(this.stage.camera.scale);
    this.stage.prompt = null;
    this.stage.draw({ overlay: true });
  }

  /** The cursor of the keys goes on. */
  byKeys() {
    if (this.mode !== null || !this.stage.pointer) return;
    if (this.vertices.grip) this.vertices.move(this.stage.pointer);
    this.prompting.extend(this.stage.camera.toPhoto(...this.stage.pointer), Math.max(1, this.stage.camera.scale));
    this.stage.prompt = this.prompting.prompt;
  }

  /**
   * Select the object under the pointer, or what the box meets.
   * @param {"click" | "prompt"} mode
   */
  select(mode) {
    const { prompt } = this.prompting;
    const at = this.stage.camera.toPhoto(...this.origin);
    this.giveUp();
    this.store.onceOpen(() => {
      const under = this.store.at(...at) ?? this.store.at(...at, true);
      if (mode === "prompt" && prompt) this.many.band(prompt.points[0], prompt.points[prompt.points.length - 1]);
      else if (under) this.many.toggle(under);
    });
  }

  /** Give up what is being drawn. Returns whether something was. */
  giveUp() {
    const was = [this.vertices.cancel(), this.prompting.cancel()].some(Boolean);
    if (this.mode === "prompt" || this.mode === "grip") this.mode = null;
    this.stage.prompt = null;
    this.stage.draw({ overlay: true });
    return was;
  }

  /**
   * Paint one dot, as the brush does that does not move.
   * @param {[number, number]} at
   * @param {boolean} object
   */
  dab(at, object) {
    if (this.stroking.start(this.stage.camera.toPhoto(...at), object)) this.stroking.finish();
    this.stage.changed();
  }

  pan() {
    this.lens.cancel();
    this.mode = "pan";
    this.panned = true;
    this.stage.element.classList.add("pans");
  }

  pinch() {
    clearTimeout(this.longPress);
    this.lens.cancel();
    if (this.mode === "stroke") this.stroking.cancel();
    this.giveUp();
    this.mode = "pinch";
    this.stage.changed();
  }

  /**
   * A finger is down: a tap is a click, a long press one on the background, a drag pans.
   * @param {[number, number]} at
   */
  press(at) {
    this.mode = "press";
    this.origin = at;
    this.longPress = setTimeout(() => {
      if (this.mode !== "press") return;
      this.mode = null;
      navigator.vibrate?.(15);
      this.hand.click(...this.stage.camera.toPhoto(...at), this.store.state.swapped);
    }, LONG_PRESS_MS);
  }

  /** @param {PointerEvent} event */
  moved(event) {
    const at = this.place(event);
    const before = this.down.get(event.pointerId);
    const others = [...this.down].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    if (before) this.down.set(event.pointerId, at);
    this.stage.pointer = event.pointerType === "touch" && this.mode !== "stroke" ? null : at;
    this.stage.byKeys = false;
    if (this.mode === "press" && Math.hypot(at[0] - this.origin[0], at[1] - this.origin[1]) > STILL_PX) this.pan();
    if (this.mode === "click" && this.positive && Math.hypot(at[0] - this.origin[0], at[1] - this.origin[1]) > DRAG_PX) {
      this.draw("box", this.origin, true);
    }
    if (this.mode === "prompt" && before) {
      this.prompting.extend(this.stage.camera.toPhoto(...at), this.stage.camera.scale);
      this.stage.prompt = this.prompting.prompt;
    } else if (this.mode === "grip" && before) {
      this.vertices.move(at);
    } else if (this.mode === "pan" && before) {
      this.stage.camera.pan(at[0] - before[0], at[1] - before[1]);
      this.stage.view();
    } else if (this.mode === "pinch" && before && others.length) {
      this.pinched(before, at, others[0]);
    } else if (this.mode === "stroke" && before) {
      this.drawn(event);
    } else if (!before && event.pointerType !== "touch") {
      const object = (event.shiftKey || event.altKey) === this.store.state.swapped;
      this.lens.over(...this.stage.camera.toPhoto(...at), object);
      this.hover(at);
      this.prompting.extend(this.stage.camera.toPhoto(...at), this.stage.camera.scale);
      if (this.store.state.tool === "outline") this.vertices.move(at);
    }
    this.stage.draw({ overlay: true });
    this.stage.told();
  }

  /**
   * One of two fingers has moved.
   * @param {[number, number]} before
   * @param {[number, number]} at
   * @param {[number, number]} other
   */
  pinched(before, at, other) {
    const { camera } = this.stage;
    const was = Math.hypot(before[0] - other[0], before[1] - other[1]);
    const is = Math.hypot(at[0] - other[0], at[1] - other[1]);
    camera.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    if (was > 1) camera.zoom(is / was, (at[0] + other[0]) / 2, (at[1] + other[1]) / 2);
    this.stage.view();
  }

  /** @param {PointerEvent} event */
  drawn(event) {
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) {
      const box = this.stroking.extend(this.stage.camera.toPhoto(...this.place(one)), this.stage.camera.scale);
      if (box) this.stage.brushed(box);
    }
  }

  /** @param {PointerEvent} event */
  released(event) {
    const at = this.place(event);
    const { mode } = this;
    this.end(event);
    if (this.band && (mode === "click" || mode === "prompt")) return this.select(mode);
    if (mode === "click") this.hand.click(...this.stage.camera.toPhoto(...this.origin), this.positive);
    if (mode === "prompt") {
      this.prompting.finish(this.stage.camera.scale);
      this.stage.prompt = null;
      this.stage.draw({ overlay: true });
    }
    if (mode === "press") this.hand.click(...this.stage.camera.toPhoto(...at), !this.store.state.swapped);
    if (mode === "grip") this.vertices.finish();
    if (mode === "stroke") this.stroking.finish();
  }

  /** @param {PointerEvent} event */
  cancelled(event) {
    if (this.mode === "stroke") this.stroking.cancel();
    this.giveUp();
    this.end(event);
    this.stage.changed();
  }

  /** @param {PointerEvent} event */
  end(event) {
    clearTimeout(this.longPress);
    this.down.delete(event.pointerId);
    this.stage.element.classList.remove("pans");
    // The finger that stays after a pinch goes on as a pan, and never clicks.
    this.mode = this.down.size === 1 && (this.mode === "pinch" || this.mode === "pan") ? "pan" : null;
  }

  /**
   * The object under the pointer lights up in the list.
   * @param {[number, number]} at
   */
  hover(at) {
    const under = this.store.state.hidden ? null : this.store.at(...this.stage.camera.toPhoto(...at));
    this.store.set({ hover: under?.thing.id ?? null });
  }

  left() {
    this.stage.pointer = null;
    this.store.set({ hover: null });
    this.lens.cancel();
    this.stage.draw({ overlay: true });
    this.stage.told();
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    event.preventDefault();
    this.lens.cancel();
    if (event.altKey) return this.turned(event);
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 33 : event.deltaMode ? 400 : 1;
    const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
    const { wheel } = this.store.state;
    const fingers = dx !== 0 || Math.abs(dy) < NOTCH_PX;
    if (!event.ctrlKey && (wheel === "pan" || event.shiftKey || (wheel === "auto" && fingers))) {
      if (event.shiftKey && !dx) this.stage.camera.pan(-dy, 0);
      else this.stage.camera.pan(-dx, -dy);
    } else {
      const rate = event.ctrlKey && Math.abs(dy) < NOTCH_PX ? 0.01 : 0.002;
      this.stage.camera.zoom(Math.exp(-Math.max(-300, Math.min(300, dy)) * rate), ...this.place(event));
    }
    this.stage.view();
  }

  /**
   * The wheel turns with Alt held: each notch is one of what the first click can mean. The fingers on a trackpad take some events for one.
   * @param {WheelEvent} event
   */
  turned({ deltaY, deltaMode }) {
    const dy = deltaY * (deltaMode === WheelEvent.DOM_DELTA_LINE ? TURN_PX / 3 : deltaMode ? TURN_PX : 1);
    this.turn = this.turn * dy < 0 ? dy : this.turn + dy;
    if (Math.abs(this.turn) < TURN_PX) return;
    this.meanings.cycle(this.turn > 0 ? 1 : -1);
    this.turn = 0;
  }

  /** Space goes down: from now on the pointer pans. */
  spaceDown() {
    this.space = true;
    this.panned = false;
    this.stage.element.classList.add("can-pan");
  }

  /** Space goes up. Returns whether it was only pressed, and nothing panned. */
  spaceUp() {
    const pressed = this.space && !this.panned;
    this.space = false;
    this.stage.element.classList.remove("can-pan");
    return pressed;
  }
}
