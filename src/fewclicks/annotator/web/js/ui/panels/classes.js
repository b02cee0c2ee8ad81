/** @file The classes: choose one, add, and in the editing mode rename, give a key, delete. */

/** @import { Class } from "../../types.js" */
/** @import { Desk } from "../../state/workspace.js" */
/** @import { Hand } from "../../tools/editor.js" */
/** @import { Store } from "../../state/store.js" */
import { byId, check, h, icon, roving } from "../dom.js";

const KEYS = ["", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

export class ClassesPanel {
  /**
   * @param {{store: Store, desk: Desk, hand: Hand}} parts
   */
  constructor({ store, desk, hand }) {
    this.store = store;
    this.desk = desk;
    this.hand = hand;
    this.editing = false;
    this.edit = h(
      "button",
      { type: "button", class: "icon-button small", title: "Edit the classes", "aria-label": "Edit the classes", "aria-pressed": "false" },
      icon("edit"),
    );
    this.edit.addEventListener("click", () => this.toggle());
    this.list = h("div", { class: "class-list", id: "class-list" });
    roving(this.list);
    this.add = h("input", {
      type: "text",
      id: "class-add",
      placeholder: "Add a class …",
      "aria-label": "Add a class",
      autocomplete: "off",
      maxlength: 100,
      onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && this.added(),
    });
    const head = h("div", { class: "section-head" }, h("h2", {}, "Classes"), this.edit);
    byId("classes").append(head, this.list, h("div", { class: "class-add" }, this.add));
    store.on(["classes"], () => this.show());
    store.on(["classId"], () => this.mark());
  }

  added() {
    const name = this.add.value.trim();
    if (!name) return;
    this.add.value = "";
    void this.desk.addClass(name);
  }

  toggle() {
    this.editing = !this.editing;
    this.edit.setAttribute("aria-pressed", String(this.editing));
    this.show();
  }

  show() {
    const { classes } = this.store.state;
    const controls = () => [...this.list.querySelectorAll("input, select, button")];
    const focused = controls().findIndex((one) => one === document.activeElement);
    this.list.setAttribute("role", this.editing ? "group" : "radiogroup");
    this.list.setAttribute("aria-label", "Class of new objects");
    this.list.replaceChildren(...classes.map((one) => (this.editing ? this.editor(one) : this.choice(one))));
    this.mark();
    const again = controls()[focused];
    if (again instanceof HTMLElement) again.focus();
  }

  /** Say which class is chosen. */
  mark() {
    check(this.list, (radio) => Number(radio.dataset.id) === this.store.state.classId);
  }

  /** @param {Class} one */
  colour(one) {
    const input = h("input", { type: "color", value: one.colour, "aria-label": `Color of ${one.name}`, title: "Color" });
    input.addEventListener("change", () => void this.desk.patchClass(one.id, { colour: input.value }));
    return input;
  }

  /** @param {Class} one */
  choice(one) {
    const button = h(
      "button",
      { type: "button", class: "class", role: "radio", "data-id": one.id, onclick: () => this.hand.choose(one.id) },
      h("span", { class: "ellipsis" }, one.name),
      one.key && h("kbd", {}, one.key),
    );
    return h("div", { class: "class-row" }, this.colour(one), button);
  }

  /** @param {Class} one */
  editor(one) {
    const patch = (/** @type {Partial<Class>} */ part) => void this.desk.patchClass(one.id, part);
    const name = h("input", { type: "text", value: one.name, "aria-label": `Name of ${one.name}`, maxlength: 100 });
    name.addEventListener("change", () => name.value.trim() && patch({ name: name.value.trim() }));
    const options = KEYS.map((key) => h("option", { value: key, selected: key === (one.key ?? "") }, key || "–"));
    const key = h("select", { "aria-label": `Key of ${one.name}`, title: "Key" }, ...options);
    key.addEventListener("change", () => patch({ key: key.value }));
    const drop = h(
      "button",
      { type: "button", class: "icon-button small", "aria-label": `Delete ${one.name}`, title: "Delete", onclick: () => void this.desk.dropClass(one.id) },
      icon("trash"),
    );
    return h("div", { class: "class-row" }, this.colour(one), name, key, drop);
  }
}
