/**
 * @file Other views of the object in hand: what a click here would give, the mask after an earlier pass, the probability,
 * the mask at another threshold. Nothing here changes the object.
 */

/** @import { Grey } from "./png.js" */
/** @import { Rgb } from "./color.js" */
/** @import { Entry } from "../state/annotation.js" */
/** @import { Store } from "../state/store.js" */
import { t } from "../language.js";
import * as api from "../sync/api.js";
import { heatTable, pixel } from "./color.js";
import { debounced, uuid } from "../ui/dom.js";
import { Mask } from "./mask.js";
import { loops } from "./outline.js";
import { decodeGrey, fromBase64 } from "./png.js";

/** The pointer rests: what a click would give is asked for as exactly as the click would give it. */
const RESTS_MS = 140;
/** The button is held for so long: what the click will give is computed before it is let go. */
const HELD_MS = 12;
const PROB_SIDE = 1024;

export class Lens {
  /**
   * @param {Store} store
   * @param {() => void} changed called when there is something else to draw
   */
  constructor(store, changed) {
    this.store = store;
    this.changed = changed;
    /** @type {{mask: Mask, loops: Int32Array[]} | null} what a click here would give */
    this.preview = null;
    /** @type {{x: number, y: number, positive: boolean} | null} */
    this.wanted = null;
    /** @type {AbortController | null} of the exact preview */
    this.asked = null;
    /** @type {{x: number, y: number, positive: boolean} | null} where the exact preview that is shown was asked for */
    this.exact = null;
    this.ask = debounced(RESTS_MS, () => void this.askPreview(false));
    /** @type {{x: number, y: number, positive: boolean} | null} where the button went down */
    this.held = null;
    this.foretell = debounced(HELD_MS, () => void this.askAhead());
    /** A quick answer is under way: the next is asked for when it is here. */
    this.looking = false;
    /** The object that does not exist yet, for a preview before the first click. */
    this.nobody = uuid();
    /** @type {{key: string, mask: Mask} | null} the mask after the pass that is shown */
    this.passMask = null;
    /** @type {{key: string, mask: Mask} | null} the mask before the last action, where only the server knows it */
    this.earlier = null;
    /** @type {{key: string, grey: Grey} | null} */
    this.prob = null;
    /** @type {{key: string, canvas: HTMLCanvasElement} | null} */
    this.heat = null;
    /** @type {number | null} a threshold that is being tried */
    this.threshold = null;
    store.on(["pass", "hand", "entries", "heat", "before"], () => this.refresh());
    store.on(["hoverPreview", "hand", "armed", "tool"], () => this.cancel());
    /** @type {number | undefined} */
    let shown;
    store.on(["photo"], ({ photo }) => {
      // News of the same photo leave the pointer where it rests.
      if (photo?.id !== shown) this.cancel();
      shown = photo?.id;
    });
    store.on(["passes", "adaptive"], () => this.again());
  }

  /** What is previewed would be refined otherwise now. */
  again() {
    const { wanted } = this;
    this.cancel();
    if (wanted) this.over(wanted.x, wanted.y, wanted.positive);
  }

  /** The object that a click goes to; null: a new one. */
  get target() {
    return this.store.state.armed ? null : this.store.hand;
  }

  /**
   * Whether a click here gives a mask: where nothing is selected it selects what lies there, or says that there is nothing.
   * @param {number} x
   * @param {number} y
   * @param {boolean} positive
   */
  gives(x, y, positive) {
    return this.target !== null || (positive && (this.store.state.armed || !(this.store.at(x, y) ?? this.store.at(x, y, true))));
  }

  /**
   * A place to the hundredth of a pixel, as clicks are sent; null where a click gives no mask.
   * @param {number} x
   * @param {number} y
   * @param {boolean} positive
   */
  place(x, y, positive) {
    const { photo } = this.store.state;
    if (!photo || x < 0 || y < 0 || x >= photo.width - 0.5 || y >= photo.height - 0.5) return null;
    return this.gives(x, y, positive) ? { x: Math.round(x * 100) / 100, y: Math.round(y * 100) / 100, positive } : null;
  }

