/** @file The classes: find and choose one, add, reorder; in the editing mode rename, give a key, group and attributes, delete. */

/** @import { Class } from "../../types.js" */
/** @import { ClassList } from "../../state/classes.js" */
/** @import { Hand } from "../../tools/editor.js" */
/** @import { Store } from "../../state/store.js" */
import { t } from "../../language.js";
import { classDialog } from "../class-dialog.js";
import { onlyReviewers } from "../../state/rights.js";
import { byId, check, enable, h, icon, roving } from "../dom.js";

/** So many classes are seen at a glance; of more there is a search. */
const FEW = 8;

export class ClassesPanel {
  /**
   * @param {{store: Store, list: ClassList, hand: Hand}} parts
   */
  constructor({ store, list, hand }) {
    this.store = store;
    this.classes = list;
    this.hand = hand;
    this.editing = false;
    /** The place of the class that is dragged. */
    this.dragged = -1;
    this.edit = h(
      "button",
      { type: "button", class: "icon-button small", title: t("classes.edit"), "aria-label": t("classes.edit"), "aria-pressed": "false" },
      icon("edit"),
    );
    this.edit.addEventListener("click", () => this.toggle());
    this.list = h("div", { class: "class-list", id: "class-list" });
    roving(this.list);
    this.list.addEventListener("keydown", (event) => this.moved(event));
    const text = { type: "text", autocomplete: "off", spellcheck: "false" };
    this.search = h("input", { ...text, type: "search", id: "class-search", "aria-label": t("classes.findLabel") });
    this.search.addEventListener("input", () => this.show());
    this.search.addEventListener("keydown", (event) => this.found(event));
    this.add = h("input", {
      ...text,
      id: "class-add",
      placeholder: t("classes.addHint"),
      "aria-label": t("classes.add"),
      maxlength: 100,
      onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && this.added(),
    });
    this.files = list.fileButtons();
    this.files.hidden = true;
    const head = h("div", { class: "section-head" }, h("h2", {}, t("classes.title")), this.edit);
    byId("classes").append(head, h("div", { class: "class-add" }, this.search), this.list, h("div", { class: "class-add" }, this.add, this.files));
    store.on(["classes", "role"], () => this.show());
    store.on(["keys"], () => (this.search.placeholder = t("classes.find")));
    store.on(["classId", "hand", "entries"], () => this.mark());
    store.on(["classId", "hand"], () => this.list.querySelector('[aria-checked="true"]')?.scrollIntoView({ block: "nearest" }));
  }

  added() {
    const name = this.add.value.trim();
    if (!name) return;
    this.add.value = "";
    void this.classes.add(name);
  }

  toggle() {
    this.editing = !this.editing;
    this.edit.setAttribute("aria-pressed", String(this.editing));
    this.files.hidden = !this.editing;
    this.show();
  }

  /** Have the user look for a class by its name. */
  find() {
    this.search.hidden = false;
    this.search.focus();
    this.search.select();
  }

  /** @param {KeyboardEvent} event */
  found(event) {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    const [first] = this.wanted;
    if (event.key === "Enter" && !first) return;
    if (event.key === "Enter") this.hand.choose(first.id);
    this.search.value = "";
    this.show();
    byId("stage").focus();
  }

  /** The classes that the search lets through; those whose names begin so first. */
  get wanted() {
    const text = this.search.value.trim().toLowerCase();
    const { classes } = this.store.state;
    if (!text) return classes;
    const found = classes.filter((one) => `${one.name} ${one.group}`.toLowerCase().includes(text));
    const begins = (/** @type {Class} */ one) => Number(!one.name.toLowerCase().startsWith(text));
    return [...found].sort((a, b) => begins(a) - begins(b));
  }

  show() {
    const { classes } = this.store.state;
    enable(this.edit, onlyReviewers(this.store.state), t("classes.edit"));
    enable(this.add, onlyReviewers(this.store.state), t("classes.add"));
    if (document.activeElement !== this.search) this.search.hidden = classes.length <= FEW && !this.search.value;
    const controls = () => [...this.list.querySelectorAll("input, select, button")];
    const focused = controls().findIndex((one) => one === document.activeElement);
    this.list.setAttribute("role", this.editing ? "group" : "radiogroup");
    this.list.setAttribute("aria-label", t("classes.ofNew"));
    const groups = new Map(this.wanted.map((one) => [one.group, /** @type {Class[]} */ ([])]));
    for (const one of this.wanted) groups.get(one.group)?.push(one);
    const parts = [...groups].flatMap(([group, members]) => [group && h("div", { class: "class-group" }, group), ...members.map((one) => this.row(one))]);
    if (!parts.length && this.search.value) parts.push(h("p", { class: "empty", role: "status" }, t("classes.noneLike")));
    this.list.replaceChildren(.../** @type {Node[]} */ (parts.filter(Boolean)));
    this.mark();
    const again = controls()[focused];
    if (again instanceof HTMLElement) again.focus();
  }

