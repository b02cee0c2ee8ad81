/** @file The objects of the photo, top to bottom as they lie; what can be done to the one in hand. */

/** @import { Desk } from "../../state/workspace.js" */
/** @import { Entry } from "../../state/annotation.js" */
/** @import { Hand } from "../../tools/editor.js" */
/** @import { Stage } from "../../canvas/canvas.js" */
/** @import { Store } from "../../state/store.js" */
import { drawer } from "../header.js";
import { pixel } from "../../canvas/color.js";
import { paint } from "../../canvas/mask-render.js";
import { byId, count, debounced, h, icon } from "../dom.js";
import { nameOf } from "../../state/annotation.js";
import { Rows } from "../virtual-list.js";

const RULE = "The upper ones cover the lower ones, also in exports without overlaps.";
const THUMB = 72;

export class ObjectsPanel {
  /**
   * @param {{store: Store, desk: Desk, hand: Hand, stage: Stage}} parts
   */
  constructor({ store, desk, hand, stage }) {
    this.store = store;
    this.desk = desk;
    this.hand = hand;
    this.stage = stage;
    this.total = h("span", { class: "dim number", id: "object-count" });
    this.name = h("input", {
      type: "text",
      id: "object-name",
      "aria-label": "Name of the object in hand",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: 200,
      onchange: () => this.renamed(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.nameKey(event),
    });
    const list = h("div", { class: "rows", id: "object-list" });
    this.bar = h("div", { class: "object-bar" }, this.name, ...this.buttons());
    byId("objects").append(
      h("div", { class: "section-head" }, h("h2", {}, "Objects"), this.total),
      h("p", { class: "rule" }, RULE),
      list,
      this.bar,
    );
    /** @type {Rows<Entry>} */
    this.rows = new Rows(list, {
      label: "Objects, top to bottom",
      empty: "None yet.",
      key: (entry) => entry.thing.id,
      selected: (entry) => entry.thing.id === store.state.hand,
      render: (entry, old) => this.row(entry, old),
      open: (entry) => hand.take(entry),
      point: (entry) => store.set({ hover: entry?.thing.id ?? null }),
    });
    // Small pictures are drawn when the hands rest.
    this.drawThumbs = debounced(150, () => this.thumbs());
    store.on(["entries", "hand", "classes", "photo"], () => this.show());
    list.addEventListener("dblclick", () => this.rename());
    store.on(["hand"], () => this.rows.reveal());
    store.on(["loading", "paint"], () => this.drawThumbs());
  }

  buttons() {
    const { store, hand } = this;
    const act = (/** @type {(entry: Entry) => void} */ action) => () => store.hand && action(store.hand);
    const button = (/** @type {string} */ name, /** @type {string} */ label, /** @type {() => void} */ onclick) =>
      h("button", { type: "button", class: "icon-button", title: label, "aria-label": label, onclick }, icon(name));
    this.eye = button("eye", "Hide this object", act((entry) => this.toggle(entry)));
    this.eye.id = "object-eye";
    return [
      button("up", "Move up in the stack (PageUp)", () => hand.lift(1)),
      button("down", "Move down in the stack (PageDown)", () => hand.lift(-1)),
      this.eye,
      button("trash", "Delete (Delete)", () => hand.removeInHand()),
    ];
  }

  show() {
    // Of which every click was undone, there is nothing to show; redo brings it back.
    const items = this.store.stack.filter((entry) => !(entry.isNothing && entry === this.store.hand)).reverse();
    this.total.textContent = items.length ? count(items.length) : "";
    this.rows.show(items);
    const entry = this.store.hand;
    for (const control of this.bar.querySelectorAll("button, input")) {
      /** @type {HTMLButtonElement} */ (control).disabled = !entry;
    }
    if (document.activeElement !== this.name) this.name.value = entry?.thing.name ?? "";
    this.name.placeholder = entry ? nameOf(entry, this.store) : "Nothing in hand";
    this.eye?.setAttribute("aria-pressed", String(entry?.hidden ?? false));
    this.drawThumbs();
  }

  /** @param {Entry} entry */
  toggle(entry) {
    entry.hidden = !entry.hidden;
    this.store.touch("entries");
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
    if (!this.store.hand) return;
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
    const state = inHand ? "in hand" : thing.state === "open" ? "open" : "";
    const news = [thing.name, own?.name, own?.colour, thing.area_px, thing.person, state, entry.hidden].join();
    if (old?.dataset.news === news) return old;
    const what = [thing.name ? own?.name : "", `${count(thing.area_px)} px`, thing.person, state].filter(Boolean).join(" · ");
    const swatch = h("span", { class: "swatch" });
    swatch.style.background = own?.colour ?? "";
    const row = h(
      "div",
      { "data-news": news, class: entry.hidden ? "hidden-row" : "" },
      old?.querySelector("canvas") ?? h("canvas", { class: "thumb", width: THUMB, height: THUMB }),
      h("span", { class: "text" }, h("span", { class: "ellipsis" }, nameOf(entry, this.store)), h("small", {}, what)),
      entry.hidden && icon("hidden"),
      swatch,
    );
    old?.remove();
    return row;
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
      if (entry.thing.box) this.thumb(entry, canvas, picture.base);
      else canvas.getContext("2d")?.clearRect(0, 0, THUMB, THUMB);
    }
  }

  /**
   * @param {Entry} entry
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLImageElement} image
   */
  thumb(entry, canvas, image) {
    const [x0, y0, x1, y1] = /** @type {import("../../types.js").Box} */ (entry.thing.box);
    const side = Math.max(8, x1 - x0, y1 - y0) * 1.15;
    const left = (x0 + x1 - side) / 2;
    const top = (y0 + y1 - side) / 2;
    const [perX, perY] = [image.naturalWidth / entry.photo.width, image.naturalHeight / entry.photo.height];
    const context = canvas.getContext("2d");
    if (!context) return;
    const window = { x0: left, y0: top, k: THUMB / side, width: THUMB, height: THUMB };
    const tint = context.createImageData(THUMB, THUMB);
    const colour = this.stage.colourOf(entry);
    paint(new Uint32Array(tint.data.buffer), window, [{ mask: entry.mask, fill: pixel(colour, 0.45), line: pixel(colour, 1) }]);
    const cover = document.createElement("canvas");
    cover.width = cover.height = THUMB;
    cover.getContext("2d")?.putImageData(tint, 0, 0);
    context.clearRect(0, 0, THUMB, THUMB);
    context.imageSmoothingQuality = "medium";
    context.drawImage(image, left * perX, top * perY, side * perX, side * perY, 0, 0, THUMB, THUMB);
    context.drawImage(cover, 0, 0);
  }
}
