/** @file What the first click can mean, whole or part: asked for when it is saved, shown as small pictures. */

/** @import { Entry } from "../state/annotation.js" */
/** @import { Desk } from "../state/workspace.js" */
/** @import { Hand } from "../tools/editor.js" */
/** @import { Stage } from "../canvas/canvas.js" */
/** @import { Store } from "../state/store.js" */
import { counted, keyOf, t } from "../language.js";
import * as api from "../sync/api.js";
import { drawThumb } from "../canvas/thumb.js";
import { unpacked } from "../canvas/preview.js";
import { byId, h } from "./dom.js";

const SIDE = 112;

export class Filmstrip {
  /**
   * @param {{store: Store, desk: Desk, hand: Hand, stage: Stage}} parts
   */
  constructor({ store, desk, hand, stage }) {
    this.store = store;
    this.desk = desk;
    this.hand = hand;
    this.stage = stage;
    this.element = byId("filmstrip");
    /** The click that was asked about last. */
    this.asked = "";
    store.on(["hand", "entries", "waiting"], () => void this.ask());
    store.on(["hand", "photo"], ({ hand: id, meanings }) => meanings && meanings.object !== id && store.set({ meanings: null }));
    store.on(["meanings", "hand", "keys"], () => this.show());
  }

  async ask() {
    const entry = this.store.hand;
    const { waiting, meanings } = this.store.state;
    if (meanings && entry && entry.marks.length !== 1) this.store.set({ meanings: null });
    if (!entry || waiting || meanings) return;
    const { id, version, clicks, undo_kind: kind } = entry.thing;
    const key = `${id} ${version}`;
    const first = clicks.length === 1 && clicks[0].positive && entry.thing.area_px > 0;
    if (!first || (kind !== "click" && kind !== "choose") || key === this.asked) return;
    this.asked = key;
    try {
      const found = await api.candidates(id);
      const masks = await Promise.all((found?.items ?? []).map((/** @type {{patch: import("../types.js").Patch | null}} */ item) => unpacked(item.patch)));
      if (this.store.hand !== entry || this.store.state.waiting || entry.thing.version !== version || masks.length < 2) return;
      const shown = Math.max(0, masks.findIndex((mask) => areaOf(mask) === entry.thing.area_px));
      this.store.set({ meanings: { object: id, masks, shown } });
    } catch {
      // Nobody waits for it: the mask of the click is there.
    }
  }

  show() {
    const { meanings, hand } = this.store.state;
    const entry = this.store.hand;
    this.element.hidden = !meanings || meanings.object !== hand || !entry;
    if (!meanings || !entry || this.element.hidden) return this.element.replaceChildren();
    const buttons = meanings.masks.map((mask, number) => this.button(entry, mask, number, number === meanings.shown));
    this.element.replaceChildren(...buttons, h("kbd", { title: t("filmstrip.next") }, keyOf("whole")));
  }

  /**
   * @param {Entry} entry
   * @param {import("../canvas/mask.js").Mask} mask
   * @param {number} number
   * @param {boolean} shown
   */
  button(entry, mask, number, shown) {
    const canvas = h("canvas", { width: SIDE, height: SIDE });
    const { masks } = this.store.state.meanings ?? { masks: [] };
    const union = masks.map((one) => [one.x0, one.y0, one.x1, one.y1]);
    const box = /** @type {import("../types.js").Box} */ ([0, 1, 2, 3].map((i) => Math[i < 2 ? "min" : "max"](...union.map((one) => one[i]))));
    const { picture } = this.desk;
    if (picture?.isReady) drawThumb(canvas, picture.base, { photo: entry.photo, box, mask, colour: this.stage.colourOf(entry) });
    const label = t("filmstrip.meaning", { number: number + 1, all: masks.length, pixels: counted("pixel", areaOf(mask)) });
    return h("button", { type: "button", title: label, "aria-label": label, "aria-pressed": String(shown), onclick: () => this.hand.mean(number) }, canvas);
  }
}

/**
 * How many pixels a mask has.
 * @param {import("../canvas/mask.js").Mask} mask
 */
function areaOf({ bits }) {
  let area = 0;
  for (let byte of bits) for (; byte; byte &= byte - 1) area++;
  return area;
}
