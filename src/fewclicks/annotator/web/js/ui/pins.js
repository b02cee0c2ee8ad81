/** @file Comments on the photo itself: pins that stay equally big at every zoom, and the field in which one is written. */

/** @import { Comment } from "../types.js" */
/** @import { Review } from "../state/review.js" */
/** @import { Stage } from "../canvas/canvas.js" */
/** @import { Store } from "../state/store.js" */
import { t } from "../language.js";
import { byId, h } from "./dom.js";

export class Pins {
  /**
   * @param {{store: Store, stage: Stage, review: Review}} parts
   */
  constructor({ store, stage, review }) {
    this.store = store;
    this.stage = stage;
    this.review = review;
    this.layer = h("div", { class: "pins", id: "pins" });
    byId("filmstrip").before(this.layer);
    /** @type {[HTMLElement, number, number][]} each with its place on the photo */
    this.placed = [];
    stage.moved.push(() => this.place());
    store.on(["comments", "hidden"], () => this.show());
  }

  /** Draw the pins of the open comments. */
  show() {
    const { comments, hidden } = this.store.state;
    const pinned = comments.filter((one) => one.x !== null && !one.resolved && !hidden);
    this.placed = this.placed.filter(([element]) => element.tagName === "FORM");
    for (const one of pinned) this.placed.push([this.pin(one), one.x ?? 0, one.y ?? 0]);
    this.layer.replaceChildren(...this.placed.map(([element]) => element));
    this.place();
  }

  /** @param {Comment} comment */
  pin(comment) {
    const number = this.store.state.comments.indexOf(comment) + 1;
    const label = t(comment.person ? "pin.labelBy" : "pin.label", { number, person: comment.person, text: comment.text });
    const goTo = () => byId("review-list").querySelector(`[data-id="${comment.id}"]`)?.scrollIntoView({ block: "nearest" });
    return h("button", { type: "button", class: "pin", title: label, "aria-label": label, onclick: goTo }, String(number));
  }

  /** Put each pin where its place on the photo is now. */
  place() {
    for (const [element, x, y] of this.placed) {
      const [left, top] = this.stage.camera.toStage(x, y);
      element.style.translate = `${Math.round(left)}px ${Math.round(top)}px`;
    }
  }

  /** Have a comment written at the pointer, or without one in the middle of the view. */
  write() {
    const { photo } = this.store.state;
    if (!photo || photo.problem) return this.store.set({ hint: t("pin.noPhoto") });
    const { camera, pointer } = this.stage;
    const [x, y] = camera.toPhoto(...(pointer ?? /** @type {[number, number]} */ ([camera.width / 2, camera.height / 2])));
    const inside = (/** @type {number} */ value, /** @type {number} */ size) => Math.max(0, Math.min(size - 1, value));
    this.form([inside(x, photo.width), inside(y, photo.height)]);
  }

  /** @param {[number, number]} at */
  form(at) {
    this.close();
    const text = h("input", { type: "text", "aria-label": t("pin.here"), placeholder: t("pin.what"), maxlength: 2000, id: "pin-text" });
    const form = h("form", { class: "pin-form" }, text, h("button", { type: "submit", class: "button primary" }, t("pin.go")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.review.write(text.value, at);
      this.close();
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      event.stopPropagation();
    });
    this.placed.push([form, ...at]);
    this.show();
    text.focus();
  }

  /** Close the field. */
  close() {
    if (!this.placed.some(([element]) => element.tagName === "FORM")) return;
    this.placed = this.placed.filter(([element]) => element.tagName !== "FORM");
    this.show();
    this.stage.element.focus();
  }
}