  /**
   * The pointer is at a point of the photo: a quick preview comes at once, the exact one when it rests.
   * @param {number} x
   * @param {number} y
   * @param {boolean} positive
   */
  over(x, y, positive) {
    const { hoverPreview, tool } = this.store.state;
    if (!hoverPreview || tool !== "click") return;
    const at = this.place(x, y, positive);
    const { wanted } = this;
    // A press of the button says once more where the pointer is.
    if (at && wanted && wanted.x === at.x && wanted.y === at.y && wanted.positive === positive) return;
    this.ask.cancel();
    this.asked?.abort();
    if (!at) return this.cancel();
    this.wanted = at;
    // What is shown stays until there is something newer: it would flicker.
    if (this.store.state.folder?.own?.quick) void this.look();
    else this.clear();
    this.ask();
  }

  /** Ask for quick previews, one after another, always for where the pointer is now. */
  async look() {
    if (this.looking) return;
    this.looking = true;
    try {
      // The browser tells of a moving pointer once a frame, and of one that clicks before it: such a click goes alone.
      await new Promise(requestAnimationFrame);
      for (let done = null; this.wanted && this.wanted !== done; ) {
        done = this.wanted;
        await this.askPreview(true);
      }
    } finally {
      this.looking = false;
    }
  }

  /** Whether the server was asked what a click gives where the pointer is. */
  get foretold() {
    return this.asked !== null && !this.asked.signal.aborted;
  }

  /**
   * The button went down, and most likely a click follows.
   * @param {number} x
   * @param {number} y
   * @param {boolean} positive
   */
  press(x, y, positive) {
    this.held = this.place(x, y, positive);
    if (this.held) this.foretell();
  }

  /** Have the server compute what the click will give. It keeps that for the click, and nothing is shown. */
  async askAhead() {
    const { held } = this;
    const { photo, waiting } = this.store.state;
    if (!held || !photo || waiting) return;
    try {
      await this.given(held, photo.id, false, new AbortController().signal);
    } catch {
      // The click asks again.
    }
  }

  /** The pointer has gone on, or clicked. */
  cancel() {
    this.ask.cancel();
    this.foretell.cancel();
    this.held = null;
    this.asked?.abort();
    this.asked = null;
    this.wanted = null;
    this.clear();
  }

  /** Nothing is shown any more. */
  clear() {
    if (!this.preview) return;
    this.preview = null;
    this.changed();
  }

  /**
   * What a click gives the object that it goes to, or a new one.
   * @param {{x: number, y: number, positive: boolean}} at
   * @param {number} photo
   * @param {boolean} quick from fewer pixels, at once
   * @param {AbortSignal} signal
   */
  given(at, photo, quick, signal) {
    const body = { ...at, ...this.store.refined, ...this.store.reach, photo_id: photo, quick };
    return api.preview(this.target?.thing.id ?? this.nobody, body, signal);
  }

  /** @param {boolean} quick from fewer pixels, at once */
  async askPreview(quick) {
    const { wanted } = this;
    const { photo, waiting } = this.store.state;
    if (!wanted || !photo || waiting) return;
    const asked = new AbortController();
    if (!quick) this.asked = asked;
    const hand = this.target;
    try {
      const change = await this.given(wanted, photo.id, quick, asked.signal);
      if (!change) return;
      const grey = change.patch && (await decodeGrey(fromBase64(change.patch.png)));
      // A quick one may come late, while the pointer goes on; never after the exact one of the same place.
      const late = quick ? this.exact === this.wanted : this.asked !== asked;
      if (!this.wanted || late || this.target !== hand || this.store.state.waiting) return;
      const mask = hand ? hand.mask.clone() : Mask.empty();
      if (change.patch && grey) mask.put(change.patch.box, grey);
      if (!quick) this.exact = wanted;
      this.preview = { mask, loops: loops(mask) };
      this.changed();
    } catch {
      // A preview that does not come is missed by nobody: the pointer has gone on, or the server is busy.
    }
  }

