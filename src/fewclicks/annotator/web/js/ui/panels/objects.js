/** @file The objects of the photo, top to bottom as they lie; what can be done to the one in hand. */

/** @import { Copying } from "../../tools/copying.js" */
/** @import { Desk } from "../../state/workspace.js" */
/** @import { Entry } from "../../state/annotation.js" */
/** @import { Hand } from "../../tools/editor.js" */
/** @import { Many } from "../../tools/many.js" */
/** @import { Stage } from "../../canvas/canvas.js" */
/** @import { Key } from "../../language.js" */
/** @import { Store } from "../../state/store.js" */
import { count, counted, decimal, t } from "../../language.js";
import { drawer } from "../header.js";
import { drawThumb } from "../../canvas/thumb.js";
import { byId, debounced, enable, h, icon } from "../dom.js";
import { nameOf } from "../../state/annotation.js";
import { closed, noneInHand } from "../../state/rights.js";
import { DragOrder } from "../drag-order.js";
import { Rows } from "../virtual-list.js";
import { objectFilter } from "./object-filter.js";

const THUMB = 72;
/** @type {(keyof import("../../state/store.js").State)[]} what the list, and what is around it, shows */
const LISTED = [
  "entries", "hand", "classes", "photo", "photos", "selected", "instances", "byDoubt", "doubts", "keys", "onlyClass", "loading", "carrying", "role",
];
const MANY = { class: "object-bar many", id: "object-many", role: "group", "aria-label": t("objects.many") };

export class ObjectsPanel {
  /**
   * @param {{store: Store, desk: Desk, hand: Hand, stage: Stage, many: Many, copying: Copying}} parts
   */
  constructor({ store, desk, hand, stage, many, copying }) {
    this.many = many;
    this.copying = copying;
    this.store = store;
    this.desk = desk;
    this.hand = hand;
    this.stage = stage;
    this.total = h("span", { class: "dim number", id: "object-count" });
    this.name = this.nameField();
    const list = h("div", { class: "rows", id: "object-list" });
    this.bar = h("div", { class: "object-bar" }, this.name, ...this.buttons());
    /** @type {[HTMLButtonElement, number, Key][]} each with how many objects it needs, and what it says */
    this.manyButtons = this.bulk();
    this.carriers = this.carrying();
    this.manyBar = h("div", MANY, ...this.manyButtons.map(([one]) => one).toSpliced(-1, 0, ...this.carriers));
    byId("objects").append(...this.head(), list, this.bar, this.manyBar);
    /** @type {Rows<Entry>} */
    this.rows = new Rows(list, {
      label: t("objects.label"),
      empty: t("objects.none"),
      key: (entry) => entry.thing.id,
      selected: (entry) => entry.thing.id === store.state.hand,
      render: (entry, old) => this.row(entry, old),
      marked: (entry) => store.state.selected.has(entry.thing.id),
      open: (entry, event) => this.open(entry, event),
      point: (entry) => store.set({ hover: entry?.thing.id ?? null }),
    });
    this.draggable();
    // Small pictures are drawn when the hands rest.
    this.drawThumbs = debounced(150, () => this.thumbs());
    store.on(LISTED, () => this.show());
    store.on(["hover"], () => this.light());
    list.addEventListener("dblclick", () => this.rename());
    byId("objects").addEventListener("keydown", (event) => this.escaped(event));
    store.on(["hand"], () => this.rows.reveal());
    store.on(["loading", "paint"], () => this.drawThumbs());
  }

  /** What stands above the list. */
  head() {
    const { list, line } = objectFilter(this.store);
    return [h("div", { class: "section-head", title: t("objects.rule") }, h("h2", {}, t("objects.title")), this.total, list, this.order()), line];
  }

  /**
   * Esc in the list shows all objects again.
   * @param {KeyboardEvent} event
   */
  escaped(event) {
    if (event.key !== "Escape" || !this.store.state.onlyClass || event.target === this.name) return;
    event.preventDefault();
    this.store.set({ onlyClass: 0 });
  }

  /** Rows are dragged to another place of the stack. */
  draggable() {
    const { store, many } = this;
    return new DragOrder(this.rows, {
      why: () => (store.state.byDoubt ? t("objects.orderedByDoubt") : store.state.onlyClass ? t("objects.onlySome") : closed(store.state) && t("edit.accepted")),
      move: (entry, to) => many.restack(entry, to),
      refused: (hint) => store.set({ hint }),
    });
  }

  /** Orders the list: as the objects lie, or by what one more pass would change. */
  order() {
    const { store } = this;
    const button = h("button", { type: "button", class: "button small", id: "by-doubt", onclick: () => store.set({ byDoubt: !store.state.byDoubt }) }, t("objects.byDoubt"));
    store.on(["keys"], () => (button.title = t("objects.byDoubtTitle")));
    store.on(["byDoubt"], ({ byDoubt }) => button.setAttribute("aria-pressed", String(byDoubt)));
    return button;
  }

