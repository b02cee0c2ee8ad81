/** @file What the page shows, in one place; who shows a part of it subscribes to its names. */

/** @import { Class, Comment, Folder, Photo, Role, Thing, Tiles, Tool } from "../types.js" */
/** @import { Entry } from "./annotation.js" */
/** @import { Mask } from "../canvas/mask.js" */
import { keep, recallValues } from "./memory.js";

/**
 * @typedef {object} State
 * @property {Folder | null} folder
 * @property {Class[]} classes
 * @property {Photo[]} photos
 * @property {Photo | null} photo the one that is open
 * @property {Tiles | null} tiles
 * @property {Map<string, Entry>} entries the objects of the photo
 * @property {string | null} hand id of the object that is worked on
 * @property {string | null} hover id of the object that is pointed at, in the list or on the photo
 * @property {ReadonlySet<string>} selected ids of the objects that are chosen for what is done to many
 * @property {number} classId the class of new objects
 * @property {Tool} tool
 * @property {boolean} swapped left click means background
 * @property {boolean} armed the next click begins a new object, whatever lies under it
 * @property {boolean} hoverPreview
 * @property {"auto" | "always" | "never"} local whether corrections change the part that they touch only
 * @property {boolean} instances each object has a colour of its own
 * @property {number} onlyClass the list of objects shows those of this class; 0: all
 * @property {boolean} byDoubt the list is ordered by what one more pass would change
 * @property {ReadonlyMap<string, import("../tools/doubts.js").Doubt>} doubts object id -> what one more pass would change
 * @property {Meanings | null} meanings what the first click of the object in hand can mean
 * @property {number} brushPx radius
 * @property {number} holesPx
 * @property {number} specksPx
 * @property {number} passes after a click; AS_MODEL: as the model does by itself
 * @property {boolean} adaptive
 * @property {number} opacity 0..1
 * @property {boolean} outlineOnly
 * @property {boolean} heat
 * @property {boolean} hidden masks are hidden
 * @property {boolean} before the mask before the last change is shown
 * @property {number | null} pass the pass of the last click that is shown
 * @property {"auto" | "class" | "contrast"} paint
 * @property {"auto" | "zoom" | "pan"} wheel
 * @property {"auto" | "light" | "dark"} theme
 * @property {string} person the name that the user says, where no token gives one
 * @property {string} signedIn the name that a token or a password gives
 * @property {Role} role what the user may do
 * @property {Comment[]} comments on the photo
 * @property {number} deeds what was done in this tab and can be taken back
 * @property {number} waiting actions that are not yet saved
 * @property {boolean} reached the server answers
 * @property {boolean} busy the model works since 150 ms
 * @property {boolean} loading a photo is being opened
 * @property {boolean} carrying objects are being taken over to the next photo, or run ahead
 * @property {number | null} lastMs of the last action
 * @property {number} keys nothing: said to have changed when a shortcut has another key
 * @property {string} hint what a click would do, or what went wrong
 */

/** @typedef {{object: string, masks: Mask[], shown: number}} Meanings */

/** No number of passes is asked for. */
export const AS_MODEL = -1;

/** What is kept in the browser from visit to visit. */
const KEPT = /** @type {const} */ ([
  "classId",
  "hoverPreview",
  "local",
  "instances",
  "brushPx",
  "holesPx",
  "specksPx",
  "passes",
  "adaptive",
  "opacity",
  "outlineOnly",
  "paint",
  "wheel",
  "theme",
  "person",
]);
/** Under it the browser keeps them, for all of its tabs. */
export const KEY = "fewclicks.settings";

/** @returns {State} */
function fresh() {
  return {
    folder: null,
    classes: [],
    photos: [],
    photo: null,
    tiles: null,
    entries: new Map(),
    hand: null,
    hover: null,
    selected: new Set(),
    classId: 0,
    tool: "click",
    swapped: false,
    armed: false,
    hoverPreview: false,
    local: "auto",
    instances: true,
    onlyClass: 0, byDoubt: false, doubts: new Map(),
    meanings: null,
    brushPx: 8,
    holesPx: 64, specksPx: 64,
    passes: AS_MODEL,
    adaptive: false,
    opacity: 0.45,
    outlineOnly: false,
    heat: false,
    hidden: false,
    before: false,
    pass: null,
    paint: "auto",
    wheel: "auto",
    theme: "auto",
    person: "", signedIn: "",
    role: "admin",
    comments: [],
    deeds: 0, waiting: 0, reached: true, busy: false, loading: false, carrying: false,
    lastMs: null,
    keys: 0,
    hint: "",
  };
}

export class Store {
  constructor() {
    const settings = kept();
    /** Nothing was chosen here before: what the server was started with counts. */
    this.isNew = settings.passes === undefined;
    /** Whether the user, or an earlier visit, has said whether there are previews. */
    this.chosePreview = settings.passes !== undefined && settings.hoverPreview !== undefined;
    /** @type {Readonly<State>} */
    this.state = { ...fresh(), ...settings };
    /** @type {{names: Set<keyof State>, listener: (state: Readonly<State>) => void}[]} */
    this.listeners = [];
    /** @type {Set<keyof State>} */
    this.changed = new Set();
    /** @type {{things: readonly Thing[], stack: readonly Entry[]}} the stack as it was sorted last, and of what */
    this.sorted = { things: [], stack: [] };
    /** @type {{stack: readonly Entry[], places: Map<string, number>}} */
    this.numbered = { stack: [], places: new Map() };
    /** @type {(() => void)[]} what the user did while the photo was being opened */
    this.held = [];
    this.on(["loading"], ({ loading }) => !loading && this.held.splice(0).forEach((act) => act()));
  }

