/** @file Dialogs of one class: its group and attributes; which class its objects get when it is deleted. */

/** @import { Attribute, Class } from "../types.js" */
/** @import { ClassList } from "../state/classes.js" */
import { show } from "./dialogs.js";
import { h, icon, select } from "./dom.js";

/** @type {[Attribute["kind"], string][]} */
const KINDS = [["text", "Text"], ["number", "Number"], ["choice", "Choice"], ["tick", "Tick"]];

/**
 * The group and the attributes of a class.
 * @param {Class} one
 * @param {ClassList} list
 */
export function classDialog(one, list) {
  const groups = [...new Set(list.store.state.classes.map((other) => other.group))].filter(Boolean);
  const known = h("datalist", { id: "known-groups" }, ...groups.map((value) => h("option", { value })));
  const group = h("input", { type: "text", id: "class-group", value: one.group, maxlength: 200, list: "known-groups", placeholder: "no group" });
  const rows = h("div", { class: "attributes-edit" });
  const add = (/** @type {Attribute} */ attribute) => {
    const name = h("input", { type: "text", value: attribute.name, placeholder: "Name", "aria-label": "Name of the attribute", maxlength: 60 });
    const kind = select({ "aria-label": "Kind" }, KINDS, attribute.kind);
    const choices = h("input", { type: "text", value: attribute.choices.join(", "), placeholder: "red, green, blue", "aria-label": "Choices, with commas between them" });
    const bin = h("button", { type: "button", class: "icon-button small", title: "Remove", "aria-label": `Remove ${attribute.name || "the attribute"}`, onclick: () => row.remove() }, icon("trash"));
    const row = h("div", { class: "attribute-edit" }, name, kind, choices, bin);
    const fit = () => (choices.hidden = kind.value !== "choice");
    kind.addEventListener("change", fit);
    fit();
    rows.append(row);
    return name;
  };
  one.attributes.forEach(add);
  const more = h("button", { type: "button", class: "button", id: "attribute-add", onclick: () => add({ name: "", kind: "text", choices: [] }).focus() }, "Add an attribute");
  const read = () =>
    [...rows.children].map((row) => {
      const [name, kind, choices] = /** @type {HTMLInputElement[]} */ ([...row.querySelectorAll("input, select")]);
      const listed = kind.value === "choice" ? choices.value.split(",").map((value) => value.trim()).filter(Boolean) : [];
      return /** @type {Attribute} */ ({ name: name.value.trim(), kind: kind.value, choices: listed });
    });
  const save = h("button", { type: "button", class: "button primary", id: "class-save" }, "Save");
  save.addEventListener("click", () => {
    void list.patch(one.id, { group: group.value.trim(), attributes: read() });
    dialog.close();
  });
  const about = h("p", { class: "dim" }, "Attributes can be said of each object of the class, below the list of objects. What was said stays if one is removed here.");
  const dialog = show("class-dialog", one.name, [h("div", { class: "field wide-field" }, h("label", { for: "class-group" }, "Group"), group), known, about, rows, more], [save]);
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
  const button = h("button", { type: "button", class: "button primary", id: "reassign-go" }, "Delete the class");
  button.addEventListener("click", () => {
    dialog.close();
    go(Number(to.value));
  });
  const dialog = show("class-dialog", `Delete ${one.name}`, [h("p", {}, why.replace(/; .*$/, ".")), h("label", { class: "check" }, "They become", to)], [button]);
}
