/** @file The cascade: how often a click is refined, what each pass changed, earlier passes, the threshold. */

/** @import { Hand } from "../../tools/editor.js" */
/** @import { Lens } from "../../canvas/preview.js" */
/** @import { Notices } from "../toasts.js" */
/** @import { Store } from "../../state/store.js" */
import { count, counted, decimal, t } from "../../language.js";
import { byId, enable, h, svg } from "../dom.js";
import { closed } from "../../state/rights.js";
import { AS_MODEL } from "../../state/store.js";
import { methodField } from "./method.js";
import { check, kbd, slider } from "./fields.js";

const HIGH = 44;
const BAR = 24;

export class CascadePanel {
  /**
   * @param {{store: Store, hand: Hand, lens: Lens, notices: Notices}} parts
   */
  constructor({ store, hand, lens, notices }) {
    this.store = store;
    this.hand = hand;
    this.lens = lens;
    this.depth = slider(store, { id: "cfr", label: "cascade.depth", title: "cascade.depthTitle", min: AS_MODEL, max: 8, step: 1 }, passesText);
    this.depth.input.addEventListener("input", () => store.set({ passes: Number(this.depth.input.value) }));
    this.own = h("p", { class: "dim", id: "own-passes" });
    this.spark = h("div", { id: "spark" });
    this.pass = slider(store, { id: "pass", label: "cascade.pass", title: "cascade.passTitle", min: 0, max: 1, step: 1 }, (value) => this.passText(value));
    this.pass.input.addEventListener("input", () => this.scrubbed());
    this.threshold = slider(store, { id: "threshold", label: "cascade.threshold", min: 0.02, max: 0.98, step: 0.01 }, (value) => decimal(value, 2));
    this.threshold.input.addEventListener("input", () => this.tried());
    // A slider that comes back to where it was does not tell of a change.
    for (const end of ["change", "pointerup", "pointercancel", "blur"]) {
      this.threshold.input.addEventListener(end, () => this.chosen());
    }
    byId("cascade").append(
      h(
        "div",
        { class: "fields" },
        methodField(store, notices),
        this.depth.element,
        this.own,
        check(store, "adaptive", "cascade.adaptive"),
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
      const why = passes === AS_MODEL ? t("cascade.modelSays") : passes ? null : t("cascade.noPasses");
      enable(byId("setting-adaptive", HTMLInputElement), why, t("cascade.adaptiveTitle"));
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
    this.before = h("button", { type: "button", class: "button", id: "before", ...hold, ...keys }, t("cascade.before"), kbd(store, "before"));
    store.on(["before"], ({ before }) => this.before?.setAttribute("aria-pressed", String(before)));
    return h("div", { class: "pair" }, this.before);
  }

  show() {
    const entry = this.store.hand;
    const passes = entry?.passes ?? [];
    const last = passes.length - 1;
    const shown = this.store.state.pass ?? last;
    this.pass.input.max = String(Math.max(1, last));
    enable(this.pass.input, last < 1 ? (entry ? t("cascade.onePass") : t("nothingSelected")) : null, t("cascade.earlier"));
    this.pass.show(last < 1 ? 0 : shown);
    const some = entry?.thing.area_px || entry?.thing.clicks.length;
    enable(this.threshold.input, !some ? t("nothingSelected") : closed(this.store.state) ?? (entry?.thing.locked ? t("objectLocked") : null), t("cascade.where"));
    if (document.activeElement !== this.threshold.input || this.lens.threshold === null) {
      this.threshold.show(entry?.thing.threshold ?? 0.5);
    }
    if (this.before) enable(this.before, entry ? null : t("nothingSelected"), t("cascade.beforeTitle"));
    this.spark.replaceChildren(...(passes.length ? [sparkline(passes.map((pass) => pass.changed_px), shown)] : []));
  }

  /** @param {number} value */
  passText(value) {
    const passes = this.store.hand?.passes ?? [];
    return passes.length > 1 ? t("cascade.of", { number: value, all: passes.length - 1 }) : "–";
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
  if (passes === AS_MODEL) return t("cascade.asModel");
  return passes ? `+ ${passes}` : t("cascade.off");
}

/**
 * How a model refines by itself, in words.
 * @param {import("../../types.js").OwnPasses | null} own
 */
function ownText(own) {
  if (!own) return t("cascade.loading");
  const { first, later, adaptive } = own;
  const some = (/** @type {number} */ passes) => (passes ? t("cascade.passes", { n: passes }) : t("cascade.none"));
  const most = adaptive ? t("cascade.most", { passes: some(first) }) : some(first);
  if (first === later) return t("cascade.each", { first: most });
  return t("cascade.firstLater", { first: most, later: some(later) });
}

/**
 * @param {number} px
 * @param {number} pass 0: the click itself
 */
function said(px, pass) {
  const pixels = counted("pixel", px);
  return pass ? t("cascade.thePass", { number: pass, pixels }) : t("cascade.theClick", { pixels });
}

/**
 * The pixels that each pass changed, as bars on a scale of powers of ten, and in words.
 * @param {number[]} changed
 * @param {number} shown
 */
function sparkline(changed, shown) {
  const words = changed.map(said).join("; ");
  const width = changed.length * BAR;
  const picture = svg("svg", { class: "spark", viewBox: `0 0 ${Math.max(width, BAR * 9)} ${HIGH}`, preserveAspectRatio: "xMinYMax meet", role: "img", "aria-label": words });
  picture.append(svg("line", { x1: 0, x2: Math.max(width, BAR * 9), y1: HIGH - 0.5, y2: HIGH - 0.5 }));
  const most = Math.log10(1 + Math.max(...changed, 9));
  changed.forEach((px, i) => {
    const high = Math.max(px ? 2 : 0.5, (Math.log10(1 + px) / most) * (HIGH - 4));
    const bar = svg("rect", { x: i * BAR + 2, y: HIGH - 1 - high, width: BAR - 5, height: high, rx: 1.5, class: i === shown ? "shown" : "" });
    const title = svg("title", {});
    title.textContent = said(px, i);
    bar.append(title);
    picture.append(bar);
  });
  const text = h("div", { class: "dim number ellipsis" }, t("cascade.changed", { pixels: changed.map((px) => count(px)).join(" → ") }));
  return h("div", {}, picture, text);
}
