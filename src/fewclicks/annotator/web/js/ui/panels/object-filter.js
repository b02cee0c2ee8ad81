/** @file The list of objects shows those of one class only, and says how many it leaves out. */

/** @import { Store } from "../../state/store.js" */
import { count, t } from "../../language.js";
import { h, icon, select } from "../dom.js";

/**
 * The choice of the class, and the line that tells of the objects that are not shown.
 * @param {Store} store
 */
export function objectFilter(store) {
  const list = select({ id: "object-class", title: t("objects.ofClass"), "aria-label": t("objects.ofClass") }, []);
  const said = h("span", { role: "status" });
  const all = (/** @type {MouseEvent} */ { detail }) => {
    store.set({ onlyClass: 0 });
    if (!detail) list.focus(); // the cross is gone, which had the focus of the keys
  };
  const cross = h("button", { type: "button", class: "icon-button small", id: "object-class-all", title: t("objects.allTitle"), "aria-label": t("objects.allTitle"), onclick: all }, icon("drop"));
  const line = h("div", { class: "shown-of dim" }, said, cross);
  list.addEventListener("change", () => store.set({ onlyClass: Number(list.value) }));
  let known = "";
  store.on(["entries", "hand", "classes", "photo", "onlyClass"], ({ classes, onlyClass }) => {
    const used = new Set(store.stack.map(({ thing }) => thing.class_id));
    const offered = classes.filter(({ id }) => used.has(id) || id === onlyClass);
    list.hidden = offered.length < 2 && !onlyClass;
    const news = JSON.stringify(offered.map(({ id, name }) => [id, name]));
    const options = () => [h("option", { value: 0 }, t("objects.allClasses")), ...offered.map(({ id, name }) => h("option", { value: id }, name))];
    if (news !== known) list.replaceChildren(...options());
    known = news;
    list.value = String(onlyClass);
    line.hidden = !onlyClass;
    said.textContent = t("objects.shownOf", { shown: count(store.listed.length), all: count(store.stack.length) });
  });
  return { list, line };
}
