/** @file Hears the keys and does what the table of shortcuts says, where they are not meant for a control. */

/** @import { Shortcut } from "./shortcuts.js" */
import { keysOf } from "../state/keys.js";

const NAMES = /** @type {Record<string, string>} */ ({ " ": "Space", Escape: "Esc" });

export class Keyboard {
  /**
   * @param {Shortcut[]} shortcuts
   * @param {HTMLElement} stage
   */
  constructor(shortcuts, stage) {
    this.stage = stage;
    this.table = shortcuts;
    /** @type {Map<string, Shortcut>} by their keys as they are now */
    this.shortcuts = new Map();
    this.read();
    /** @type {Map<string, Shortcut>} what is held, by the key's place on the keyboard */
    this.held = new Map();
    /** Takes a key that belongs to the one before it; then it is no shortcut. */
    this.before = (/** @type {KeyboardEvent} */ _event) => false;
    addEventListener("keydown", (event) => this.down(event));
    addEventListener("keyup", (event) => this.up(event.code));
    addEventListener("blur", () => [...this.held.keys()].forEach((code) => this.up(code, true)));
  }

  /** Take the keys as they are now. */
  read() {
    const each = (/** @type {Shortcut} */ one) => (one.id ? keysOf(one.id) : (one.fixed ?? [])).map((key) => /** @type {[string, Shortcut]} */ ([key, one]));
    this.shortcuts = new Map(this.table.filter((one) => one.run).flatMap(each));
  }

  /** @param {KeyboardEvent} event */
  down(event) {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    const key = nameOf(event);
    // Text that is selected is copied as anywhere.
    if (key === "Ctrl+C" && String(getSelection())) return;
    if (!taken(event, key) && this.before(event)) return event.preventDefault();
    const shortcut = this.shortcuts.get(key) ?? this.shortcuts.get(digitOf(event));
    if (!shortcut?.run || taken(event, key)) return;
    if (shortcut.onStage && !this.isFree(event)) return;
    event.preventDefault();
    if (event.repeat && !shortcut.repeats) return;
    if (shortcut.release) this.held.set(event.code, shortcut);
    shortcut.run();
  }

  /**
   * @param {string} code
   * @param {boolean} [lost] the window has lost the focus: it is not known when the key goes up
   */
  up(code, lost = false) {
    this.held.get(code)?.release?.(lost);
    this.held.delete(code);
  }

  /**
   * The focus is on the stage, or nowhere.
   * @param {KeyboardEvent} event
   */
  isFree(event) {
    return event.target === this.stage || event.target === document.body;
  }
}

/**
 * The key as the table writes it.
 * @param {KeyboardEvent} event
 */
export function nameOf(event) {
  const graph = event.getModifierState("AltGraph");
  const letter = event.key.length === 1 && /\p{L}/u.test(event.key);
  const base = NAMES[event.key] ?? (letter ? event.key.toUpperCase() : event.key);
  const shift = event.shiftKey && (letter || event.key.length > 1 || event.key === " ");
  const ctrl = (event.ctrlKey || event.metaKey) && !graph;
  return `${ctrl ? "Ctrl+" : ""}${event.altKey && !graph ? "Alt+" : ""}${shift ? "Shift+" : ""}${base}`;
}

/**
 * The digit on the key, also where digits need Shift.
 * @param {KeyboardEvent} event
 */
function digitOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return "";
  return /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1] ?? "";
}

/**
 * Whether the control that has the focus needs the key for itself.
 * @param {KeyboardEvent} event
 * @param {string} key
 */
function taken(event, key) {
  const { target } = event;
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLTextAreaElement || target.isContentEditable) return true;
  if (target instanceof HTMLInputElement && !["range", "checkbox", "radio", "button"].includes(target.type)) return true;
  if (target instanceof HTMLSelectElement) return !key.startsWith("Ctrl+") && !/^F\d/.test(key);
  const pressed = target.matches("button, a, summary, [role=option], input");
  return pressed && /^(Enter|Space|Home|End|Page(Up|Down)|Arrow\w+)$/.test(key);
}
