/** @file Export and the sheet of keys; what dialogs are made of. */

/** @import { Format, FormatOption } from "../types.js" */
/** @import { Notices } from "./toasts.js" */
/** @import { Shortcut } from "../tools/shortcuts.js" */
/** @import { Store } from "../state/store.js" */
import * as api from "../sync/api.js";
import { byId, h } from "./dom.js";

/**
 * Fill a dialog and show it.
 * @param {string} id
 * @param {string} title
 * @param {(Node | false)[]} body
 * @param {Node[]} [foot]
 */
export function show(id, title, body, foot = []) {
  const dialog = byId(id, HTMLDialogElement);
  const close = h("button", { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => dialog.close() }, "✕");
  const head = h("header", {}, h("h2", { id: `${id.replace("-dialog", "")}-title` }, title), close);
  dialog.replaceChildren(head, h("div", { class: "body" }, ...body), ...(foot.length ? [h("footer", {}, ...foot)] : []));
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
  if (!dialog.open) dialog.showModal();
  return dialog;
}

/**
 * The sheet of keys, as the table has them.
 * @param {Shortcut[]} shortcuts
 */
export function sheet(shortcuts) {
  const groups = [...new Set(shortcuts.map((one) => one.group))].filter(Boolean);
  const line = (/** @type {Shortcut} */ { keys, label }) =>
    h("div", {}, h("dt", {}, ...keys.map((key) => h("kbd", {}, key))), h("dd", {}, label));
  const part = (/** @type {string} */ group) =>
    h("section", {}, h("h3", {}, group), h("dl", {}, ...shortcuts.filter((one) => one.group === group).map(line)));
  const dialog = show("sheet", "Keys and mouse", groups.map(part));
  dialog.onkeydown = (event) => {
    if (event.key !== "?") return;
    event.preventDefault();
    dialog.close();
  };
}

/**
 * Choose a format, see what it loses, get the file.
 * @param {Store} store
 * @param {Notices} notices
 */
export async function exporting(store, notices) {
  const formats = store.state.folder?.formats ?? (await api.formats());
  const form = h("form", { class: "formats", role: "radiogroup", "aria-label": "Format" }, ...formats.map(formatRow));
  const notes = h("div", { role: "status" }, formats.length ? "" : "This server has no formats to export to.");
  const go = h("button", { type: "button", class: "button primary", id: "export-go" }, "Export");
  const dialog = show("export-dialog", "Export the folder", [form, notes], [
    h("span", { class: "dim" }, "Everything is saved all the time; an export is a copy."),
    h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Close"),
    go,
  ]);
  form.addEventListener("submit", (event) => event.preventDefault());
  go.addEventListener("click", async () => {
    const chosen = formats.find((format) => form.querySelector(`input[name="format"][value="${format.name}"]:checked`));
    if (!chosen) return;
    go.disabled = true;
    notes.textContent = "Exporting …";
    try {
      const { blob, name, notes: lost } = await api.exported(chosen.name, optionsOf(form, chosen));
      save(blob, name);
      notes.replaceChildren(`${name} is downloaded.`, lines(lost));
    } catch (error) {
      notes.textContent = "";
      notices.show(/** @type {Error} */ (error).message, undefined, "problem");
      notes.textContent = /** @type {Error} */ (error).message;
    } finally {
      go.disabled = false;
    }
  });
}

/**
 * @param {Format} format
 * @param {number} at
 */
function formatRow(format, at) {
  const id = `format-${format.name}`;
  const loses = format.loses.length ? `Loses: ${format.loses.join(" ")}` : "Loses nothing.";
  return h(
    "label",
    { class: "format", for: id },
    h("input", { type: "radio", name: "format", id, value: format.name, checked: at === 0, autofocus: at === 0 }),
    h("span", {}, format.title),
    h("span", { class: "loses" }, loses),
    h("span", { class: "options" }, ...format.options.map((option) => optionField(format, option))),
  );
}

/**
 * @param {Format} format
 * @param {FormatOption} option
 */
function optionField(format, option) {
  const name = `${format.name}.${option.name}`;
  if (option.kind === "flag") {
    return h("label", { class: "check" }, h("input", { type: "checkbox", name, checked: option.default === true }), option.title);
  }
  if (option.kind === "number") {
    return h("label", { class: "check" }, option.title, h("input", { type: "number", name, value: option.default, step: "any" }));
  }
  const choices = (option.choices ?? []).map((value) => h("option", { value, selected: value === option.default }, value));
  return h("label", { class: "check" }, option.title, h("select", { name }, ...choices));
}

/**
 * @param {HTMLFormElement} form
 * @param {Format} format
 */
function optionsOf(form, format) {
  const value = (/** @type {FormatOption} */ option) => {
    const field = form.elements.namedItem(`${format.name}.${option.name}`);
    if (field instanceof HTMLSelectElement) return field.value;
    if (!(field instanceof HTMLInputElement)) return option.default;
    return option.kind === "number" ? Number(field.value) : field.checked;
  };
  return Object.fromEntries(format.options.map((option) => [option.name, value(option)]));
}

/** @param {string[]} notes */
export function lines(notes) {
  return h("ul", { class: "notes" }, ...notes.map((note) => h("li", {}, note)));
}

/**
 * Have the browser save a file.
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const href = URL.createObjectURL(blob);
  h("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
