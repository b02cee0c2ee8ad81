/** @file The cascade: how often a click is refined, what each pass changed, earlier passes, the threshold. */

/** @import { Hand } from "../../tools/editor.js" */
/** @import { Lens } from "../../canvas/preview.js" */
/** @import { Store } from "../../state/store.js" */
import { byId, count, enable, h, plural, svg } from "../dom.js";
import { AS_MODEL } from "../../state/store.js";
import { check, slider } from "./fields.js";

const HIGH = 44;
const BAR = 24;

export class CascadePanel {
  /**
   * @param {{store: Store, hand: Hand, lens: Lens}} parts
   */
  constructor({ store, hand, lens }) {
    this.store = store;
    this.hand = hand;
    this.lens = lens;
    this.depth = slider({ id: "cfr", label: "Passes after a click", min: AS_MODEL, max: 8, step: 1, key: "< >" }, passesText);
    this.depth.input.addEventListener("input", () => store.set({ passes: Number(this.depth.input.value) }));
    this.own = h("p", { class: "dim", id: "own-passes" });
    this.spark = h("div", { id: "spark" });
    this.pass = slider({ id: "pass", label: "Show the mask after pass", min: 0, max: 1, step: 1, key: "Alt+, Alt+." }, (value) => this.passText(value));
    this.pass.input.addEventListener("input", () => this.scrubbed());
    this.threshold = slider({ id: "threshold", label: "Threshold", min: 0.02, max: 0.98, step: 0.01 }, (value) => value.toFixed(2));
    this.threshold.input.addEventListener("input", () => this.tried());
    // A slider that comes back to where it was does not tell of a change.
    for (const end of ["change", "pointerup", "pointercancel", "blur"]) {
      this.threshold.input.addEventListener(end, () => this.chosen());
    }
    byId("cascade").append(
      h(
        "div",
        { class: "fields" },
        this.depth.element,
        this.own,
        check(store, "adaptive", "Adaptive: stop when it has settled"),
        this.spark,
        this.pass.element,
        this.beforeButton(),
        this.threshold.element,
      ),
    );
    store.on(["passes", "folder"], ({ passes, folder }) => {
      this.depth.show(passes);
      this.own.textContent = ownText(folder?.own ?? null);
      this.own.hidden = passes !== AS_MODEL;
      const why = passes === AS_MODEL ? "the model says when to stop" : passes ? null : "there are no passes to stop";
      enable(byId("setting-adaptive", HTMLInputElement), why, "Stop when it has settled");
    });
    store.on(["hand", "entries", "pass"], () => this.show());
  }

  beforeButton() {
    const { store } = this;
    const set = (/** @type {boolean} */ before) => () => store.set({ before });
    const space = (/** @type {boolean} */ before) => (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      store.set({ before });
    };
    const hold = { onpointerdown: set(true), onpointerup: set(false), onpointerleave: set(false), onblur: set(false) };
    const keys = { onkeydown: space(true), onkeyup: space(false) };
    this.before = h("button", { type: "button", class: "button", id: "before", ...hold, ...keys }, "Hold: before the last change", h("kbd", {}, "V"));
    store.on(["before"], ({ before }) => this.before?.setAttribute("aria-pressed", String(before)));
    return h("div", { class: "pair" }, this.before);
  }

  show() {
    const entry = this.store.hand;
    const passes = entry?.passes ?? [];
    const last = passes.length - 1;
    const shown = this.store.state.pass ?? last;
    this.pass.input.max = String(Math.max(1, last));
    enable(this.pass.input, last < 1 ? (entry ? "the last click had one pass only" : "nothing is selected") : null, "The mask after an earlier pass");
    this.pass.show(last < 1 ? 0 : shown);
    const some = entry?.thing.area_px || entry?.thing.clicks.length;
    enable(this.threshold.input, !some ? "nothing is selected" : entry?.thing.locked ? "the object is locked" : null, "Where the probability becomes the mask");
    if (document.activeElement !== this.threshold.input || this.lens.threshold === null) {
      this.threshold.show(entry?.thing.threshold ?? 0.5);
    }
    if (this.before) enable(this.before, entry ? null : "nothing is selected", "The mask before the last change");
    this.spark.replaceChildren(...(passes.length ? [sparkline(passes.map((pass) => pass.changed_px), shown)] : []));
  }

  /** @param {number} value */
  passText(value) {
    const passes = this.store.hand?.passes ?? [];
    return passes.length > 1 ? `${value} of ${passes.length - 1}` : "–";
  }

  scrubbed() {
    const last = (this.store.hand?.passes.length ?? 0) - 1;
    const value = Number(this.pass.input.value);
    this.store.set({ pass: value >= last ? null : value });
  }

  tried() {
    const value = Number(this.threshold.input.value);
    this.threshold.show(value);
    this.lens.tryThreshold(value);
  }

  chosen() {
    if (this.lens.threshold === null) return;
    const value = Number(this.threshold.input.value);
    this.lens.tryThreshold(null);
    if (this.store.hand && this.store.hand.thing.threshold !== value) this.hand.act({ kind: "threshold", value });
  }
}

/** @param {number} passes */
function passesText(passes) {
  if (passes === AS_MODEL) return "as the model says";
  return passes ? `+ ${passes}` : "off";
}

/**
 * How a model refines by itself, in words.
 * @param {import("../../types.js").OwnPasses | null} own
 */
function ownText(own) {
  if (!own) return "The model is being loaded.";
  const { first, later, adaptive } = own;
  const some = (/** @type {number} */ passes) => (passes ? `${passes} ${passes === 1 ? "pass" : "passes"}` : "none");
  const most = adaptive ? "at most " : "";
  if (first === later) return `This model: ${most}${some(first)} after each click.`;
  return `This model: ${most}${some(first)} after the first click, ${some(later)} after later ones.`;
}

/**
 * The pixels that each pass changed, as bars on a scale of powers of ten, and in words.
 * @param {number[]} changed
 * @param {number} shown
 */
function sparkline(changed, shown) {
  const words = changed.map((px, i) => `${i ? `pass ${i}` : "the click"}: ${plural(px, "pixel")} changed`).join("; ");
  const width = changed.length * BAR;
  const picture = svg("svg", { class: "spark", viewBox: `0 0 ${Math.max(width, BAR * 9)} ${HIGH}`, preserveAspectRatio: "xMinYMax meet", role: "img", "aria-label": words });
  picture.append(svg("line", { x1: 0, x2: Math.max(width, BAR * 9), y1: HIGH - 0.5, y2: HIGH - 0.5 }));
  const most = Math.log10(1 + Math.max(...changed, 9));
  changed.forEach((px, i) => {
    const high = Math.max(px ? 2 : 0.5, (Math.log10(1 + px) / most) * (HIGH - 4));
    const bar = svg("rect", { x: i * BAR + 2, y: HIGH - 1 - high, width: BAR - 5, height: high, rx: 1.5, class: i === shown ? "shown" : "" });
    const title = svg("title", {});
    title.textContent = `${i ? `Pass ${i}` : "The click"}: ${plural(px, "pixel")}`;
    bar.append(title);
    picture.append(bar);
  });
  const text = h("div", { class: "dim number ellipsis" }, `${changed.map((px) => count(px)).join(" → ")} px changed`);
  return h("div", {}, picture, text);
}
