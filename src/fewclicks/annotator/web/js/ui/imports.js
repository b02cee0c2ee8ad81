/** @file Import: taking annotations in, choosing what becomes of those that are there, taking an import back. */

/** @import { Desk } from "../state/workspace.js" */
import * as api from "../sync/api.js";
import { lines, show } from "./dialogs.js";
import { h, plural, select } from "./dom.js";

const IMPORTS =
  "Imported masks become objects that clicks and the brush correct. COCO JSON, LabelMe, Pascal VOC, YOLO, index and binary PNGs: one file, several, or a zip.";
/** @type {[string, string][]} */
const MODES = [
  ["skip", "skip identical ones"],
  ["add", "add all"],
  ["replace", "replace those of each photo"],
];

/**
 * Take annotations in: what lies beside the photos, or files.
 * @param {Desk} desk
 * @param {File[]} [files] what was dropped on the page
 */
export function importing(desk, files = []) {
  const result = h("div", { role: "status", id: "import-result" });
  const accept = ".json,.zip,.png,.xml,.txt,.yaml,.yml";
  const input = h("input", { type: "file", id: "import-file", class: "hidden-text", accept, multiple: true, tabindex: -1, "aria-label": "Files to import" });
  const found = h("button", { type: "button", class: "button", id: "import-found", autofocus: true }, "Masks found next to your photos");
  const pick = h("button", { type: "button", class: "button" }, "Choose files …");
  const mode = select({ id: "import-mode" }, MODES);
  const take = async (/** @type {(File | undefined)[]} */ chosen) => {
    found.disabled = pick.disabled = true;
    try {
      desk.hand.release();
      await desk.queue.settled();
      const ids = await takeIn(chosen, mode.value, result);
      await desk.reread();
      if (ids.length) offerUndo(desk, ids, result);
    } finally {
      found.disabled = pick.disabled = false;
    }
  };
  found.addEventListener("click", () => void take([undefined]));
  pick.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (input.files?.length) void take([...input.files]);
    input.value = "";
  });
  show("import-dialog", "Import annotations", [
    h("p", {}, IMPORTS),
    h("label", { class: "check" }, "Where objects are there already:", mode),
    h("div", { class: "drop" }, found, pick, h("span", { class: "dim" }, "or drop files on the page"), input),
    result,
  ]);
  if (files.length) void take(files);
}

/**
 * Take files in, one after another, and say what came of each. Gives the ids of the imports that changed something.
 * @param {(File | undefined)[]} files undefined: what lies beside the photos
 * @param {string} mode
 * @param {HTMLElement} result
 */
async function takeIn(files, mode, result) {
  let total = 0;
  /** @type {string[]} */
  const said = [];
  /** @type {string[]} */
  const ids = [];
  for (const [at, file] of files.entries()) {
    const named = files.length > 1 && file ? `${file.name}: ` : "";
    result.textContent = files.length > 1 ? `Importing ${at + 1} of ${files.length} …` : "Importing …";
    try {
      const { id, objects, notes } = await api.imported(file, mode);
      total += objects;
      if (objects) ids.push(id);
      said.push(...notes.map((note) => named + note));
    } catch (error) {
      said.push(named + /** @type {Error} */ (error).message);
      if (files.length === 1) {
        result.replaceChildren(...said);
        return ids;
      }
    }
  }
  result.replaceChildren(`${plural(total, "object")} imported.`, lines(said));
  return ids;
}

/**
 * Have Ctrl+Z, and a button, take imports back: until an object is taken up or another photo is opened.
 * @param {Desk} desk
 * @param {string[]} ids
 * @param {HTMLElement} result
 */
function offerUndo(desk, ids, result) {
  const back = async () => {
    desk.hand.bringBack = null;
    button.disabled = true;
    const count = await turned(desk, [...ids].reverse(), "undo");
    if (count === null) return;
    result.replaceChildren(`The import is taken back: ${plural(count, "object")}.`);
    desk.notices.show(`Import taken back: ${plural(count, "object")}`, () => void turned(desk, ids, "redo"));
  };
  const button = h("button", { type: "button", class: "button", id: "import-undo", onclick: () => void back() }, "Undo the import");
  result.append(button);
  desk.hand.bringBack = () => void back();
}

/**
 * @param {Desk} desk
 * @param {string[]} ids
 * @param {"undo" | "redo"} way
 * @returns {Promise<number | null>} how many objects were changed; null where it failed, which is said
 */
async function turned(desk, ids, way) {
  let count = 0;
  try {
    for (const id of ids) count += await api.turnImport(id, way);
    await desk.reread();
    return count;
  } catch (error) {
    desk.notices.problem(error);
    return null;
  }
}
