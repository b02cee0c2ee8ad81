/** @file What is said of the object in hand: a field for each attribute of its class. */

/** @import { Attribute } from "../../types.js" */
/** @import { Hand } from "../../tools/editor.js" */
/** @import { Store } from "../../state/store.js" */
import { t } from "../../language.js";
import { byId, enable, h, select } from "../dom.js";

/**
 * @param {{store: Store, hand: Hand}} parts
 */
export function attributesPanel({ store, hand }) {
  const panel = byId("attributes");
  let shown = "";
  store.on(["hand", "entries", "classes"], () => {
    const entry = store.hand;
    const own = entry && store.state.classes.find((one) => one.id === entry.thing.class_id);
    const news = JSON.stringify([entry?.thing.id, entry?.thing.locked, own?.attributes, entry?.thing.attributes]);
    if (news === shown) return;
    shown = news;
    panel.hidden = !entry || !own?.attributes.length;
    if (!entry || !own) return panel.replaceChildren();
    const focused = document.activeElement instanceof HTMLElement && panel.contains(document.activeElement) ? document.activeElement.id : "";
    const say = (/** @type {string} */ name, /** @type {unknown} */ value) => {
      const is = { ...entry.thing.attributes, [name]: value };
      hand.label(entry, { attributes: is });
    };
    const fields = own.attributes.map((one) => {
      const { attributes, locked } = entry.thing;
      return field(one, attributes?.[one.name], locked, (value) => say(one.name, value));
    });
    panel.replaceChildren(h("div", { class: "fields" }, ...fields));
    if (focused) document.getElementById(focused)?.focus();
  });
}

/**
 * @param {Attribute} one
 * @param {unknown} value
 * @param {boolean} locked
 * @param {(value: unknown) => void} say null takes the value away
 */
function field(one, value, locked, say) {
  const id = `attribute-${one.name}`;
  const why = locked ? t("objectLocked") : null;
  if (one.kind === "tick") {
    const tick = h("input", { type: "checkbox", id, checked: value === true });
    tick.addEventListener("change", () => say(tick.checked));
    enable(tick, why, one.name);
    return h("label", { class: "check" }, tick, one.name);
  }
  const control = one.kind === "choice" ? choice(one, id, value) : typed(one, id, value);
  control.disabled = locked;
  control.title = why ?? one.name;
  control.addEventListener("change", () => {
    const text = control.value;
    say(text === "" ? null : one.kind === "number" ? Number(text) : text);
  });
  return h("div", { class: "field wide-field" }, h("label", { for: id }, one.name), control);
}

/**
 * One of the attribute's choices, or none of them.
 * @param {Attribute} one
 * @param {string} id
 * @param {unknown} value
 */
function choice(one, id, value) {
  const options = ["", ...one.choices].map((text) => /** @type {const} */ ([text, text || "–"]));
  return select({ id }, options, String(value ?? ""));
}

/**
 * A number or a text.
 * @param {Attribute} one
 * @param {string} id
 * @param {unknown} value
 */
function typed(one, id, value) {
  const type = one.kind === "number" ? "number" : "text";
  return h("input", { type, step: "any", id, value: String(value ?? ""), maxlength: 2000, autocomplete: "off" });
}
