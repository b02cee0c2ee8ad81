/** @file In a folder without photos: a button that copies example photos into it. */

/** @import { Desk } from "../state/workspace.js" */
/** @import { Notices } from "./toasts.js" */
/** @import { Store } from "../state/store.js" */
import * as api from "../sync/api.js";
import { t } from "../language.js";
import { h } from "./dom.js";

/** The folder within the user's that the server copies them into. */
const PLACE = "fewclicks-examples";

/**
 * The button, and where the photos go; nothing where there are none, or the user may not put photos there.
 * @param {{store: Store, desk: Desk, notices: Notices}} parts
 */
export function examples({ store, desk, notices }) {
  const { folder, role } = store.state;
  if (!folder?.examples || role === "annotator") return [];
  const button = h("button", { type: "button", class: "button primary", id: "examples" }, t("examples.go", { n: folder.examples }));
  button.addEventListener("click", async () => {
    button.disabled = true;
    await notices.tried(async () => {
      await api.addExamples();
      await desk.relist();
    });
    button.disabled = false;
  });
  return [button, h("span", { class: "dim" }, t("examples.where", { folder: PLACE }))];
}