  /**
   * Do what needs the objects of the photo: now, or when they are here, unless another photo is opened before.
   * @param {() => void} act
   */
  onceOpen(act) {
    const { photo, loading } = this.state;
    if (loading) this.held.push(() => this.state.photo?.id === photo?.id && act());
    else act();
  }

  /**
   * Change a part. Listeners hear of it once, after the present task.
   * @param {Partial<State>} part
   */
  set(part) {
    const names = /** @type {(keyof State)[]} */ (Object.keys(part)).filter((name) => part[name] !== this.state[name]);
    if (!names.length) return;
    this.state = { ...this.state, ...part };
    if (!this.changed.size) queueMicrotask(() => this.tell());
    for (const name of names) this.changed.add(name);
    if (names.some((name) => /** @type {readonly string[]} */ (KEPT).includes(name))) this.keep();
  }

  /**
   * Say that something inside of a part has changed.
   * @param {...keyof State} names
   */
  touch(...names) {
    if (!this.changed.size) queueMicrotask(() => this.tell());
    for (const name of names) this.changed.add(name);
  }

  /**
   * Call `listener` now, and whenever one of `names` has changed.
   * @param {(keyof State)[]} names
   * @param {(state: Readonly<State>) => void} listener
   */
  on(names, listener) {
    this.listeners.push({ names: new Set(names), listener });
    listener(this.state);
  }

  tell() {
    const changed = this.changed;
    this.changed = new Set();
    for (const { names, listener } of this.listeners) {
      for (const name of changed) {
        if (!names.has(name)) continue;
        listener(this.state);
        break;
      }
    }
  }

  keep() {
    keep(KEY, JSON.stringify(Object.fromEntries(KEPT.map((name) => [name, this.state[name]]))));
  }

  /** Previews that come at once are on until the user has said otherwise. */
  previewByItself() {
    if (this.chosePreview) return;
    this.chosePreview = true;
    this.set({ hoverPreview: true });
  }

  /** How a prompt is refined, as the API takes it. */
  get refined() {
    const { passes, adaptive } = this.state;
    return passes === AS_MODEL ? { cfr: null, adaptive: false } : { cfr: passes, adaptive };
  }

  /** How far a click or a stroke reaches, as the API takes it: whether a correction stays local. */
  get reach() {
    const { local } = this.state;
    return local === "auto" ? {} : { local: local === "always" };
  }

  /** Whether there is no photo in the folder: not while the list of them is still being read. */
  get isEmpty() {
    const { folder, photos } = this.state;
    return folder !== null && !photos.length && !Object.values(folder.counts).some(Boolean);
  }

  /** The object that is worked on. */
  get hand() {
    return this.state.hand === null ? null : (this.state.entries.get(this.state.hand) ?? null);
  }

  /**
   * The number of an object among those of its class, from 1, in the order they were made; 0 where it is the only one.
   * @param {Entry} entry
   */
  placeOf(entry) {
    return this.places.get(entry.thing.id) ?? 0;
  }

  /** Object id -> its number among those of its class; without those that are alone. */
  get places() {
    const { stack } = this;
    if (this.numbered.stack === stack) return this.numbered.places;
    /** @type {Map<number, Entry[]>} */
    const classes = new Map();
    // Numbers do not change as objects move up and down in the stack: they go by the order of the map, which is that of z at first.
    for (const entry of this.state.entries.values()) {
      if (!entry.thing.deleted) classes.set(entry.thing.class_id, [...(classes.get(entry.thing.class_id) ?? []), entry]);
    }
    const several = [...classes.values()].filter((entries) => entries.length > 1);
    const places = new Map(several.flatMap((entries) => entries.map((entry, i) => /** @type {[string, number]} */ ([entry.thing.id, i + 1]))));
    this.numbered = { stack, places };
    return places;
  }

  /** The objects that are not deleted, bottom to top: the same list until one of them changes, as each move of the pointer asks for it. */
  get stack() {
    const { things, stack } = this.sorted;
    const all = [...this.state.entries.values()];
    if (all.length === things.length && all.every(({ thing }, i) => thing === things[i])) return stack;
    const shown = all.filter((entry) => !entry.thing.deleted);
    shown.sort((a, b) => a.thing.z - b.thing.z || (a.thing.id < b.thing.id ? -1 : 1));
    this.sorted = { things: all.map(({ thing }) => thing), stack: shown };
    return this.sorted.stack;
  }

  /** Those that the list shows, bottom to top: of one class only, where that was chosen, and what is in hand. */
  get listed() {
    const { onlyClass, hand } = this.state;
    return onlyClass ? this.stack.filter(({ thing }) => thing.class_id === onlyClass || thing.id === hand) : this.stack;
  }

  /**
   * The topmost object at a point of the photo, of those that are seen and not locked, or of those that are locked.
   * @param {number} x
   * @param {number} y
   * @param {boolean} [locked]
   */
  at(x, y, locked = false) {
    const [column, row] = [Math.round(x), Math.round(y)];
    return this.stack.findLast((entry) => !entry.hidden && entry.thing.locked === locked && entry.shown.has(column, row)) ?? null;
  }
}

/**
 * The settings of the last visit, as far as they have the right types.
 * @returns {Partial<State>}
 */
export function kept() {
  const found = recallValues(KEY);
  const start = fresh();
  return Object.fromEntries(KEPT.filter((name) => typeof found[name] === typeof start[name]).map((n) => [n, found[n]]));
}
