/** @file Rows of a list that are dragged to another place. */

import { h } from "./dom.js";

/** A pointer that has moved less has clicked. */
const STILL_PX = 6;
/** So near to the ends of the list it scrolls. */
const EDGE_PX = 16;

/**
 * @template T
 * @typedef {object} How
 * @property {() => string | null} why nothing can be moved, or null
 * @property {(item: T, to: number) => void} move to its place among the others
 * @property {(why: string) => void} refused
 */

/** @template T */
export class DragOrder {
  /**
   * @param {import("./virtual-list.js").Rows<T>} rows
   * @param {How<T>} how
   */
  constructor(rows, how) {
    this.rows = rows;
    this.how = how;
    this.line = h("div", { class: "drop-line", hidden: true });
    rows.spacer.append(this.line);
    /** @type {{item: T, y: number, pointer: number, to: number | null} | null} */
    this.held = null;
    const { element } = rows;
    element.addEventListener("pointerdown", (event) => this.pressed(event));
    element.addEventListener("pointermove", (event) => this.moved(event));
    element.addEventListener("pointerup", () => this.released());
    element.addEventListener("pointercancel", () => this.end());
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.held) return;
      event.preventDefault();
      this.end();
    });
  }

  /** @param {PointerEvent} event */
  pressed(event) {
    const target = /** @type {Element} */ (event.target);
    const item = this.rows.itemOf(event);
    if (!item || event.button !== 0 || event.pointerType === "touch" || target.closest("button")) return;
    this.held = { item, y: event.clientY, pointer: event.pointerId, to: null };
  }

  /** @param {PointerEvent} event */
  moved(event) {
    const { held, rows } = this;
    if (!held || event.pointerId !== held.pointer) return;
    if (held.to === null) {
      if (Math.abs(event.clientY - held.y) < STILL_PX) return;
      const why = this.how.why();
      if (why) return this.how.refused(why), this.end();
      rows.element.setPointerCapture(event.pointerId);
      rows.element.classList.add("dragging");
    }
    const height = rows.spacer.clientHeight / Math.max(1, rows.items.length);
    const box = rows.element.getBoundingClientRect();
    if (event.clientY < box.top + EDGE_PX) rows.element.scrollTop -= height / 4;
    if (event.clientY > box.bottom - EDGE_PX) rows.element.scrollTop += height / 4;
    const gap = Math.round((event.clientY - box.top + rows.element.scrollTop) / height);
    held.to = Math.max(0, Math.min(rows.items.length, gap));
    this.line.hidden = false;
    this.line.style.top = `${held.to * height}px`;
  }

  released() {
    const { held } = this;
    this.end();
    if (!held || held.to === null) return;
    const at = this.rows.items.indexOf(held.item);
    const place = held.to > at ? held.to - 1 : held.to;
    if (at >= 0 && place !== at) this.how.move(held.item, place);
  }

  end() {
    this.held = null;
    this.line.hidden = true;
    this.rows.element.classList.remove("dragging");
  }
}