  /** Say which class the object in hand has, and which those to come will have. */
  mark() {
    const { classId } = this.store.state;
    const own = this.store.hand?.thing.class_id ?? classId;
    check(this.list, (radio) => Number(radio.dataset.id) === own);
    for (const row of this.list.querySelectorAll(".class-row")) {
      row.classList.toggle("next", own !== classId && Number(/** @type {HTMLElement} */ (row).dataset.id) === classId);
    }
  }

  /** @param {Class} one */
  row(one) {
    const draggable = String(!this.editing && !onlyReviewers(this.store.state));
    const row = h("div", { class: "class-row", "data-id": one.id, draggable }, this.colour(one), ...(this.editing ? this.editor(one) : [this.choice(one)]));
    const place = () => this.store.state.classes.indexOf(one);
    const marked = (/** @type {string} */ how) => (row.dataset.drop = how);
    row.addEventListener("dragstart", (event) => {
      this.dragged = place();
      event.dataTransfer?.setData("text/x-class", String(one.id));
    });
    row.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("text/x-class")) return;
      event.preventDefault();
      // It takes the place of this one, which goes the other way.
      marked(this.dragged < place() ? "below" : "above");
    });
    row.addEventListener("dragleave", () => marked(""));
    row.addEventListener("drop", (event) => {
      marked("");
      const id = Number(event.dataTransfer?.getData("text/x-class"));
      if (!id) return;
      event.preventDefault();
      event.stopPropagation();
      void this.classes.moveTo(id, one.id);
    });
    return row;
  }

  /**
   * Alt and an arrow move the class that has the focus.
   * @param {KeyboardEvent} event
   */
  moved(event) {
    const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const row = event.target instanceof Element ? event.target.closest(".class-row") : null;
    if (!way || !event.altKey || !(row instanceof HTMLElement)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (onlyReviewers(this.store.state)) return this.store.set({ hint: t("review.onlyThey") });
    const id = Number(row.dataset.id);
    void this.classes.move(id, /** @type {1 | -1} */ (way)).then(() => {
      const again = this.list.querySelector(`.class-row[data-id="${id}"] button.class`);
      if (again instanceof HTMLElement) again.focus();
    });
  }

  /** @param {Class} one */
  colour(one) {
    const input = h("input", { type: "color", value: one.colour, "aria-label": t("classes.colorOf", { name: one.name }) });
    enable(input, onlyReviewers(this.store.state), t("classes.color"));
    input.addEventListener("change", () => void this.classes.patch(one.id, { colour: input.value }));
    return input;
  }

  /** @param {Class} one */
  choice(one) {
    return h(
      "button",
      { type: "button", class: "class", role: "radio", "data-id": one.id, onclick: () => this.hand.choose(one.id) },
      h("span", { class: "ellipsis" }, one.name),
      one.key && h("kbd", {}, one.key.split("").join(" ")),
    );
  }

  /** @param {Class} one */
  editor(one) {
    const patch = (/** @type {Partial<Class>} */ part) => void this.classes.patch(one.id, part);
    const name = h("input", { type: "text", value: one.name, "aria-label": t("classes.nameOf", { name: one.name }), maxlength: 100 });
    name.addEventListener("change", () => {
      if (name.value.trim()) return patch({ name: name.value.trim() });
      name.value = one.name;
      this.store.set({ hint: t("classes.noName", { name: one.name }) });
    });
    const hint = t("classes.keyHint");
    const key = h("input", { type: "text", class: "class-key", value: one.key ?? "", "aria-label": t("classes.keyOf", { name: one.name }), title: hint, maxlength: 2, placeholder: "–" });
    key.addEventListener("change", () => patch({ key: key.value.trim().toLowerCase() }));
    const button = (/** @type {string} */ name, /** @type {string} */ title, /** @type {string} */ label, /** @type {() => void} */ onclick) =>
      h("button", { type: "button", class: "icon-button small", "aria-label": label, title, onclick }, icon(name));
    return [
      name,
      key,
      button("more", t("classes.more"), t("classes.moreOf", { name: one.name }), () => classDialog(one, this.classes)),
      button("trash", t("delete"), t("classes.deleteOf", { name: one.name }), () => void this.classes.drop(one)),
    ];
  }
}
