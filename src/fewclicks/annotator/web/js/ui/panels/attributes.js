/** @file What is said of the selected objects, or of the one in hand: a field for each attribute of their classes. */

/** @import { Attribute, Class } from "../../types.js" */
/** @import { Entry } from "../../state/annotation.js" */
/** @import { Many } from "../../tools/many.js" */
/** @import { Store } from "../../state/store.js" */
import { counted, t } from "../../language.js";
import { closed } from "../../state/rights.js";
import { byId, enable, h, select } from "../dom.js";

/** Stands for a value that is not the same in all. */
const MIXED = Symbol("mixed");

/**
 * @param {{store: Store, many: Many}} parts
 */
export function attributesPanel({ store, many }) {
  const panel = byId("attributes");
  let shown = "";
  store.on(["hand", "entries", "classes", "selected", "photo", "role"], (state) => {
    const entries = many.meant;
    const attributes = common(entries, state.classes);
    const why = closed(state) ?? (entries.every(({ thing }) => thing.locked) ? t("objectLocked") : null);
    const news = JSON.stringify([entries.map(({ thing }) => [thing.id, thing.attributes]), why, attributes]);
    if (news === shown) return;
    shown = news;
    panel.hidden = !attributes.length;
    const focused = document.activeElement instanceof HTMLElement && panel.contains(document.activeElement) ? document.activeElement.id : "";
    const fields = attributes.map((one) => field(one, valueOf(entries, one.name), why, (value) => many.describe(one.name, value)));
    const whose = entries.length > 1 && h("p", { class: "dim" }, t("attribute.ofMany", { objects: counted("object", entries.length) }));
    panel.replaceChildren(h("div", { class: "fields" }, whose, ...fields));
    if (focused) document.getElementById(focused)?.focus();
  });
}

/**
 * The attributes that all of the objects have.
 * @param {Entry[]} entries
 * @param {Class[]} classes
 */
function common(entries, classes) {
  const ids = new Set(entries.map(({ thing }) => thing.class_id));
  const [first, ...others] = classes.filter(({ id }) => ids.has(id)).map(({ attributes }) => attributes);
  const same = (/** @type {Attribute} */ one) => others.every((all) => all.some((other) => JSON.stringify(other) === JSON.stringify(one)));
  return (first ?? []).filter(same);
}

/**
 * What all of the objects have, or MIXED.
 * @param {Entry[]} entries
 * @param {string} name of the attribute
 */
function valueOf(entries, name) {
  const values = new Set(entries.map(({ thing }) => thing.attributes?.[name] ?? null));
  return values.size > 1 ? MIXED : [...values][0];
}

/**
 * @param {Attribute} one
 * @param {unknown} value
 * @param {string | null} why it cannot be changed
 * @param {(value: unknown) => void} say null takes the value away
 */
function field(one, value, why, say) {
  const id = `attribute-${one.name}`;
  if (one.kind === "tick") {
    const tick = h("input", { type: "checkbox", id, checked: value === true });
    tick.indeterminate = value === MIXED;
    tick.addEventListener("change", () => say(tick.checked));
    enable(tick, why, one.name);
    return h("label", { class: "check" }, tick, one.name);
  }
  const control = one.kind === "choice" ? choice(one, id, value) : typed(one, id, value);
  enable(control, why, one.name);
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
  const list = select({ id }, options, value === MIXED ? undefined : String(value ?? ""));
  if (value === MIXED) list.prepend(h("option", { value: "", hidden: true, selected: true }, t("attribute.mixed")));
  return list;
}

/**
 * A number or a text.
 * @param {Attribute} one
 * @param {string} id
 * @param {unknown} value
 */
function typed(one, id, value) {
  const type = one.kind === "number" ? "number" : "text";
  const look = value === MIXED ? { placeholder: t("attribute.mixed") } : { value: String(value ?? "") };
  return h("input", { type, step: "any", id, ...look, maxlength: 2000, autocomplete: "off" });
}
