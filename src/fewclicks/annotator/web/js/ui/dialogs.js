/** @file Export and the sheet of keys; what dialogs are made of. */

/** @import { Format, FormatOption } from "../types.js" */
/** @import { Notices } from "./toasts.js" */
/** @import { Shortcut } from "../tools/shortcuts.js" */
/** @import { Store } from "../state/store.js" */
import * as api from "../sync/api.js";
import { byId, h, select } from "./dom.js";

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
  const known = store.state.folder?.formats ?? (await api.formats());
  const last = lastExport();
  // What was used last stands first, then what most people use.
  const rank = (/** @type {Format} */ { name }) => (name === last.format ? -1 : (USUAL.indexOf(name) + 1 || USUAL.length + 1));
  const formats = [...known].sort((a, b) => rank(a) - rank(b));
  const form = h("form", { class: "formats", role: "radiogroup", "aria-label": "Format" }, ...formats.map(formatRow));
  const notes = h("div", { role: "status" }, formats.length ? "" : "This server has no formats to export to.");
  const go = h("button", { type: "button", class: "button primary", id: "export-go" }, "Export");
  const scope = scopeFields(store, last);
  const dialog = show("export-dialog", "Export the folder", [scope.element, form, notes], [
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
      const { blob, name, notes: lost } = await api.exported(chosen.name, optionsOf(form, chosen), scope.read());
      keepExport({ format: chosen.name, which: scope.which.value });
      save(blob, name);
      notes.replaceChildren(`${name} is downloaded.`, lines(lost));
    } catch (error) {
      notes.textContent = "";
      notices.problem(error);
      notes.textContent = /** @type {Error} */ (error).message;
    } finally {
      go.disabled = false;
    }
  });
}

/** The formats that most people use, in that order. */
const USUAL = ["coco", "yolo", "labelme", "index_png", "voc", "binary_png", "cutout"];
const KEY = "fewclicks.export";
/** @type {[string, string][]} queries of photos, in words */
const WHICH = [
  ["", "All photos that were begun"],
  ["-is:begun -is:returned -is:untouched", "Photos that are done or accepted"],
  ["is:accepted", "Accepted photos"],
  ["list", "The photos that the list shows by its search field"],
];

/** @typedef {{format: string, which: string}} LastExport */

/** @returns {LastExport} what was exported last */
function lastExport() {
  try {
    return { format: "", which: "", ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return { format: "", which: "" };
  }
}

/** @param {LastExport} last */
function keepExport(last) {
  try {
    localStorage.setItem(KEY, JSON.stringify(last));
  } catch {
    // A browser that keeps nothing: the next export begins anew.
  }
}

/**
 * Which photos, and objects of which classes.
 * @param {Store} store
 * @param {LastExport} last
 */
function scopeFields(store, last) {
  const which = select({ id: "export-which" }, WHICH, last.which);
  const boxes = store.state.classes.map((one) => h("input", { type: "checkbox", value: one.name, checked: true }));
  const classes = h("details", { id: "export-classes" }, h("summary", {}, "Classes"), h("div", { class: "export-classes" }, ...boxes.map((box) => h("label", { class: "check" }, box, box.value))));
  const read = () => {
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
    if (boxes.length && !chosen.length) throw new Error("Choose at least one class.");
    const search = byId("photo-search", HTMLInputElement).value.trim();
    return { where: which.value === "list" ? search : which.value, classes: chosen.length === boxes.length ? [] : chosen };
  };
  const element = h("div", { class: "fields" }, h("label", { class: "check" }, "Which photos", which), ...(boxes.length > 1 ? [classes] : []));
  return { element, which, read };
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
  const choices = (option.choices ?? []).map((value) => /** @type {const} */ ([value, value || "none"]));
  return h("label", { class: "check" }, option.title, select({ name }, choices, String(option.default)));
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
