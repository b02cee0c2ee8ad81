/** @file A list of thousands of rows of which only those in view exist. Arrow keys move, Enter opens. */

import { h } from "./dom.js";

/** Rows beyond the view that exist too. */
const EXTRA = 4;
const ROW_REM = 3;

/**
 * @template T
 * @typedef {object} Look
 * @property {string} label what the list is called
 * @property {string} empty what it says when there is nothing
 * @property {(item: T) => string | number} key
 * @property {(item: T) => boolean} selected
 * @property {(item: T, old: HTMLElement | null) => HTMLElement} render a row, or the old one brought up to date
 * @property {(item: T, event: Event) => void} open
 * @property {(item: T) => boolean} [marked] it is one of several that are selected
 * @property {(item: T | null) => void} [point] the pointer is on it
 */

/** @template T */
export class Rows {
  /**
   * @param {HTMLElement} element
   * @param {Look<T>} look
   */
  constructor(element, look) {
    this.element = element;
    this.look = look;
    /** @type {T[]} */
    this.items = [];
    /** @type {Map<string | number, HTMLElement>} rows that exist */
    this.shown = new Map();
    this.active = -1;
    this.spacer = h("div", { class: "spacer", role: "presentation" });
    this.nothing = h("p", { class: "empty", role: "presentation" }, look.empty);
    element.append(this.spacer, this.nothing);
    element.setAttribute("role", "listbox");
    element.setAttribute("aria-label", look.label);
    element.tabIndex = 0;
    if (look.marked) element.setAttribute("aria-multiselectable", "true");
    element.addEventListener("scroll", () => this.draw(), { passive: true });
    element.addEventListener("keydown", (event) => this.key(event));
    element.addEventListener("focus", () => this.activate(Math.max(0, this.selected), false));
    element.addEventListener("click", (event) => this.clicked(event));
    element.addEventListener("pointerover", (event) => look.point?.(this.itemOf(event)));
    element.addEventListener("pointerleave", () => look.point?.(null));
    new ResizeObserver(() => this.draw()).observe(element);
  }

  get selected() {
    return this.items.findIndex((item) => this.look.selected(item));
  }

  /**
   * Show these items.
   * @param {T[]} items
   */
  show(items) {
    this.items = items;
    this.nothing.hidden = items.length > 0;
    this.draw();
  }

  draw() {
    const height = rowPx();
    const { scrollTop, clientHeight } = this.element;
    const from = Math.max(0, Math.floor(scrollTop / height) - EXTRA);
    const to = Math.min(this.items.length, Math.ceil((scrollTop + clientHeight) / height) + EXTRA);
    this.spacer.style.height = `${this.items.length * height}px`;
    const old = this.shown;
    this.shown = new Map();
    for (let i = from; i < to; i++) {
      const item = this.items[i];
      const key = this.look.key(item);
      const row = this.look.render(item, old.get(key) ?? null);
      this.dress(row, i, item, height);
      this.shown.set(key, row);
    }
    for (const [key, row] of old) if (this.shown.get(key) !== row) row.remove();
    this.order();
  }

  /** Rows stand in the document as they stand on the screen, for those who hear them read. */
  order() {
    let next = this.spacer.firstElementChild;
    for (const row of this.shown.values()) {
      if (row === next) next = next.nextElementSibling;
      else this.spacer.insertBefore(row, next);
    }
  }

  /**
   * @param {HTMLElement} row
   * @param {number} at
   * @param {T} item
   * @param {number} height
   */
  dress(row, at, item, height) {
    row.id = `${this.element.id}-${at}`;
    row.dataset.at = String(at);
    row.style.top = `${at * height}px`;
    row.style.height = `${height}px`;
    row.classList.add("row");
    row.classList.toggle("active", at === this.active);
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(this.look.selected(item) || this.look.marked?.(item) === true));
    row.setAttribute("aria-posinset", String(at + 1));
    row.setAttribute("aria-setsize", String(this.items.length));
  }

  /** Bring the selected row into view. */
  reveal() {
    const at = this.selected;
    if (at >= 0) this.scrollTo(at);
  }

  /** @param {number} at */
  scrollTo(at) {
    const height = rowPx();
    const { scrollTop, clientHeight } = this.element;
    if (at * height < scrollTop) this.element.scrollTop = at * height;
    else if ((at + 1) * height > scrollTop + clientHeight) this.element.scrollTop = (at + 1) * height - clientHeight;
  }

  /**
   * @param {number} at
   * @param {boolean} [scroll]
   */
  activate(at, scroll = true) {
    this.active = Math.max(-1, Math.min(this.items.length - 1, at));
    if (scroll && this.active >= 0) this.scrollTo(this.active);
    this.draw();
    this.element.setAttribute("aria-activedescendant", `${this.element.id}-${this.active}`);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / rowPx()) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (event.altKey || ((event.ctrlKey || event.metaKey) && event.key !== " ")) return;
    if (step) {
      event.preventDefault();
      this.activate(Math.max(0, this.active + step));
      const item = this.items[this.active];
      if (event.shiftKey && this.look.marked && item) this.look.open(item, event);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      const item = this.items[this.active];
      if (item) this.look.open(item, event);
    }
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const item = this.itemOf(event);
    if (item && !(event.target instanceof Element && event.target.closest("button"))) this.look.open(item, event);
  }

  /**
   * @param {Event} event
   * @returns {T | null}
   */
  itemOf(event) {
    const row = event.target instanceof Element ? event.target.closest(".row") : null;
    return row instanceof HTMLElement ? (this.items[Number(row.dataset.at)] ?? null) : null;
  }
}

/** The height of a row in CSS pixels. It is given in rem, and follows the reader's text size. */
function rowPx() {
  return ROW_REM * parseFloat(getComputedStyle(document.documentElement).fontSize);
}
