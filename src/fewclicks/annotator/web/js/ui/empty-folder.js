/** @file What does nothing in a folder without photos is disabled, and says so. */

/** @import { Store } from "../state/store.js" */
import { t } from "../language.js";
import { byId, enable } from "./dom.js";

const TOOLS = ["click", "box", "scribble", "polygon", "lasso", "brush", "erase", "outline"].map((name) => `tool-${name}`);
const CONTROLS = [...TOOLS, "swap", "preview", "new", "by-doubt", "export", "preannotate"];

/** @param {Store} store */
export function emptyFolder(store) {
  let was = false;
  store.on(["folder", "photos", "keys"], () => {
    const { isEmpty } = store;
    if (!isEmpty && !was) return;
    was = isEmpty;
    for (const id of CONTROLS) {
      const control = byId(id, HTMLButtonElement);
      enable(control, isEmpty ? t("noPhotos") : null, control.title.replace(`: ${t("noPhotos")}`, ""));
    }
  });
}
