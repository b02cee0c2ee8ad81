/** @file What the first click can mean, whole or part: asked for when it is saved, gone through by keys and the wheel. */

/** @import { Entry } from "../state/annotation.js" */
/** @import { Hand } from "./editor.js" */
/** @import { Mask } from "../canvas/mask.js" */
/** @import { Store } from "../state/store.js" */
import { t } from "../language.js";
import * as api from "../sync/api.js";
import { unpacked } from "../canvas/preview.js";

export class Meanings {
  /**
   * @param {{store: Store, hand: Hand}} parts
   */
  constructor({ store, hand }) {
    this.store = store;
    this.hand = hand;
    /** The object and its version that is asked about, until the answer is here. */
    this.asked = "";
    /** The same of which it is known. */
    this.answered = "";
    /** @type {{object: string, steps: number} | null} how far to go, once it is known what the first click of an object can mean */
    this.wish = null;
    store.on(["hand", "photo"], ({ hand: id, meanings }) => meanings && meanings.object !== id && store.set({ meanings: null }));
    store.on(["hand", "entries", "waiting"], () => void this.ask());
  }

  /** Ask what the first click of the object in hand can mean, unless that is known. */
  async ask() {
    const entry = this.store.hand;
    if (this.wish && this.wish.object !== entry?.thing.id) this.wish = null;
    if (!entry || this.isUnderWay(entry)) this.answered = "";
    if (!entry || this.store.state.waiting) return;
    const key = keyOf(entry);
    if (key === this.answered || key === this.asked) return;
    if (!hasMeanings(entry)) return this.know(entry, null);
    if (this.store.state.meanings) return this.follow(entry);
    this.asked = key;
    // Nobody waits for it in vain: the mask of the click is there.
    const masks = await masksOf(entry).catch(() => null);
    if (this.asked === key) this.asked = "";
    if (this.store.hand !== entry || keyOf(entry) !== key) return;
    if (!this.isUnderWay(entry)) this.know(entry, masks);
  }

  /**
   * It is known what the first click can mean: go as far as was asked for meanwhile.
   * @param {Entry} entry
   * @param {Mask[] | null} masks null: it has no other meaning
   */
  know(entry, masks) {
    const { wish } = this;
    this.wish = null;
    this.answered = keyOf(entry);
    const meanings = masks && masks.length > 1 ? { object: entry.thing.id, masks, shown: Math.max(0, shownOf(entry, masks)) } : null;
    this.store.set({ meanings });
    if (!wish) return;
    this.store.set({ hint: meanings ? "" : t(hasMeanings(entry) ? "edit.oneMeaning" : "edit.noFirst") });
    if (meanings) this.turn(wish.steps);
  }

  /**
   * Show the one that the object has now: another tab, or another person, may have chosen.
   * @param {Entry} entry
   */
  follow(entry) {
    const { meanings } = this.store.state;
    this.answered = keyOf(entry);
    if (!meanings || areaOf(meanings.masks[meanings.shown]) === entry.thing.area_px) return;
    const shown = shownOf(entry, meanings.masks);
    if (shown >= 0) this.store.set({ meanings: { ...meanings, shown } });
  }

  /**
   * Take another mask of those that the first click can mean.
   * @param {number} number
   */
  choose(number) {
    const { meanings } = this.store.state;
    const entry = this.store.hand;
    if (!entry || meanings?.object !== entry.thing.id || !meanings.masks[number] || number === meanings.shown) return;
    if (this.hand.refuses(entry)) return;
    this.hand.act({ kind: "choose", number }, entry, meanings);
    entry.before = entry.mask;
    entry.mask = meanings.masks[number].clone();
    entry.revision++;
    this.store.set({ meanings: { ...meanings, shown: number } });
    this.store.touch("entries");
  }

  /** @param {number} steps */
  turn(steps) {
    const { meanings } = this.store.state;
    const all = meanings?.masks.length ?? 1;
    this.choose(((((meanings?.shown ?? 0) + steps) % all) + all) % all);
  }

  /**
   * The next of what the first click can mean, whole and part.
   * @param {1 | -1} [way]
   */
  cycle(way = 1) {
    const { meanings, tool } = this.store.state;
    const entry = this.store.hand;
    if (tool !== "click" && tool !== "box" && tool !== "scribble") return this.store.set({ tool: "click" });
    if (meanings) return this.turn(way);
    this.store.set({ tool: "click" });
    if (!entry) return this.store.set({ hint: t("edit.afterFirst") });
    const alone = entry.marks.length === 1 && entry.marks[0].positive && !entry.prompts.length && !entry.strokes.length;
    if (alone && (this.isUnderWay(entry) || (hasMeanings(entry) && this.answered !== keyOf(entry)))) {
      this.wish = { object: entry.thing.id, steps: (this.wish?.steps ?? 0) + way };
      return this.store.set({ hint: t("edit.lookingForMeanings") });
    }
    this.store.set({ hint: t(alone && hasMeanings(entry) ? "edit.oneMeaning" : "edit.noFirst") });
  }

  /** @param {Entry} entry */
  isUnderWay(entry) {
    return this.hand.queue.lines.has(entry.thing.id);
  }
}

/**
 * The masks that a first click can mean.
 * @param {Entry} entry
 */
async function masksOf({ thing }) {
  const found = await api.candidates(thing.id);
  return await Promise.all((found?.items ?? []).map(({ patch }) => unpacked(patch)));
}

/**
 * An object as it is now.
 * @param {Entry} entry
 */
function keyOf({ thing }) {
  return `${thing.id} ${thing.version}`;
}

/**
 * Whether nothing but a first click made its mask, as it is saved.
 * @param {Entry} entry
 */
function hasMeanings({ thing: { clicks, area_px: area, undo_kind: kind } }) {
  return clicks.length === 1 && clicks[0].positive && area > 0 && (kind === "click" || kind === "choose");
}

/**
 * The number of the mask that an object has now; -1: it has none of them.
 * @param {Entry} entry
 * @param {Mask[]} masks
 */
function shownOf(entry, masks) {
  return masks.findIndex((mask) => areaOf(mask) === entry.thing.area_px);
}

/**
 * How many pixels a mask has.
 * @param {Mask} mask
 */
export function areaOf({ bits }) {
  let area = 0;
  for (let byte of bits) for (; byte; byte &= byte - 1) area++;
  return area;
}
