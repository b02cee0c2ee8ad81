/** @file What the first click can mean, whole or part, shown as small pictures. */

/** @import { Entry } from "../state/annotation.js" */
/** @import { Desk } from "../state/workspace.js" */
/** @import { Meanings } from "../tools/meanings.js" */
/** @import { Stage } from "../canvas/canvas.js" */
/** @import { Store } from "../state/store.js" */
import { counted, keyOf, t } from "../language.js";
import { drawThumb } from "../canvas/thumb.js";
import { areaOf } from "../tools/meanings.js";
import { byId, h } from "./dom.js";

const SIDE = 112;

export class Filmstrip {
  /**
   * @param {{store: Store, desk: Desk, meanings: Meanings, stage: Stage}} parts
   */
  constructor({ store, desk, meanings, stage }) {
    this.store = store;
    this.desk = desk;
    this.meanings = meanings;
    this.stage = stage;
    this.element = byId("filmstrip");
    store.on(["meanings", "hand", "keys"], () => this.show());
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
    return h("button", { type: "button", title: label, "aria-label": label, "aria-pressed": String(shown), onclick: () => this.meanings.choose(number) }, canvas);
  }
}
