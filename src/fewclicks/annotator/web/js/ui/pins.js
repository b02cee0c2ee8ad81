/** @file Comments on the photo itself: pins that stay equally big at every zoom, and the field in which one is written. */

/** @import { Comment } from "../types.js" */
/** @import { Review } from "../state/review.js" */
/** @import { Stage } from "../canvas/canvas.js" */
/** @import { Store } from "../state/store.js" */
import { t } from "../language.js";
import { byId, h, renew } from "./dom.js";

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
    /** @type {Comment[]} the comments that have a pin */
    this.pinned = [];
    /** @type {{element: HTMLElement, x: number, y: number} | null} the field, and its place on the photo */
    this.field = null;
    stage.moved.push(() => this.place());
    store.on(["comments", "hidden"], () => this.show());
  }

  /** Draw the pins of the open comments. */
  show() {
    const { comments, hidden } = this.store.state;
    this.pinned = comments.filter((one) => one.x !== null && !one.resolved && !hidden);
    const pins = this.pinned.map((one) => /** @type {const} */ ([`${one.id} ${this.label(one)}`, () => this.pin(one)]));
    const field = this.field;
    renew(this.layer, new Map([...pins, ...(field ? [/** @type {const} */ (["field", () => field.element])] : [])]));
    this.place();
  }

  /** @param {Comment} comment */
  number(comment) {
    return this.store.state.comments.indexOf(comment) + 1;
  }

  /** @param {Comment} comment */
  label(comment) {
    const said = { number: this.number(comment), person: comment.person ?? "", text: comment.text };
    return t(comment.person ? "pin.labelBy" : "pin.label", said);
  }

  /** @param {Comment} comment */
  pin(comment) {
    const label = this.label(comment);
    const goTo = () => byId("review-list").querySelector(`[data-id="${comment.id}"]`)?.scrollIntoView({ block: "nearest" });
    return h("button", { type: "button", class: "pin", title: label, "aria-label": label, onclick: goTo }, String(this.number(comment)));
  }

  /** Put each pin, and the field after them, where its place on the photo is now. */
  place() {
    const places = [...this.pinned, ...(this.field ? [this.field] : [])];
    places.forEach(({ x, y }, at) => {
      const [left, top] = this.stage.camera.toStage(x ?? 0, y ?? 0);
      /** @type {HTMLElement} */ (this.layer.children[at]).style.translate = `${Math.round(left)}px ${Math.round(top)}px`;
    });
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
    this.field = { element: form, x: at[0], y: at[1] };
    this.show();
    text.focus();
  }

  /** Close the field. */
  close() {
    if (!this.field) return;
    this.field = null;
    this.show();
    this.stage.element.focus();
  }
}
