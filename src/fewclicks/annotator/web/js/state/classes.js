/** @file What is done to the list of classes: each can be taken back by the notice that tells of it. */

/** @import { Class } from "../types.js" */
/** @import { Desk } from "./workspace.js" */
/** @import { Notices } from "../ui/toasts.js" */
/** @import { Store } from "./store.js" */
import { counted, t } from "../language.js";
import * as api from "../sync/api.js";
import { reassignDialog } from "../ui/class-dialog.js";
import { h } from "../ui/dom.js";

export class ClassList {
  /**
   * @param {{store: Store, desk: Desk, notices: Notices}} parts
   */
  constructor({ store, desk, notices }) {
    this.store = store;
    this.desk = desk;
    this.notices = notices;
  }

  /** @param {() => Promise<void>} work */
  async tried(work) {
    if (!(await this.notices.tried(work))) this.store.touch("classes");
  }

  async read() {
    this.desk.classes(await api.json("GET", "/classes"));
  }

  /**
   * Make a class, which objects to come have.
   * @param {string} name
   */
  async add(name) {
    await this.tried(async () => {
      const made = await api.makeClass({ name });
      await this.read();
      this.store.set({ classId: made.id, hint: t("classes.areNow", { name: made.name }) });
    });
  }

  /**
   * @param {number} id
   * @param {Partial<Class>} part
   */
  async patch(id, part) {
    await this.tried(() => this.patched(id, part));
  }

  /**
   * The same for who says themselves what goes wrong.
   * @param {number} id
   * @param {Partial<Class>} part
   */
  async patched(id, part) {
    const was = this.store.state.classes.find((one) => one.id === id);
    await api.patchClass(id, part);
    await this.read();
    const before = Object.fromEntries(Object.keys(part).map((name) => [name, was?.[/** @type {keyof Class} */ (name)] ?? ""]));
    if (was) this.notices.show(t("classes.changed", { name: was.name }), () => void this.tried(async () => (await api.patchClass(id, before), this.read())));
  }

  /**
   * @param {number} id
   * @param {1 | -1} way
   */
  async move(id, way) {
    const { classes } = this.store.state;
    const other = classes[classes.findIndex((one) => one.id === id) + way];
    if (other) await this.moveTo(id, other.id);
  }

  /**
   * Put a class in the place of another.
   * @param {number} id
   * @param {number} to
   */
  async moveTo(id, to) {
    const was = this.store.state.classes.map((one) => one.id);
    const order = was.filter((one) => one !== id);
    order.splice(was.indexOf(to), 0, id);
    if (order.join() === was.join()) return;
    const put = async (/** @type {number[]} */ ids) => this.desk.classes(await api.json("PUT", "/classes/order", { ids }));
    await this.tried(async () => {
      await put(order);
      this.notices.show(t("classes.order"), () => void this.tried(() => put(was)));
    });
  }

  /**
   * Delete a class; where it is in use, ask which class its objects get.
   * @param {Class} one
   */
  async drop(one) {
    try {
      await this.dropped(one, null);
    } catch (error) {
      const used = error instanceof api.Problem && error.status === 409 && this.store.state.classes.length > 1;
      if (used) reassignDialog(one, error.message, this.store.state.classes, (to) => void this.tried(() => this.dropped(one, to)));
      else this.notices.problem(error);
    }
  }

  /**
   * @param {Class} one
   * @param {number | null} to
   */
  async dropped(one, to) {
    const { id } = await api.json("DELETE", `/classes/${one.id}${to === null ? "" : `?reassign_to=${to}`}`);
    await this.read();
    const back = async () => {
      await api.json("POST", `/classes/removed/${id}/restore`, {});
      await this.desk.reread();
    };
    if (to !== null) await this.desk.reread();
    this.notices.show(t("classes.deleted", { name: one.name }), () => void this.tried(back));
  }

  /** Buttons for classes from a file and to a file. */
  fileButtons() {
    const input = h("input", { type: "file", id: "class-file", class: "hidden-text", accept: ".json,.txt,.yaml,.yml,.names", tabindex: -1, "aria-label": t("classes.file") });
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      if (file) void this.tried(() => this.take(file));
      input.value = "";
    });
    const load = h("button", { type: "button", class: "button small", id: "classes-load", title: t("classes.fromTitle"), onclick: () => input.click() }, t("classes.from"));
    const save = h("a", { class: "button small", id: "classes-save", href: `${api.BASE}/classes/file`, download: "classes.json" }, t("classes.to"));
    return h("div", { class: "pair" }, load, save, input);
  }

  /** @param {File} file */
  async take(file) {
    const said = await (await api.request("POST", "/classes/file", file)).json();
    await this.read();
    const changed = said.changed.length;
    const news = { classes: counted("class", said.added.length), changed: counted("class", changed) };
    this.notices.show([t(changed ? "classes.addedChanged" : "classes.added", news), ...said.notes].join(". "));
  }
}
