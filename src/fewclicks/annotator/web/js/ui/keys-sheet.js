/** @file The sheet of keys and mouse, where each key can be given up for another. */

/** @import { KeyId } from "../state/keys.js" */
/** @import { Shortcut } from "../tools/shortcuts.js" */
/** @import { Store } from "../state/store.js" */
import { keyText, t } from "../language.js";
import { changeKey, idOf, isChanged, isTaken, keysOf, resetKeys } from "../state/keys.js";
import { nameOf } from "../tools/keyboard.js";
import { show } from "./dialogs.js";
import { enable, h } from "./dom.js";

export class KeysSheet {
  /**
   * @param {Store} store
   * @param {Shortcut[]} shortcuts
   */
  constructor(store, shortcuts) {
    this.store = store;
    this.shortcuts = shortcuts;
    /** @type {KeyId | null} the shortcut whose new key is waited for */
    this.changing = null;
    this.said = h("p", { role: "status", id: "keys-said" });
    this.reset = h("button", { type: "button", class: "button", id: "keys-reset", onclick: () => this.resetAll() }, t("sheet.reset"));
  }

  /** Show it. */
  show() {
    this.changing = null;
    this.say(t("sheet.about"));
    const dialog = show("sheet", t("sheet.title"), this.parts(), [this.said, this.reset]);
    dialog.onkeydown = (event) => {
      if (this.changing) this.pressed(event, this.changing);
      else if (event.key === "?" || idOf(nameOf(event)) === "help") {
        event.preventDefault();
        dialog.close();
      }
    };
    dialog.oncancel = (event) => this.changing && event.preventDefault();
    this.dialog = dialog;
    this.fresh();
  }

  parts() {
    const groups = [...new Set(this.shortcuts.map((one) => one.group))].filter((group) => group !== undefined);
    const lines = (/** @type {string} */ group) => this.shortcuts.filter((one) => one.group === group).map((one) => this.line(one));
    return groups.map((group) => h("section", {}, h("h3", {}, t(`group.${group}`)), h("dl", {}, ...lines(group))));
  }

  /** @param {Shortcut} shortcut */
  line({ id, gestures = [], does }) {
    const text = id ? t(`does.${id}`) : does ? t(does) : "";
    const others = gestures.map((gesture) => h("kbd", {}, t(gesture)));
    return h("div", {}, h("dt", {}, id && this.key(id, text), ...others), h("dd", {}, text));
  }

  /**
   * The keys of a shortcut, as a button that changes them.
   * @param {KeyId} id
   * @param {string} does
   */
  key(id, does) {
    const keys = keysOf(id).map(keyText);
    const label = t("sheet.change", { does, keys: keys.join(", ") });
    const look = { type: "button", class: `keys${isChanged(id) ? " changed" : ""}`, "data-id": id, "aria-label": label, title: t("sheet.about") };
    return h("button", { ...look, onclick: () => this.ask(id) }, ...keys.map((key) => h("kbd", {}, key)));
  }

  /**
   * Wait for the new key of a shortcut.
   * @param {KeyId} id
   */
  ask(id) {
    this.changing = id;
    this.fresh();
    this.say(t("sheet.press", { does: t(`does.${id}`), cancel: t("key.Esc") }));
  }

  /**
   * @param {KeyboardEvent} event
   * @param {KeyId} id
   */
  pressed(event, id) {
    event.preventDefault();
    event.stopPropagation();
    if (["Shift", "Control", "Alt", "Meta", "AltGraph"].includes(event.key) || event.repeat) return;
    const key = nameOf(event);
    if (key === "Esc") return this.end(id, t("sheet.about"));
    if (isTaken(key)) return this.say(t("sheet.taken", { key: keyText(key) }));
    const other = idOf(key);
    if (!other || other === id) return this.give(id, key);
    this.changing = null;
    const [was] = keysOf(id);
    const swap = h("button", { type: "button", class: "button small", id: "keys-swap", onclick: () => this.give(id, key) });
    swap.textContent = t("sheet.swap", { key: keyText(key), was: keyText(was) });
    const leave = h("button", { type: "button", class: "button small", id: "keys-leave", onclick: () => this.end(id, t("sheet.about")) }, t("sheet.leave"));
    this.say(`${t("sheet.conflict", { key: keyText(key), other: t(`does.${other}`) })} `, swap, leave);
    swap.focus();
  }

  /**
   * @param {KeyId} id
   * @param {string} key
   */
  give(id, key) {
    changeKey(id, key);
    this.store.touch("keys");
    this.end(id, t("sheet.changed", { key: keyText(key), does: t(`does.${id}`) }));
  }

  resetAll() {
    resetKeys();
    this.store.touch("keys");
    this.changing = null;
    this.fresh();
    this.say(t("sheet.resetDone"));
  }

  /**
   * Nothing is waited for any more.
   * @param {KeyId} id
   * @param {string} text
   */
  end(id, text) {
    this.changing = null;
    this.fresh();
    this.say(text);
    const again = this.dialog?.querySelector(`.keys[data-id="${id}"]`);
    if (again instanceof HTMLElement) again.focus();
  }

  /** Show the keys as they are now. */
  fresh() {
    const body = this.dialog?.querySelector(".body");
    const at = body?.scrollTop ?? 0;
    body?.replaceChildren(...this.parts());
    if (body) body.scrollTop = at;
    const waits = this.changing && this.dialog?.querySelector(`.keys[data-id="${this.changing}"]`);
    if (waits instanceof HTMLElement) waits.classList.add("waits"), waits.focus();
    enable(this.reset, isChanged() ? null : t("sheet.isFirst"), t("sheet.reset"));
  }

  /** @param {...(string | Node)} parts */
  say(...parts) {
    this.said.replaceChildren(...parts);
  }
}
