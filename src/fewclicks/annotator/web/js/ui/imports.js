/** @file Import: taking annotations in, choosing what becomes of those that are there, taking an import back. */

/** @import { Desk } from "../state/workspace.js" */
import { counted, t } from "../language.js";
import * as api from "../sync/api.js";
import { lines, show } from "./dialogs.js";
import { h, select } from "./dom.js";

/** @type {[string, string][]} */
const MODES = [
  ["skip", t("import.skip")],
  ["add", t("import.add")],
  ["replace", t("import.replace")],
];

/**
 * Take annotations in: what lies beside the photos, or files.
 * @param {Desk} desk
 * @param {File[]} [files] what was dropped on the page
 */
export function importing(desk, files = []) {
  const result = h("div", { role: "status", id: "import-result" });
  const accept = ".json,.zip,.png,.xml,.txt,.yaml,.yml";
  const input = h("input", { type: "file", id: "import-file", class: "hidden-text", accept, multiple: true, tabindex: -1, "aria-label": t("import.files") });
  const found = h("button", { type: "button", class: "button", id: "import-found", autofocus: true }, t("import.found"));
  const pick = h("button", { type: "button", class: "button" }, t("import.pick"));
  const mode = select({ id: "import-mode" }, MODES);
  const take = async (/** @type {(File | undefined)[]} */ chosen) => {
    found.disabled = pick.disabled = true;
    try {
      desk.hand.release();
      await desk.queue.savedNow();
      const { ids, failed } = await takeIn(chosen, mode.value, result);
      if (failed) tell(desk, failed, result);
      if (ids.length) await desk.reread();
      if (ids.length) offerUndo(desk, ids, result);
    } catch (error) {
      const { message } = /** @type {Error} */ (error);
      result.replaceChildren(message);
      tell(desk, message, result);
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
  show("import-dialog", t("import.title"), [
    h("p", {}, t("import.about")),
    h("label", { class: "check" }, t("import.mode"), mode),
    h("div", { class: "drop" }, found, pick, h("span", { class: "dim" }, t("import.drop")), input),
    result,
  ]);
  if (files.length) void take(files);
}

/**
 * Say as a notice what went wrong, where the dialog that says it was closed meanwhile.
 * @param {Desk} desk
 * @param {string} text
 * @param {HTMLElement} result
 */
function tell(desk, text, result) {
  if (!result.closest("dialog")?.open) desk.notices.show(text, undefined, "problem");
}

/**
 * Take files in, one after another, and say what came of each. Gives the ids of the imports that changed something, and
 * what went wrong.
 * @param {(File | undefined)[]} files undefined: what lies beside the photos
 * @param {string} mode
 * @param {HTMLElement} result
 */
async function takeIn(files, mode, result) {
  let total = 0;
  /** @type {string[]} */
  const said = [];
  /** @type {string[]} */
  const wrong = [];
  /** @type {string[]} */
  const ids = [];
  for (const [at, file] of files.entries()) {
    const named = files.length > 1 && file ? `${file.name}: ` : "";
    result.textContent = files.length > 1 ? t("import.runningOf", { number: at + 1, all: files.length }) : t("import.running");
    try {
      const { id, objects, notes } = await api.imported(file, mode);
      total += objects;
      if (objects) ids.push(id);
      said.push(...notes.map((note) => named + note));
    } catch (error) {
      wrong.push(named + /** @type {Error} */ (error).message);
      said.push(...wrong.slice(-1));
    }
  }
  const done = t("import.done", { objects: counted("object", total) });
  if (wrong.length && files.length === 1) result.replaceChildren(...wrong);
  else result.replaceChildren(done, lines(said));
  return { ids, failed: wrong.join(" ") || (total ? "" : [done, ...said].join(" ")) };
}

/**
 * Have undo, and a button, take imports back.
 * @param {Desk} desk
 * @param {string[]} ids
 * @param {HTMLElement} result
 */
function offerUndo(desk, ids, result) {
  const deed = desk.hand.anywhere?.record([{ kind: "imports", ids }], null);
  const back = async () => {
    button.disabled = true;
    await desk.hand.anywhere?.takeBack(deed ?? "");
    button.disabled = !desk.hand.anywhere?.done.some(({ id }) => id === deed);
    if (button.disabled) result.replaceChildren(t("import.takenBack"));
  };
  const button = h("button", { type: "button", class: "button", id: "import-undo", onclick: () => void back() }, t("import.undo"));
  result.append(button);
}

/**
 * Take imports back, the latest first. Gives false where it failed, which is said.
 * @param {Desk} desk
 * @param {string[]} ids
 */
export async function takeImportsBack(desk, ids) {
  const count = await turned(desk, [...ids].reverse(), "undo");
  if (count === null) return false;
  desk.notices.show(t("import.takenBackNotice", { objects: counted("object", count) }), () => void turned(desk, ids, "redo"));
  return true;
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