  /**
   * The objects as the list shows them.
   * @param {Entry[]} items
   */
  ordered(items) {
    const { byDoubt, doubts } = this.store.state;
    if (!byDoubt) return items;
    const share = (/** @type {Entry} */ { thing }) => doubts.get(thing.id)?.share ?? -1;
    return items.sort((a, b) => share(b) - share(a));
  }

  /** Where the name of the object in hand is typed. */
  nameField() {
    return h("input", {
      type: "text",
      id: "object-name",
      "aria-label": t("objects.nameLabel"),
      autocomplete: "off",
      spellcheck: "false",
      maxlength: 200,
      onchange: () => this.renamed(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.nameKey(event),
    });
  }

  buttons() {
    const { many } = this;
    const button = (/** @type {string} */ name, /** @type {Key} */ label, /** @type {() => void} */ onclick) =>
      h("button", { type: "button", class: "icon-button", "aria-label": t(label), onclick }, icon(name));
    this.up = button("up", "objects.up", () => many.lift(1));
    this.down = button("down", "objects.down", () => many.lift(-1));
    return [this.up, this.down];
  }

  /** Take objects over to the next photo, or have them run ahead; the second stops them too. */
  carrying() {
    const { copying } = this;
    const button = (/** @type {string} */ id, /** @type {string} */ name, /** @type {Key} */ label, /** @type {() => void} */ onclick) =>
      h("button", { type: "button", class: "button small", id, "aria-label": t(label), onclick }, icon(name));
    return [
      button("many-carry", "carry", "objects.carry", () => void copying.carry()),
      button("many-carry-on", "carry-on", "objects.carryOn", () => void (copying.stop() || copying.carry(true))),
    ];
  }

  /** @returns {[HTMLButtonElement, number, Key][]} */
  bulk() {
    const { many } = this;
    const deed = (/** @type {string} */ id, /** @type {string | Element} */ word, /** @type {Key} */ label, /** @type {() => void} */ onclick, least = 1) =>
      /** @type {[HTMLButtonElement, number, Key]} */ ([h("button", { type: "button", class: "button small", id, "aria-label": t(label), onclick }, word), least, label]);
    return [
      deed("many-merge", t("objects.merge"), "objects.mergeTitle", () => many.merge(), 2),
      deed("many-split", t("objects.split"), "objects.splitTitle", () => many.split()),
      deed("many-largest", t("objects.largest"), "objects.largestTitle", () => many.keepLargest()),
      deed("many-fill", t("objects.fill"), "objects.fillTitle", () => many.fillHoles()),
      deed("many-delete", icon("trash"), "objects.deleteTitle", () => many.remove()),
    ];
  }

  /**
   * A row was clicked, or Enter or Space pressed on it.
   * @param {Entry} entry
   * @param {Event} event
   */
  open(entry, event) {
    const { ctrlKey, metaKey, shiftKey } = /** @type {MouseEvent | KeyboardEvent} */ (event);
    if (ctrlKey || metaKey) this.many.toggle(entry);
    else if (shiftKey) this.many.extend(entry, this.rows.items);
    else {
      this.hand.deselect();
      this.hand.take(entry);
    }
  }

  /** Light up the row of the object under the pointer. */
  light() {
    const { hover } = this.store.state;
    for (const [id, row] of this.rows.shown) row.classList.toggle("hovered", id === hover);
  }

  show() {
    // Of which every click was undone, there is nothing to show; redo brings it back.
    const there = (/** @type {Entry} */ entry) => !(entry.isNothing && entry === this.store.hand);
    const items = this.store.listed.filter(there).reverse();
    const all = this.store.stack.filter(there).length;
    this.total.textContent = all ? count(all) : "";
    this.rows.nothing.textContent = t(all ? "objects.noneOfClass" : "objects.none");
    this.rows.show(this.ordered(items));
    const entry = this.store.hand;
    const { stack, state: { selected } } = this.store;
    const place = entry ? stack.indexOf(entry) : -1;
    const shut = closed(this.store.state);
    const none = !entry ? noneInHand(this.store.state) : shut ?? (entry.thing.locked ? t("isLocked") : null);
    enable(this.name, none, t("objects.nameTitle"));
    const still = entry ? shut : none;
    if (this.up) enable(this.up, still ?? (place === stack.length - 1 ? t("objects.top") : null), t("objects.up"));
    if (this.down) enable(this.down, still ?? (place === 0 ? t("objects.bottom") : null), t("objects.down"));
    for (const [button, least, label] of this.manyButtons) enable(button, this.many.why(least), t(label));
    const { carrying } = this.store.state;
    const [carry, on] = this.carriers;
    enable(carry, this.copying.why(), t("objects.carry"));
    enable(on, carrying && !this.copying.stops ? null : this.copying.why(), t(carrying ? "objects.stopRun" : "objects.carryOn"));
    on.setAttribute("aria-pressed", String(carrying));
    if (document.activeElement !== this.name) this.name.value = entry?.thing.name ?? "";
    this.name.placeholder = entry ? nameOf(entry, this.store) : selected.size ? t("many.selected", { objects: counted("object", selected.size) }) : t("objects.nothing");
    this.drawThumbs();
  }

  /**
   * The eye or the lock of a row.
   * @param {Entry} entry
   * @param {"hidden" | "locked"} what
   * @param {[string, string]} icons
   * @param {[Key, Key]} labels
   */
  flag(entry, what, icons, labels) {
    const is = Number(entry.thing[what]);
    const title = t(labels[is], { name: nameOf(entry, this.store) });
    const look = { type: "button", class: `icon-button small ${what}`, tabindex: -1, title, "aria-label": title, "aria-pressed": String(is === 1) };
    const button = h("button", { ...look, onclick: () => this.many.flip(what, [entry]) }, icon(icons[is]));
    enable(button, closed(this.store.state), title);
    return button;
  }

  /** @param {Entry} entry */
  bin(entry) {
    const title = t("objects.delete", { name: nameOf(entry, this.store) });
    const look = { type: "button", class: "icon-button small bin", tabindex: -1, "aria-label": title };
    const button = h("button", { ...look, onclick: () => this.hand.remove(entry, true) }, icon("trash"));
    enable(button, closed(this.store.state) ?? (entry.thing.locked ? t("isLocked") : null), title);
    return button;
  }

  renamed() {
    const entry = this.store.hand;
    if (entry) this.hand.rename(entry, this.name.value.trim());
  }

  /** @param {KeyboardEvent} event */
  nameKey(event) {
    if (event.key === "Escape") this.name.value = this.store.hand?.thing.name ?? "";
    if (event.key !== "Enter" && event.key !== "Escape") return;
    this.stage.element.focus();
    if (document.body.dataset.drawer === "right") drawer("right");
  }

  /** Let the user type a name for the object in hand. */
  rename() {
    if (!this.store.hand || this.hand.refuses(this.store.hand)) return;
    if (document.body.dataset.drawer !== "right") drawer("right");
    this.name.focus();
    this.name.select();
  }

  /**
   * @param {Entry} entry
   * @param {HTMLElement | null} old
   */
  row(entry, old) {
    const { thing } = entry;
    const own = this.store.state.classes.find((one) => one.id === thing.class_id);
    const inHand = thing.id === this.store.state.hand;
    const state = inHand ? t("objects.selected") : thing.proposal ? "" : thing.state === "open" ? t("objects.open") : "";
    const proposed = thing.proposal ? "proposal" : "";
    const colour = `rgb(${this.stage.colourOf(entry).join(" ")})`;
    const doubt = this.store.state.byDoubt ? this.store.state.doubts.get(thing.id) : undefined;
    const doubted = doubt ? `± ${decimal(100 * doubt.share, 1)} %` : "";
    const news = [nameOf(entry, this.store), own?.name, colour, thing.area_px, thing.person, state, entry.hidden, thing.locked, doubted, proposed, closed(this.store.state)].join();
    if (old?.dataset.news === news) return old;
    const what = [proposed && t("objects.proposal"), doubted, state, thing.name ? own?.name : "", `${count(thing.area_px)} px`, thing.person].filter(Boolean).join(" · ");
    const swatch = h("span", { class: "swatch" });
    swatch.style.background = colour;
    const row = h(
      "div",
      { "data-news": news, class: `${entry.hidden ? "hidden-row" : ""} ${proposed}` },
      old?.querySelector("canvas") ?? h("canvas", { class: "thumb", width: THUMB, height: THUMB }),
      h("span", { class: "text", title: nameOf(entry, this.store) }, this.named(entry, own?.name || t("object")), h("small", {}, what)),
      swatch,
      this.flag(entry, "hidden", ["eye", "hidden"], ["objects.hide", "objects.show"]),
      this.flag(entry, "locked", ["unlock", "lock"], ["objects.lock", "objects.unlock"]),
      this.bin(entry),
    );
    old?.remove();
    return row;
  }

  /**
   * Its name; however long that of the class is, the number is seen.
   * @param {Entry} entry
   * @param {string} label
   */
  named(entry, label) {
    const place = entry.thing.name ? 0 : this.store.placeOf(entry);
    const name = h("span", { class: "ellipsis" }, entry.thing.name || label);
    return place ? h("span", { class: "numbered" }, name, ` ${place}`) : name;
  }

  /** Draw the small pictures of the rows in view, as far as they have changed. */
  thumbs() {
    const picture = this.desk.picture;
    if (!picture?.isReady) return;
    for (const [id, row] of this.rows.shown) {
      const entry = this.store.state.entries.get(String(id));
      const canvas = row.querySelector("canvas");
      const key = entry && `${entry.revision} ${this.stage.colourOf(entry)}`;
      if (!entry || !canvas || canvas.dataset.key === key) continue;
      canvas.dataset.key = key;
      const { box } = entry.thing;
      if (box) drawThumb(canvas, picture.base, { photo: entry.photo, box, mask: entry.mask, colour: this.stage.colourOf(entry) });
      else canvas.getContext("2d")?.clearRect(0, 0, THUMB, THUMB);
    }
  }
}
