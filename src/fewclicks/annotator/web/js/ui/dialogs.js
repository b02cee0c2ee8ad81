/** @file Export; what dialogs are made of. */

/** @import { Format, FormatOption } from "../types.js" */
/** @import { Notices } from "./toasts.js" */
/** @import { Store } from "../state/store.js" */
import { served, t } from "../language.js";
import { keep, recallValues } from "../state/memory.js";
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
  const close = h("button", { type: "button", class: "icon-button", "aria-label": t("close"), onclick: () => dialog.close() }, "✕");
  const head = h("header", {}, h("h2", { id: `${id.replace("-dialog", "")}-title` }, title), close);
  dialog.replaceChildren(head, h("div", { class: "body" }, ...body), ...(foot.length ? [h("footer", {}, ...foot)] : []));
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
  if (!dialog.open) dialog.showModal();
  return dialog;
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
  const form = h("form", { class: "formats", role: "radiogroup", "aria-label": t("export.format") }, ...formats.map(formatRow));
  const notes = h("div", { role: "status" }, formats.length ? "" : t("export.noFormats"));
  const go = h("button", { type: "button", class: "button primary", id: "export-go" }, t("export.go"));
  const scope = scopeFields(store, last);
  const dialog = show("export-dialog", t("export.title"), [scope.element, form, notes], [
    h("span", { class: "dim" }, t("export.isCopy")),
    h("button", { type: "button", class: "button", onclick: () => dialog.close() }, t("close")),
    go,
  ]);
  form.addEventListener("submit", (event) => event.preventDefault());
  go.addEventListener("click", async () => {
    const chosen = formats.find((format) => form.querySelector(`input[name="format"][value="${format.name}"]:checked`));
    if (!chosen) return;
    go.disabled = true;
    notes.textContent = t("export.running");
    try {
      const { blob, name, notes: lost } = await api.exported(chosen.name, optionsOf(form, chosen), scope.read());
      keep(KEY, JSON.stringify({ format: chosen.name, which: scope.which.value }));
      save(blob, name);
      notes.replaceChildren(t("export.done", { name }), lines(lost));
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
  ["", t("export.begun")],
  ["-is:begun -is:returned -is:untouched", t("export.doneOnes")],
  ["is:accepted", t("export.accepted")],
  ["list", t("export.list")],
];

/** @typedef {{format: string, which: string}} LastExport */

/** @returns {LastExport} what was exported last */
function lastExport() {
  return { format: "", which: "", ...recallValues(KEY) };
}

/**
 * Which photos, and objects of which classes.
 * @param {Store} store
 * @param {LastExport} last
 */
function scopeFields(store, last) {
  const which = select({ id: "export-which" }, WHICH, last.which);
  const boxes = store.state.classes.map((one) => h("input", { type: "checkbox", value: one.name, checked: true }));
  const names = boxes.map((box) => h("label", { class: "check" }, box, box.value));
  const classes = h("details", { id: "export-classes" }, h("summary", {}, t("export.classes")), h("div", { class: "export-classes" }, ...names));
  const read = () => {
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
    if (boxes.length && !chosen.length) throw new Error(t("export.oneClass"));
    const search = byId("photo-search", HTMLInputElement).value.trim();
    return { where: which.value === "list" ? search : which.value, classes: chosen.length === boxes.length ? [] : chosen };
  };
  const element = h("div", { class: "fields" }, h("label", { class: "check" }, t("export.which"), which), ...(boxes.length > 1 ? [classes] : []));
  return { element, which, read };
}

/**
 * @param {Format} format
 * @param {number} at
 */
function formatRow(format, at) {
  const id = `format-${format.name}`;
  const loses = format.loses.length ? t("export.loses", { what: served(`loses.${format.name}`, format.loses.join(" ")) }) : t("export.losesNothing");
  return h(
    "label",
    { class: "format", for: id },
    h("input", { type: "radio", name: "format", id, value: format.name, checked: at === 0, autofocus: at === 0 }),
    h("span", {}, served(`format.${format.name}`, format.title)),
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
  const title = served(`option.${option.name}`, option.title);
  if (option.kind === "flag") {
    return h("label", { class: "check" }, h("input", { type: "checkbox", name, checked: option.default === true }), title);
  }
  if (option.kind === "number") {
    return h("label", { class: "check" }, title, h("input", { type: "number", name, value: option.default, step: "any" }));
  }
  const choices = (option.choices ?? []).map((value) => /** @type {const} */ ([value, value ? served(`choice.${value}`, value) : t("export.none")]));
  return h("label", { class: "check" }, title, select({ name }, choices, String(option.default)));
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
