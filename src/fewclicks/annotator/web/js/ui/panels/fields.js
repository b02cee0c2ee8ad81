/** @file Fields that show a setting and change it. */

/** @import { State, Store } from "../../state/store.js" */
import { h, select } from "../dom.js";

/**
 * A labelled slider with its value.
 * @param {{id: string, label: string, min: number, max: number, step: number, key?: string}} look
 * @param {(value: number) => string} text
 */
export function slider({ id, label, min, max, step, key }, text) {
  const input = h("input", { type: "range", id, min, max, step });
  const output = h("output", { for: id, class: "number" });
  const show = (/** @type {number} */ value) => {
    input.value = String(value);
    output.textContent = text(value);
    input.setAttribute("aria-valuetext", text(value));
  };
  const head = h("label", { for: id, title: key ? `${label} (${key})` : null }, label);
  return { element: h("div", { class: "field" }, head, output, input), input, show };
}

/**
 * A check box of a setting.
 * @param {Store} store
 * @param {{[K in keyof State]: State[K] extends boolean ? K : never}[keyof State]} name
 * @param {string} label
 * @param {string} [key]
 */
export function check(store, name, label, key) {
  const input = h("input", { type: "checkbox", id: `setting-${name}`, "aria-keyshortcuts": key });
  input.addEventListener("change", () => store.set({ [name]: input.checked }));
  store.on([name], (state) => (input.checked = state[name]));
  return h("label", { class: "check" }, input, h("span", {}, label), key && h("kbd", {}, key));
}

/**
 * A number of pixels.
 * @param {Store} store
 * @param {"holesPx" | "specksPx"} name
 * @param {string} label
 */
export function pixels(store, name, label) {
  const id = `setting-${name}`;
  const input = h("input", { type: "number", id, min: 0, max: 1e6, step: 1 });
  input.addEventListener("change", () => store.set({ [name]: Math.max(0, Math.round(Number(input.value) || 0)) }));
  store.on([name], (state) => (input.value = String(state[name])));
  return h("div", { class: "field" }, h("label", { for: id }, label), input);
}

/**
 * A list to choose a setting from.
 * @template {"local" | "paint" | "wheel" | "theme"} K
 * @param {Store} store
 * @param {K} name
 * @param {string} label
 * @param {[State[K], string][]} choices
 */
export function choice(store, name, label, choices) {
  const id = `setting-${name}`;
  const list = select({ id }, choices);
  list.addEventListener("change", () => store.set({ [name]: list.value }));
  store.on([name], (state) => (list.value = state[name]));
  return h("div", { class: "field" }, h("label", { for: id }, label), list);
}
