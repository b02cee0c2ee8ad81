/** @file Fields that show a setting and change it. */

/** @import { Key } from "../../language.js" */
/** @import { KeyId } from "../../state/keys.js" */
/** @import { State, Store } from "../../state/store.js" */
import { keysOf } from "../../state/keys.js";
import { keyOf, t } from "../../language.js";
import { h, select } from "../dom.js";

/**
 * A key of the keyboard, as it is now.
 * @param {Store} store
 * @param {KeyId} id of the shortcut
 */
export function kbd(store, id) {
  const element = h("kbd", {});
  store.on(["keys"], () => (element.textContent = keyOf(id)));
  return element;
}

/**
 * A labelled slider with its value.
 * @param {Store} store
 * @param {{id: string, label: Key, title?: Key, min: number, max: number, step: number}} look
 * @param {(value: number) => string} text
 */
export function slider(store, { id, label, title = label, min, max, step }, text) {
  const input = h("input", { type: "range", id, min, max, step });
  const output = h("output", { for: id, class: "number" });
  const show = (/** @type {number} */ value) => {
    input.value = String(value);
    output.textContent = text(value);
    input.setAttribute("aria-valuetext", text(value));
  };
  const head = h("label", { for: id }, t(label));
  if (title !== label) store.on(["keys"], () => (head.title = t(title)));
  return { element: h("div", { class: "field" }, head, output, input), input, show };
}

/**
 * A check box of a setting.
 * @param {Store} store
 * @param {{[K in keyof State]: State[K] extends boolean ? K : never}[keyof State]} name
 * @param {Key} label
 * @param {KeyId} [key] of its shortcut
 */
export function check(store, name, label, key) {
  const input = h("input", { type: "checkbox", id: `setting-${name}` });
  if (key) store.on(["keys"], () => input.setAttribute("aria-keyshortcuts", keysOf(key)[0]));
  input.addEventListener("change", () => store.set({ [name]: input.checked }));
  store.on([name], (state) => (input.checked = state[name]));
  return h("label", { class: "check" }, input, h("span", {}, t(label)), key && kbd(store, key));
}

/**
 * A number of pixels.
 * @param {Store} store
 * @param {"holesPx" | "specksPx"} name
 * @param {Key} label
 */
export function pixels(store, name, label) {
  const id = `setting-${name}`;
  const input = h("input", { type: "number", id, min: 0, max: 1e6, step: 1 });
  input.addEventListener("change", () => store.set({ [name]: Math.max(0, Math.round(Number(input.value) || 0)) }));
  store.on([name], (state) => (input.value = String(state[name])));
  return h("div", { class: "field" }, h("label", { for: id }, t(label)), input);
}

/**
 * A list to choose a setting from.
 * @template {"local" | "paint" | "wheel" | "theme"} K
 * @param {Store} store
 * @param {K} name
 * @param {Key} label
 * @param {[State[K], string][]} choices
 */
export function choice(store, name, label, choices) {
  const id = `setting-${name}`;
  const list = select({ id }, choices);
  list.addEventListener("change", () => store.set({ [name]: list.value }));
  store.on([name], (state) => (list.value = state[name]));
  return h("div", { class: "field" }, h("label", { for: id }, t(label)), list);
}
