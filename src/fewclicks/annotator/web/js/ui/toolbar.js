/** @file The tools and what belongs to the chosen one. */

/** @import { Hand } from "../tools/editor.js" */
/** @import { Store } from "../state/store.js" */
/** @import { Tool } from "../types.js" */
import { byId, check, enable, h, icon, roving } from "./dom.js";

/** @type {[Tool, string, string][]} */
const TOOLS = [
  ["click", "Click", "Q"],
  ["box", "Box", "K"],
  ["scribble", "Scribble", "S"],
  ["polygon", "Polygon", "P"],
  ["lasso", "Lasso", "Shift+P"],
  ["brush", "Brush", "B"],
  ["erase", "Eraser", "E"],
  ["outline", "Outline", "Shift+O"],
];

/**
 * A button with an icon, a word, and its key in the title.
 * @param {{id: string, icon: string, label: string, key: string, word?: "always" | "wide" | "never"}} look
 * @param {() => void} onclick
 */
function tool({ id, icon: name, label, key, word = "always" }, onclick) {
  const shortcut = { title: `${label} (${key})`, "aria-keyshortcuts": key.replaceAll("Ctrl", "Control") };
  const text = word === "never" ? null : h("span", { class: `label ${word}` }, label);
  return h("button", { type: "button", class: "tool", id, "aria-label": label, ...shortcut, onclick }, icon(name), text);
}

/**
 * @param {Store} store
 * @param {Hand} hand
 */
export function toolbar(store, hand) {
  const bar = byId("tools");
  const group = h("div", { role: "radiogroup", "aria-label": "Tool", class: "options" });
  for (const [name, label, key] of TOOLS) {
    const button = tool({ id: `tool-${name}`, icon: name, label, key }, () => store.set({ tool: name }));
    button.setAttribute("role", "radio");
    group.append(button);
  }
  roving(group);
  store.on(["tool"], (state) => check(group, (radio) => radio.id === `tool-${state.tool}`));
  const gap = () => h("span", { class: "gap", role: "separator" });
  // The options of all tools lie in one place, so that the stage does not move when the tool changes.
  const options = h("div", { class: "one-of" }, clickOptions(store), brushOptions(store));
  bar.append(group, gap(), options, gap(), cleanOptions(store, hand), ends(store, hand));
}

/** @param {Store} store */
function clickOptions(store) {
  const swap = tool({ id: "swap", icon: "swap", label: "Object", key: "X" }, () => store.set({ swapped: !store.state.swapped }));
  const preview = tool({ id: "preview", icon: "preview", label: "Preview", key: "W", word: "wide" }, () => store.set({ hoverPreview: !store.state.hoverPreview }));
  store.on(["swapped"], ({ swapped }) => {
    swap.replaceChildren(icon("swap"), h("span", { class: "label" }, swapped ? "Left: background" : "Left: object"));
    swap.setAttribute("aria-label", "Left click means background");
    swap.setAttribute("aria-pressed", String(swapped));
  });
  store.on(["hoverPreview"], ({ hoverPreview }) => preview.setAttribute("aria-pressed", String(hoverPreview)));
  const options = h("div", { class: "options" }, swap, preview);
  store.on(["tool"], (state) => (options.inert = ["brush", "erase", "outline"].includes(state.tool)));
  return options;
}

/** @param {Store} store */
function brushOptions(store) {
  const size = h("input", { type: "range", id: "brush-size", min: 0, max: 100, title: "Radius ([ and ])", "aria-label": "Radius of the brush" });
  const text = h("output", { class: "dim number", for: "brush-size" });
  size.addEventListener("input", () => store.set({ brushPx: Math.max(0.5, Math.round(120 ** (Number(size.value) / 100))) }));
  store.on(["brushPx"], ({ brushPx }) => {
    size.value = String((100 * Math.log(Math.max(1, brushPx))) / Math.log(120));
    text.textContent = `${brushPx} px`;
    size.setAttribute("aria-valuetext", `${brushPx} pixels`);
  });
  const options = h("div", { class: "options" }, h("label", { for: "brush-size", class: "label" }, "Radius"), size, text);
  store.on(["tool"], (state) => (options.inert = state.tool !== "brush" && state.tool !== "erase"));
  return options;
}

/**
 * @param {Store} store
 * @param {Hand} hand
 */
function cleanOptions(store, hand) {
  const button = tool({ id: "clean", icon: "clean", label: "Clean", key: "L", word: "wide" }, () => hand.clean());
  store.on(["hand", "entries", "holesPx", "specksPx"], ({ holesPx, specksPx }) => {
    enable(button, still(store), `Clean: fill holes of up to ${holesPx} px, drop specks of up to ${specksPx} px (L)`);
  });
  return button;
}

/**
 * @param {Store} store
 * @param {Hand} hand
 */
function ends(store, hand) {
  const undo = tool({ id: "undo", icon: "undo", label: "Undo", key: "Ctrl+Z", word: "never" }, () => hand.undo());
  const redo = tool({ id: "redo", icon: "redo", label: "Redo", key: "Ctrl+Shift+Z", word: "never" }, () => hand.redo());
  const drop = tool({ id: "drop", icon: "drop", label: "Discard", key: "Esc", word: "wide" }, () => hand.drop());
  const fresh = tool({ id: "new", icon: "plus", label: "New", key: "N", word: "wide" }, () => hand.arm());
  const finish = tool({ id: "finish", icon: "check", label: "Finish", key: "Enter" }, () => hand.finish());
  finish.className = "button primary";
  store.on(["armed"], ({ armed }) => fresh.setAttribute("aria-pressed", String(armed)));
  store.on(["hand", "entries", "waiting"], () => {
    const entry = store.hand;
    const waits = entry !== null && hand.queue.lines.has(entry.thing.id);
    const [back, again] = [entry?.trail.label("undo"), entry?.trail.label("redo")].map((label) => label && ("name" in label.is ? "name" : "class"));
    const why = (/** @type {unknown} */ possible) => still(store) ?? (possible || waits ? null : "there is nothing more in this object");
    const brings = !entry && hand.bringBack !== null;
    enable(undo, brings ? null : why(entry?.thing.can_undo || back), `Undo ${back ?? entry?.thing.undo_kind ?? ""} (Ctrl+Z)`.replace("  ", " "));
    enable(redo, why(entry?.thing.can_redo || again), `Redo ${again ?? entry?.thing.redo_kind ?? ""} (Ctrl+Shift+Z)`.replace("  ", " "));
    const none = entry ? null : "nothing is selected";
    enable(drop, none, "Discard (Esc)");
    enable(finish, none, "Finish (Enter)");
  });
  return h("div", { class: "end" }, undo, redo, fresh, drop, finish);
}

/**
 * Why nothing can be done to the object in hand.
 * @param {Store} store
 * @returns {string | null}
 */
function still(store) {
  const entry = store.hand;
  if (!entry) return "nothing is selected";
  return entry.thing.locked ? "it is locked" : null;
}
