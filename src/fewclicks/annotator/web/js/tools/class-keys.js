/** @file Keys of classes: a digit, or a digit and one more sign. No key begins as another, so that nothing is waited for. */

/** @import { Hand } from "./editor.js" */
/** @import { Store } from "../state/store.js" */
import { t } from "../language.js";

const WAIT_MS = 4000;

export class ClassKeys {
  /**
   * @param {Store} store
   * @param {Hand} hand
   */
  constructor(store, hand) {
    this.store = store;
    this.hand = hand;
    this.first = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /**
   * A digit was pressed.
   * @param {string} digit
   */
  press(digit) {
    const those = this.store.state.classes.filter((one) => one.key?.length === 2 && one.key[0] === digit);
    if (!those.length) return this.hand.classByKey(digit);
    this.first = digit;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.forget(), WAIT_MS);
    const list = those.slice(0, 12).map((one) => `${one.key?.[1]} ${one.name}`);
    this.store.set({ hint: t("keys.then", { digit, list: list.join(", ") + (those.length > 12 ? " …" : "") }) });
  }

  /**
   * The key that follows the first sign of a key. Returns whether it was that.
   * @param {KeyboardEvent} event
   */
  next(event) {
    if (!this.first || event.ctrlKey || event.metaKey || event.altKey || event.key === "Shift") return false;
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
    const sign = digit ?? event.key.toLowerCase();
    const key = `${this.first}${sign}`;
    this.forget();
    if (sign.length === 1) this.hand.classByKey(key);
    return true;
  }

  forget() {
    clearTimeout(this.timer);
    this.first = "";
    this.store.set({ hint: "" });
  }
}
