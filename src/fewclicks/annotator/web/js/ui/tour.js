/** @file The first visit: three steps on the photo itself, which can be skipped, and never come again. */

/** @import { Store } from "../state/store.js" */
import { t } from "../language.js";
import { keep, recall } from "../state/memory.js";
import { byId, h } from "./dom.js";

/** Under it the browser keeps which step is next; DONE after the last. */
const KEY = "fewclicks.tour";
const DONE = "done";
const STEPS = /** @type {const} */ (["first", "second", "third"]);

/**
 * Show the steps to who is here for the first time.
 * @param {Store} store
 */
export function tour(store) {
  const kept = recall(KEY, DONE); // a browser that keeps nothing would show them each time
  if (kept === null ? store.isNew : kept !== DONE) new Tour(store, Number(kept) || 0);
}

/** Each step goes on by itself when what it tells of was done. */
class Tour {
  /**
   * @param {Store} store
   * @param {number} step
   */
  constructor(store, step) {
    this.store = store;
    this.step = Math.min(STEPS.length - 1, step);
    this.card = h("div", { class: "tour", id: "tour", role: "region", "aria-live": "polite", hidden: true });
    byId("stage").append(this.card);
    /** The text that is shown. */
    this.shown = "";
    /** What was there when the step began: the clicks of the object in hand, and whether there was one, then or since. */
    this.clicks = 0;
    this.held = false;
    this.begin();
    store.on(["entries", "hand", "photo", "loading", "keys"], () => this.step < STEPS.length && this.look());
  }

  begin() {
    this.clicks = this.store.hand?.marks.length ?? 0;
    this.held = this.store.hand !== null;
  }

  /** Go on if what the step tells of was done; show the step. */
  look() {
    const { hand, state } = this.store;
    const marks = hand !== null && hand.thing.area_px > 0 && !hand.clicks.length ? hand.marks.length : 0;
    const done = [marks > 0, marks > this.clicks, this.held && !hand][this.step];
    this.held ||= hand !== null;
    if (done && !state.loading) this.goOn();
    else this.show();
  }

  goOn() {
    this.step++;
    if (this.step >= STEPS.length) return this.end();
    this.begin();
    keep(KEY, String(this.step));
    this.show();
  }

  /** It was seen, or is skipped. */
  end() {
    this.step = STEPS.length;
    keep(KEY, DONE);
    const had = this.card.contains(document.activeElement);
    this.card.remove();
    if (had) byId("stage").focus();
  }

  show() {
    const { photo, loading } = this.store.state;
    this.card.hidden = !photo || photo.problem !== null || loading;
    const text = t(`tour.${STEPS[this.step]}`);
    if (this.card.hidden || this.shown === text) return;
    this.shown = text;
    keep(KEY, String(this.step));
    const last = this.step === STEPS.length - 1;
    const place = h("span", { class: "dim number" }, t("tour.of", { number: this.step + 1, all: STEPS.length }));
    const skip = h("button", { type: "button", class: "link", id: "tour-skip", onclick: () => this.end() }, t("tour.skip"));
    const next = h("button", { type: "button", class: "button primary", id: "tour-next", onclick: () => this.goOn() }, t(last ? "tour.done" : "tour.next"));
    this.card.replaceChildren(h("p", {}, text), h("div", { class: "tour-foot" }, place, last ? false : skip, next));
  }
}

