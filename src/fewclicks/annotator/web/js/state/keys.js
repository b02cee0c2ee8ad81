/** @file Which key does what: as the table says, or as the user has changed it. Remembered in the browser, for each person. */

import { keep, recallValues } from "./memory.js";

/** Each shortcut by its name, with its keys as `Ctrl+Shift+Z`; Ctrl also means the command key of a Mac. */
const STANDARD = {
  swap: ["X"], whole: ["Q"], box: ["K"], scribble: ["S"], polygon: ["P"], lasso: ["Shift+P"], outline: ["Shift+O"], brush: ["B"], erase: ["E"],
  smaller: ["["], bigger: ["]"], clean: ["L"], preview: ["W"], here: ["C"], hereReverse: ["Shift+C"],
  finish: ["Enter"], discard: ["Esc"], undo: ["Ctrl+Z", "Backspace"], redo: ["Ctrl+Shift+Z", "Ctrl+Y"], nextObject: ["Tab"], previousObject: ["Shift+Tab"],
  new: ["N"], findClass: ["/"], rename: ["F2"], selectAll: ["Ctrl+A"], merge: ["G"], split: ["Shift+G"], largest: ["J"], fill: ["Shift+J"],
  hide: ["Shift+H"], lock: ["I"], copy: ["Ctrl+C"], paste: ["Ctrl+V"], nextProposal: ["Shift+N"], delete: ["Delete"], takeBack: ["U"], up: ["PageUp"], down: ["PageDown"],
  zoomIn: ["+", "="], zoomOut: ["-"], fit: ["F"], actual: ["Z"], hideHeld: ["H"], hideMasks: ["T"], outlines: ["O"], heat: ["M"],
  before: ["V"], nextDoubt: ["."], previousDoubt: [","], byDoubt: [":"], onePass: ["Shift+F"], passBefore: ["Alt+,"], passNext: ["Alt+."], fewerPasses: ["<"], morePasses: [">"],
  next: ["D"], previous: ["A"], nextOpen: ["Shift+D"], carry: ["Ctrl+Shift+ArrowRight"], carryOn: ["Alt+Shift+ArrowRight"], done: ["Ctrl+Enter"],
  statistics: ["Shift+S"], takeNext: ["Y"], comment: ["R"], accept: ["Shift+Y"], sendBack: ["Shift+R"],
  export: ["Ctrl+S"], import: ["Ctrl+O"], preannotate: ["Shift+X"], pane: ["F6"], paneBefore: ["Shift+F6"], help: ["?"],
};

/** @typedef {keyof typeof STANDARD} KeyId and the names of the files in `js/shortcuts/` */
/** @typedef {Partial<Record<KeyId, string[]>>} Changed */

const STORED = "fewclicks.keys";
/** Keys that are needed for something that is no shortcut, or that the browser keeps for itself. */
const TAKEN = /^(Shift\+)?(\d|Space|Arrow\w+)$|^Ctrl\+(Shift\+)?[NTWQ]$|^(Ctrl\+(Shift\+)?)?(F5|F11|F12)$|^Ctrl\+[RLJHDPF+=0-]$|^(Alt\+)?(F4|Unidentified|Dead)$/;

/** @type {Changed} what the person who works here has changed */
let changed = {};
let person = "";

/** @returns {KeyId[]} */
const ids = () => /** @type {KeyId[]} */ (Object.keys(STANDARD));

/**
 * The keys of a shortcut as they are now; the first is the one that is shown where there is room for one.
 * @param {KeyId} id
 * @returns {string[]}
 */
export function keysOf(id) {
  return changed[id] ?? STANDARD[id];
}

/** Whether any shortcut, or this one, has other keys than the table. @param {KeyId} [id] */
export function isChanged(id) {
  return id ? id in changed : Object.keys(changed).length > 0;
}

/**
 * One more shortcut, which none of the table may stand in the way of.
 * @param {KeyId} id
 * @param {string[]} keys
 */
export function addKeys(id, keys) {
  const other = keys.map(idOf).find(Boolean);
  if (id in STANDARD) throw new Error(`there is a shortcut '${id}'; give the file another name`);
  if (other || keys.some(isTaken)) throw new Error(`${keys.join(", ")} means ${other ?? "something else"}; take other keys`);
  STANDARD[id] = keys;
}

/**
 * The shortcut that a key belongs to.
 * @param {string} key
 */
export function idOf(key) {
  return ids().find((id) => keysOf(id).includes(key)) ?? null;
}

/**
 * Whether a key can be given to no shortcut.
 * @param {string} key
 */
export function isTaken(key) {
  return TAKEN.test(key);
}

/**
 * Give a shortcut another key in place of those that it has. Whichever had that key before gets one of these: none is left without.
 * @param {KeyId} id
 * @param {string} key
 */
export function changeKey(id, key) {
  const other = idOf(key);
  const [was] = keysOf(id);
  if (other && other !== id) set(other, keysOf(other).map((one) => (one === key ? was : one)));
  set(id, [key]);
  keepAll();
}

/** All keys as the table has them. */
export function resetKeys() {
  changed = {};
  keepAll();
}

/**
 * Somebody works here: the keys are theirs.
 * @param {string} name "" where nobody has said one
 */
export function useKeysOf(name) {
  person = name;
  changed = sound(recallValues(STORED)[name]);
}

/**
 * @param {KeyId} id
 * @param {string[]} keys
 */
function set(id, keys) {
  changed = { ...changed, [id]: keys };
  if (keys.join() === STANDARD[id].join()) delete changed[id];
}

/** Under the name of each person is kept what they have changed. */
function keepAll() {
  keep(STORED, JSON.stringify({ ...recallValues(STORED), [person]: changed }));
}

/**
 * What was kept, as far as it can be: shortcuts that there are, keys that no two have.
 * @param {unknown} found
 * @returns {Changed}
 */
function sound(found) {
  if (typeof found !== "object" || found === null) return {};
  const own = /** @type {Record<string, unknown>} */ (found);
  const fits = (/** @type {unknown} */ keys) => Array.isArray(keys) && keys.length > 0 && keys.every((key) => typeof key === "string" && key && !isTaken(key));
  const kept = /** @type {Changed} */ (Object.fromEntries(ids().filter((id) => fits(own[id])).map((id) => [id, own[id]])));
  const all = ids().flatMap((id) => kept[id] ?? STANDARD[id]);
  return new Set(all).size === all.length ? kept : {};
}
