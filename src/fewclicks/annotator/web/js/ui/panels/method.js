/** @file The method that answers clicks, and a list to choose another from. */

/** @import { Store } from "../../state/store.js" */
/** @import { Notices } from "../toasts.js" */
import { t } from "../../language.js";
import * as api from "../../sync/api.js";
import { onlyReviewers } from "../../state/rights.js";
import { enable, h } from "../dom.js";

/**
 * Hidden where there is only one.
 * @param {Store} store
 * @param {Notices} notices
 */
export function methodField(store, notices) {
  const list = h("select", { id: "method-choice" });
  const field = h("div", { class: "field", hidden: true }, h("label", { for: "method-choice" }, t("cascade.method")), list);
  const may = () => enable(list, onlyReviewers(store.state), t("cascade.methodTitle"));
  store.on(["role"], may);
  const show = (/** @type {string} */ name) => (list.value = name);
  list.addEventListener("change", async () => {
    list.disabled = true;
    try {
      const { name } = await api.changeMethod(list.value);
      notices.show(t("cascade.methodNow", { name }));
    } catch (error) {
      notices.show(/** @type {Error} */ (error).message, undefined, "problem");
    }
    may();
    await read().catch(() => null);
  });
  const read = async () => {
    const { name, choices } = await api.methods();
    list.replaceChildren(...choices.map((one) => h("option", { value: one }, one)));
    field.hidden = choices.length < 2;
    show(name);
  };
  let asked = false;
  store.on(["folder"], ({ folder }) => {
    if (folder && !asked) {
      asked = true;
      void read().catch(() => (asked = false));
    } else if (folder) show(folder.method);
  });
  return field;
}
