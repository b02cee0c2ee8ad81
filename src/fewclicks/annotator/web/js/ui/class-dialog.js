/** @file Dialogs of one class: its group and attributes; which class its objects get when it is deleted. */

/** @import { Attribute, Class } from "../types.js" */
/** @import { ClassList } from "../state/classes.js" */
import { t } from "../language.js";
import { show } from "./dialogs.js";
import { h, icon, select } from "./dom.js";

/** @type {[Attribute["kind"], string][]} */
const KINDS = [["text", t("attribute.text")], ["number", t("attribute.number")], ["choice", t("attribute.choice")], ["tick", t("attribute.tick")]];

/**
 * The group and the attributes of a class. It stays open until they are saved, and says what is wrong with them.
 * @param {Class} one
 * @param {ClassList} list
 */
export function classDialog(one, list) {
  const groups = [...new Set(list.store.state.classes.map((other) => other.group))].filter(Boolean);
  const known = h("datalist", { id: "known-groups" }, ...groups.map((value) => h("option", { value })));
  const group = h("input", { type: "text", id: "class-group", value: one.group, maxlength: 200, list: "known-groups", placeholder: t("class.noGroup") });
  const rows = h("div", { class: "attributes-edit" }, ...one.attributes.map(attributeRow));
  const add = () => {
    rows.append(attributeRow({ name: "", kind: "text", choices: [] }));
    rows.lastElementChild?.querySelector("input")?.focus();
  };
  const more = h("button", { type: "button", class: "button", id: "attribute-add", onclick: add }, t("attribute.add"));
  const wrong = h("p", { role: "alert", class: "wrong", id: "class-wrong" });
  const save = h("button", { type: "button", class: "button primary", id: "class-save" }, t("save"));
  save.addEventListener("click", async () => {
    save.disabled = true;
    try {
      await list.patched(one.id, { group: group.value.trim(), attributes: [...rows.children].map(attributeOf) });
      dialog.close();
    } catch (error) {
      wrong.textContent = /** @type {Error} */ (error).message;
    } finally {
      save.disabled = false;
    }
  });
  const about = h("p", { class: "dim" }, t("class.attributes"));
  const field = h("div", { class: "field wide-field" }, h("label", { for: "class-group" }, t("class.group")), group);
  const dialog = show("class-dialog", one.name, [field, known, about, rows, more, wrong], [save]);
}

/**
 * The fields of an attribute.
 * @param {Attribute} attribute
 */
function attributeRow(attribute) {
  const name = h("input", { type: "text", value: attribute.name, placeholder: t("name"), "aria-label": t("attribute.name"), maxlength: 60 });
  const kind = select({ "aria-label": t("attribute.kind") }, KINDS, attribute.kind);
  const choices = h("input", { type: "text", value: attribute.choices.join(", "), placeholder: t("attribute.choicesExample"), "aria-label": t("attribute.choices") });
  const remove = attribute.name ? t("attribute.removeNamed", { name: attribute.name }) : t("attribute.removeThis");
  const bin = h("button", { type: "button", class: "icon-button small", title: t("attribute.remove"), "aria-label": remove, onclick: () => row.remove() }, icon("trash"));
  const row = h("div", { class: "attribute-edit" }, name, kind, choices, bin);
  const fit = () => (choices.hidden = kind.value !== "choice");
  kind.addEventListener("change", fit);
  fit();
  return row;
}

/**
 * What such fields say. What nobody can have meant is refused, with the focus on the field.
 * @param {Element} row
 * @returns {Attribute}
 */
function attributeOf(row) {
  const [name, kind, choices] = /** @type {HTMLInputElement[]} */ ([...row.querySelectorAll("input, select")]);
  const refuse = (/** @type {HTMLInputElement} */ field, /** @type {string} */ why) => {
    field.focus();
    throw new Error(why);
  };
  const named = name.value.trim();
  if (!named) refuse(name, t("attribute.noName"));
  const listed = kind.value === "choice" ? choices.value.split(",").map((value) => value.trim()).filter(Boolean) : [];
  if (kind.value === "choice" && !listed.length) refuse(choices, t("attribute.noChoices", { name: named }));
  return { name: named, kind: /** @type {Attribute["kind"]} */ (kind.value), choices: listed };
}

/**
 * @param {Class} one
 * @param {string} why it is not simply deleted
 * @param {Class[]} classes
 * @param {(to: number) => void} go
 */
export function reassignDialog(one, why, classes, go) {
  const to = select(
    { id: "reassign-to" },
    classes.filter((other) => other.id !== one.id).map((other) => [String(other.id), other.name]),
  );
  const button = h("button", { type: "button", class: "button primary", id: "reassign-go" }, t("class.deleteThis"));
  button.addEventListener("click", () => {
    dialog.close();
    go(Number(to.value));
  });
  const dialog = show("class-dialog", t("class.deleteNamed", { name: one.name }), [h("p", {}, why.replace(/; .*$/, ".")), h("label", { class: "check" }, t("class.become"), to)], [button]);
}
