/** @file Export; what dialogs are made of. */

/** @import { Format, FormatOption } from "../types.js" */
/** @import { Notices } from "./toasts.js" */
/** @import { Store } from "../state/store.js" */
import { counted, served, t } from "../language.js";
import { keep, recallValues } from "../state/memory.js";
import * as api from "../sync/api.js";
import { byId, enable, h, select } from "./dom.js";

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
  const rows = formats.map((format, at) => formatRow(format, at, last.options[format.name] ?? {}));
  const form = h("form", { class: "formats", role: "radiogroup", "aria-label": t("export.format") }, ...rows);
  const notes = h("div", { role: "status" }, formats.length ? "" : t("export.noFormats"));
  const go = h("button", { type: "button", class: "button primary", id: "export-go" }, t("export.go"));
  const scope = scopeFields(store, last, go);
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
      const options = optionsOf(form, chosen);
      const { blob, name, notes: lost } = await api.exported(chosen.name, options, scope.read());
      last.options[chosen.name] = options;
      keep(KEY, JSON.stringify({ ...scope.chosen(), format: chosen.name, options: last.options }));
      save(blob, name);
      notes.replaceChildren(t("export.done", { name }), lines(lost));
    } catch (error) {
      notices.problem(error);
      notes.textContent = /** @type {Error} */ (error).message;
    } finally {
      void scope.count();
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

/** @typedef {{format: string, which: string, without: string[], options: Record<string, Record<string, unknown>>}} LastExport */

/** @returns {LastExport} what was exported last: `without` which classes, by which options of each format */
function lastExport() {
  const { format = "", which = "", without = [], options = {} } = recallValues(KEY);
  return /** @type {LastExport} */ ({ format, which, without, options });
}

/**
 * Which photos, and objects of which classes, with how many that are.
 * @param {Store} store
 * @param {LastExport} last
 * @param {HTMLButtonElement} go can be pressed where there is something to export
 */
function scopeFields(store, last, go) {
  const which = select({ id: "export-which" }, WHICH, last.which);
  const boxes = store.state.classes.map(({ name }) => h("input", { type: "checkbox", value: name, checked: !last.without.includes(name) }));
  const names = boxes.map((box) => h("label", { class: "check" }, box, box.value));
  const some = boxes.some((box) => !box.checked);
  const classes = h("details", { id: "export-classes", open: some }, h("summary", {}, t("export.classes")), h("div", { class: "export-classes" }, ...names));
  const amount = h("p", { id: "export-count", role: "status" });
  const chosen = () => ({ which: which.value, without: boxes.filter((box) => !box.checked).map((box) => box.value) });
  const read = () => {
    const wanted = boxes.filter((box) => box.checked).map((box) => box.value);
    if (boxes.length && !wanted.length) throw new Error(t("export.oneClass"));
    const search = byId("photo-search", HTMLInputElement).value.trim();
    return { where: which.value === "list" ? search : which.value, classes: wanted.length === boxes.length ? [] : wanted };
  };
  let asked = 0;
  const count = async () => {
    const turn = ++asked;
    const [text, why] = await amountOf(read);
    if (turn !== asked) return;
    amount.textContent = text;
    enable(go, why, t("export.go"));
  };
  const element = h("div", { class: "fields" }, h("label", { class: "check" }, t("export.which"), which), ...(boxes.length > 1 ? [classes] : []), amount);
  element.addEventListener("change", () => void count());
  void count();
  return { element, chosen, read, count };
}

/**
 * How much would be exported, in words, and why that cannot be done: null if it can.
 * @param {() => {where: string, classes: string[]}} read
 * @returns {Promise<[string, string | null]>}
 */
async function amountOf(read) {
  try {
    const { photos, objects } = await api.exportCount(read());
    if (!photos) return [t("export.nothing"), t("export.nothing")];
    return [objects ? t("export.amount", { photos: counted("photo", photos), objects: counted("object", objects) }) : t("export.empty", { photos: counted("photo", photos) }), null];
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    return [message, message];
  }
}

/**
 * @param {Format} format
 * @param {number} at
 * @param {Record<string, unknown>} last its options of the last time
 */
function formatRow(format, at, last) {
  const id = `format-${format.name}`;
  const loses = format.loses.length ? t("export.loses", { what: served(`loses.${format.name}`, format.loses.join(" ")) }) : t("export.losesNothing");
  return h(
    "label",
    { class: "format", for: id },
    h("input", { type: "radio", name: "format", id, value: format.name, checked: at === 0, autofocus: at === 0 }),
    h("span", {}, served(`format.${format.name}`, format.title)),
    h("span", { class: "loses" }, loses),
    h("span", { class: "options" }, ...format.options.map((option) => optionField(format, option, last[option.name]))),
  );
}

/**
 * @param {Format} format
 * @param {FormatOption} option
 * @param {unknown} last
 */
function optionField(format, option, last) {
  const name = `${format.name}.${option.name}`;
  const known = typeof last === typeof option.default && (!option.choices || option.choices.includes(String(last)));
  const chosen = known ? last : option.default;
  const title = served(`option.${option.name}`, option.title);
  if (option.kind === "flag") {
    return h("label", { class: "check" }, h("input", { type: "checkbox", name, checked: chosen === true }), title);
  }
  if (option.kind === "number") {
    return h("label", { class: "check" }, title, h("input", { type: "number", name, value: chosen, step: "any" }));
  }
  const choices = (option.choices ?? []).map((value) => /** @type {const} */ ([value, value ? served(`choice.${value}`, value) : t("export.none")]));
  return h("label", { class: "check" }, title, select({ name }, choices, String(chosen)));
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
