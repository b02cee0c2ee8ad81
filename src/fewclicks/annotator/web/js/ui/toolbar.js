/** @file The tools and what belongs to the chosen one. */

/** @import { Hand } from "../tools/editor.js" */
/** @import { Store } from "../state/store.js" */
/** @import { Key } from "../language.js" */
/** @import { KeyId } from "../state/keys.js" */
/** @import { Tool } from "../types.js" */
import { keysOf } from "../state/keys.js";
import { counted, keyOf, served, t } from "../language.js";
import { closed, noneInHand } from "../state/rights.js";
import { byId, check, enable, h, icon, roving } from "./dom.js";

/** @type {Exclude<Tool, "click">[]} */
const DRAWING = ["box", "scribble", "polygon", "lasso", "brush", "erase", "outline"];

/**
 * A button with an icon, a word, and its key, as it is now, in the title.
 * @param {Store} store
 * @param {{id: string, icon: string, label: Key, key: KeyId, word?: "always" | "wide" | "never"}} look
 * @param {() => void} onclick
 */
function tool(store, { id, icon: name, label, key, word = "always" }, onclick) {
  const text = word === "never" ? null : h("span", { class: `label ${word}` }, t(label));
  const button = h("button", { type: "button", class: "tool", id, "aria-label": t(label), onclick }, icon(name), text);
  store.on(["keys"], () => {
    button.title = `${t(label)} (${keyOf(key)})`;
    button.setAttribute("aria-keyshortcuts", keysOf(key)[0].replaceAll("Ctrl", "Control"));
  });
  return button;
}

/**
 * @param {Store} store
 * @param {Hand} hand
 */
export function toolbar(store, hand) {
  const bar = byId("tools");
  const group = h("div", { role: "radiogroup", "aria-label": t("tool.group"), class: "options" });
  for (const name of /** @type {Tool[]} */ (["click", ...DRAWING])) {
    const key = name === "click" ? "whole" : name;
    const button = tool(store, { id: `tool-${name}`, icon: name, label: `tool.${name}`, key }, () => store.set({ tool: name }));
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
  const swap = tool(store, { id: "swap", icon: "swap", label: "tool.swap", key: "swap" }, () => store.set({ swapped: !store.state.swapped }));
  const preview = tool(store, { id: "preview", icon: "preview", label: "tool.preview", key: "preview", word: "wide" }, () => store.set({ hoverPreview: !store.state.hoverPreview }));
  store.on(["swapped"], ({ swapped }) => {
    swap.replaceChildren(icon("swap"), h("span", { class: "label" }, t(swapped ? "tool.leftBackground" : "tool.leftObject")));
    swap.setAttribute("aria-label", t("tool.swapLabel"));
    swap.setAttribute("aria-pressed", String(swapped));
  });
  store.on(["hoverPreview"], ({ hoverPreview }) => preview.setAttribute("aria-pressed", String(hoverPreview)));
  const options = h("div", { class: "options" }, swap, preview);
  store.on(["tool"], (state) => (options.inert = ["brush", "erase", "outline"].includes(state.tool)));
  return options;
}

/** @param {Store} store */
function brushOptions(store) {
  const size = h("input", { type: "range", id: "brush-size", min: 0, max: 100, "aria-label": t("tool.radiusLabel") });
  const text = h("output", { class: "dim number", for: "brush-size" });
  size.addEventListener("input", () => store.set({ brushPx: Math.max(0.5, Math.round(120 ** (Number(size.value) / 100))) }));
  store.on(["keys"], () => (size.title = t("tool.radiusTitle")));
  store.on(["brushPx"], ({ brushPx }) => {
    size.value = String((100 * Math.log(Math.max(1, brushPx))) / Math.log(120));
    text.textContent = `${brushPx} px`;
    size.setAttribute("aria-valuetext", counted("pixel", brushPx));
  });
  const options = h("div", { class: "options" }, h("label", { for: "brush-size", class: "label" }, t("tool.radius")), size, text);
  store.on(["tool"], (state) => (options.inert = state.tool !== "brush" && state.tool !== "erase"));
  return options;
}

/**
 * @param {Store} store
 * @param {Hand} hand
 */
function cleanOptions(store, hand) {
  const button = tool(store, { id: "clean", icon: "clean", label: "tool.clean", key: "clean", word: "wide" }, () => hand.clean());
  store.on(["hand", "entries", "holesPx", "specksPx", "keys", "photo", "role", "selected"], ({ holesPx, specksPx }) => {
    enable(button, still(store), t("tool.cleanTitle", { holes: holesPx, specks: specksPx }));
  });
  return button;
}

/**
 * @param {Store} store
 * @param {Hand} hand
 */
function ends(store, hand) {
  const undo = tool(store, { id: "undo", icon: "undo", label: "tool.undo", key: "undo", word: "never" }, () => hand.undo());
  const redo = tool(store, { id: "redo", icon: "redo", label: "tool.redo", key: "redo", word: "never" }, () => hand.redo());
  const drop = tool(store, { id: "drop", icon: "drop", label: "tool.drop", key: "discard", word: "wide" }, () => hand.drop());
  const fresh = tool(store, { id: "new", icon: "plus", label: "tool.new", key: "new", word: "wide" }, () => hand.arm());
  const finish = tool(store, { id: "finish", icon: "check", label: "tool.finish", key: "finish" }, () => hand.finish());
  finish.className = "button primary";
  store.on(["armed"], ({ armed }) => fresh.setAttribute("aria-pressed", String(armed)));
  store.on(["hand", "entries", "waiting", "keys", "deeds", "photo", "role", "selected"], () => {
    const entry = store.hand;
    const first = hand.anywhere?.goesFirst(entry) ?? false;
    const waits = entry !== null && hand.queue.lines.has(entry.thing.id);
    const [back, again] = [entry?.trail.label("undo"), entry?.trail.label("redo")].map((label) => label && ("name" in label.is ? "name" : "class"));
    const why = (/** @type {unknown} */ possible) => still(store) ?? (possible || waits ? null : t("tool.nothingMore"));
    const { last } = hand.anywhere ?? {};
    const barred = last?.photo === store.state.photo?.id ? closed(store.state) : null;
    const what = last?.said ? t("tool.undoWhat", { what: last.said }) : t("tool.undoTitle");
    if (first) enable(undo, last ? barred : t("tool.nothingDone"), what);
    else enable(undo, why(entry?.thing.can_undo || back), named("undo", back ?? entry?.thing.undo_kind));
    enable(redo, why(entry?.thing.can_redo || again), named("redo", again ?? entry?.thing.redo_kind));
    const none = entry ? null : noneInHand(store.state);
    enable(drop, none, t("tool.dropTitle"));
    enable(finish, none, t("tool.finishTitle"));
  });
  return h("div", { class: "end" }, undo, redo, fresh, drop, finish);
}

/**
 * What undo or redo would do, in words.
 * @param {"undo" | "redo"} way
 * @param {string | null | undefined | ""} kind of the action
 */
function named(way, kind) {
  return kind ? t(`tool.${way}What`, { what: served(`kind.${kind}`, kind) }) : t(`tool.${way}Title`);
}

/**
 * Why nothing can be done to the object in hand.
 * @param {Store} store
 * @returns {string | null}
 */
function still(store) {
  const entry = store.hand;
  if (!entry) return noneInHand(store.state);
  return closed(store.state) ?? (entry.thing.locked ? t("isLocked") : null);
}