  /** Fetch what is to be shown and not here yet. */
  refresh() {
    const { pass, heat, before } = this.store.state;
    const entry = this.store.hand;
    if (!entry) return;
    if (before && !entry.before && this.earlier?.key !== probKey(entry)) void this.fetchBefore(entry);
    if (pass !== null && this.passMask?.key !== passKey(entry, pass)) void this.fetchPass(entry, pass);
    if (heat && this.prob?.key !== probKey(entry)) void this.fetchProb(entry);
  }

  /**
   * @param {Entry} entry
   * @param {number} pass
   */
  async fetchPass(entry, pass) {
    const key = passKey(entry, pass);
    try {
      const mask = await unpacked((await api.pass(entry.thing.id, pass)).patch);
      if (this.store.state.pass !== pass || key !== passKey(entry, pass)) return;
      this.passMask = { key, mask };
      this.changed();
    } catch {
      this.store.set({ pass: null, hint: t("pass.unknown") });
    }
  }

  /** @param {Entry} entry */
  async fetchBefore(entry) {
    const key = probKey(entry);
    try {
      this.earlier = { key, mask: await unpacked((await api.before(entry.thing.id)).patch) };
      this.changed();
    } catch {
      this.store.set({ before: false, hint: t("pass.noBefore") });
    }
  }

  /** @param {Entry} entry */
  async fetchProb(entry) {
    const key = probKey(entry);
    if (!entry.thing.box && !entry.thing.clicks.length) return;
    try {
      const grey = await api.grey(`/objects/${entry.thing.id}/prob?side=${PROB_SIDE}`);
      if (key !== probKey(entry)) return;
      this.prob = { key, grey };
      this.changed();
    } catch {
      this.store.set({ hint: t("pass.noProb") });
    }
  }

  /**
   * Show the mask at another threshold, as well as the small probability map tells; null: no longer.
   * @param {number | null} value
   */
  tryThreshold(value) {
    const entry = this.store.hand;
    if (value !== null && entry && this.prob?.key !== probKey(entry)) void this.fetchProb(entry);
    this.threshold = value;
    this.changed();
  }

  /**
   * The mask of the object in hand that is shown in place of its own, if one is.
   * @param {Entry} entry
   * @returns {Mask | null}
   */
  instead(entry) {
    const { pass, before } = this.store.state;
    if (before && entry.before) return entry.before;
    if (before && this.earlier?.key === probKey(entry)) return this.earlier.mask;
    if (pass !== null && this.passMask?.key === passKey(entry, pass)) return this.passMask.mask;
    return null;
  }

  /**
   * The probability map as a picture of the whole photo: as heat, or where it lies above the threshold that is tried. Null
   * if neither is wanted, or it is not here yet.
   * @param {Entry} entry
   * @param {Rgb} colour of the object
   */
  heatOf(entry, colour) {
    const { threshold } = this;
    if (threshold === null && !this.store.state.heat) return null;
    const prob = this.prob?.key === probKey(entry) ? this.prob : null;
    if (!prob) return null;
    const key = `${prob.key} ${threshold} ${colour}`;
    if (this.heat?.key !== key) {
      this.heat = { key, canvas: coloured(prob.grey, threshold === null ? heatTable() : above(threshold, colour)) };
    }
    return this.heat.canvas;
  }
}

/**
 * A whole mask as the server sends it.
 * @param {import("../types.js").Patch | null} patch
 */
export async function unpacked(patch) {
  return patch ? Mask.of(patch.box, await decodeGrey(fromBase64(patch.png))) : Mask.empty();
}

/**
 * Colours that show where the probability is above a threshold.
 * @param {number} threshold
 * @param {Rgb} colour
 */
function above(threshold, colour) {
  return new Uint32Array(256).fill(pixel(colour, 1), Math.floor(threshold * 255) + 1);
}

/**
 * @param {Grey} grey
 * @param {Uint32Array} table
 */
function coloured({ width, height, data }, table) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (context) {
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < pixels.length; i++) pixels[i] = table[data[i]];
    context.putImageData(image, 0, 0);
  }
  return canvas;
}

/**
 * @param {Entry} entry
 * @param {number} pass
 */
function passKey(entry, pass) {
  return `${entry.thing.id} ${entry.revision} ${pass}`;
}

/** @param {Entry} entry */
function probKey(entry) {
  return `${entry.thing.id} ${entry.thing.version}`;
}
