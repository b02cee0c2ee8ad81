/** @file What each key does: one table, which also is the sheet that `?` shows. Which keys they are says `state/keys.js`. */

/** @import { Desk } from "../state/workspace.js" */
/** @import { Hand } from "./editor.js" */
/** @import { Copying } from "./copying.js" */
/** @import { Doubts } from "./doubts.js" */
/** @import { Key } from "../language.js" */
/** @import { KeyId } from "../state/keys.js" */
/** @import { Many } from "./many.js" */
/** @import { Meanings } from "./meanings.js" */
/** @import { Notices } from "../ui/toasts.js" */
/** @import { Pointing } from "./pointer.js" */
/** @import { Stage } from "../canvas/canvas.js" */
/** @import { Store } from "../state/store.js" */

import { AS_MODEL } from "../state/store.js";
import { t } from "../language.js";

/** @typedef {"click" | "objects" | "look" | "cascade" | "folder" | "review"} Group */

/**
 * @typedef {object} Shortcut
 * @property {Group} [group] of the sheet; without one it does not stand there
 * @property {KeyId} [id] whose keys can be changed, and which names the text that says what it does
 * @property {string[]} [fixed] keys that cannot be changed
 * @property {Key[]} [gestures] what else does the same, or without an id, all that does
 * @property {Key} [does] what gestures do, where there is no id
 * @property {() => void} [run] when it goes down; without one it only stands on the sheet
 * @property {(lost: boolean) => void} [release] when it goes up; `lost`: or the window has lost the focus
 * @property {boolean} [onStage] only where the focus is on the stage, or nowhere
 * @property {boolean} [repeats] again and again while it is held
 */

/** @typedef {{store: Store, stage: Stage, hand: Hand, desk: Desk, pointing: Pointing, notices: Notices, many: Many, meanings: Meanings, copying: Copying, doubts: Doubts}} Parts */
/**
 * @typedef {object} Doors
 * @property {() => void} sheet
 * @property {() => void} exporting
 * @property {() => void} importing
 * @property {() => void} preannotating
 * @property {() => void} rename
 * @property {() => void} comment
 * @property {() => void} accept
 * @property {() => void} takeNext
 * @property {() => void} statistics
 * @property {(key: string) => void} classKey
 * @property {() => void} findClass
 * @property {() => void} sendBack
 * @property {(way: 1 | -1) => void} pane
 */

const BRUSHES = [1, 2, 3, 4, 6, 8, 11, 15, 20, 28, 40, 56, 80, 120];

/** What needs the objects of the photo: while it is being opened it waits for them, in order with the clicks. */
const WAITING = /** @type {ReadonlySet<KeyId | undefined>} */ (new Set(/** @type {KeyId[]} */ ([
  "whole", "clean", "redo", "nextObject", "previousObject", "rename", "selectAll", "merge", "split", "largest", "fill", "hide", "lock", "copy", "paste",
  "nextProposal", "delete", "up", "down", "nextDoubt", "previousDoubt", "onePass", "passBefore", "passNext", "carry", "carryOn", "done",
])));

/**
 * All shortcuts.
 * @param {Parts} parts
 * @param {Doors} doors
 * @returns {Shortcut[]}
 */
export function table(parts, doors) {
  const all = [...clicking(parts), ...objects(parts, doors), ...many(parts), ...looking(parts), ...cascade(parts), ...folder(parts, doors), ...review(doors)];
  return all.map((one) => {
    const { id, run } = one;
    return run && WAITING.has(id) ? { ...one, run: () => parts.store.onceOpen(run) } : one;
  });
}

/**
 * @param {Parts} parts
 * @returns {Shortcut[]}
 */
function clicking({ store, stage, hand, pointing, meanings }) {
  const group = "click";
  const here = (/** @type {boolean} */ positive) => () => {
    if (!stage.pointer) return;
    const { tool: chosen } = store.state;
    if (chosen === "polygon") pointing.corner(stage.pointer, positive);
    else if (chosen === "outline") pointing.gripByKeys(stage.pointer, positive);
    else if (chosen === "box" || chosen === "scribble" || chosen === "lasso") pointing.drawByKeys(chosen, stage.pointer, positive);
    else if (chosen === "click") hand.click(...stage.camera.toPhoto(...stage.pointer), positive);
    else pointing.dab(stage.pointer, positive);
  };
  const size = (/** @type {1 | -1} */ way) => () => store.set({ brushPx: sized(store.state.brushPx, way) });
  return [
    { group, gestures: ["mouse.left"], does: "does.left" },
    { group, gestures: ["mouse.right", "mouse.shift", "mouse.alt"], does: "does.right" },
    { group, id: "swap", run: () => store.set({ swapped: !store.state.swapped }) },
    { group, gestures: ["mouse.drag"], does: "does.drag" },
    { group, id: "whole", gestures: ["mouse.altWheel"], run: () => meanings.cycle() },
    ...tools(store),
    { group, id: "smaller", repeats: true, run: size(-1) },
    { group, id: "bigger", repeats: true, run: size(1) },
    { group, id: "clean", run: () => hand.clean() },
    { group, id: "preview", run: () => store.set({ hoverPreview: !store.state.hoverPreview }) },
    { group, gestures: ["mouse.arrows", "mouse.shiftArrows"], does: "does.arrows" },
    ...arrows(stage),
    { group, id: "here", run: here(true) },
    { group, id: "hereReverse", run: here(false) },
    { group, gestures: ["mouse.space", "mouse.middle", "mouse.fingers"], does: "does.movePhoto" },
    { fixed: ["Space"], run: () => pointing.spaceDown(), release: (lost) => pointing.spaceUp() && !lost && store.onceOpen(() => hand.finish()) },
  ];
}

/**
 * The tools, but for that of clicks.
 * @param {Store} store
 * @returns {Shortcut[]}
 */
function tools(store) {
  const names = /** @type {const} */ (["box", "scribble", "polygon", "lasso", "outline", "brush", "erase"]);
  return names.map((tool) => ({ group: "click", id: tool, run: () => store.set({ tool }) }));
}

/**
 * @param {Stage} stage
 * @returns {Shortcut[]}
 */
function arrows(stage) {
  /** @type {[string, number, number][]} */
  const ways = [["ArrowLeft", -1, 0], ["ArrowRight", 1, 0], ["ArrowUp", 0, -1], ["ArrowDown", 0, 1]];
  return ways.flatMap(([key, x, y]) => [
    { fixed: [key], onStage: true, repeats: true, run: () => stage.nudge(x * 8, y * 8) },
    { fixed: [`Shift+${key}`], onStage: true, repeats: true, run: () => stage.nudge(x * stage.camera.scale, y * stage.camera.scale) },
  ]);
}

/**
 * @param {Parts} parts
 * @param {Doors} doors
 * @returns {Shortcut[]}
 */
function objects({ store, hand, pointing, copying }, doors) {
  const group = "objects";
  const unfilter = () => {
    const last = !store.hand && !store.state.armed && store.state.onlyClass !== 0;
    if (last) store.set({ onlyClass: 0 });
    return last;
  };
  const digits = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
  return [
    { group, id: "finish", gestures: ["mouse.spaceAlone"], run: () => void (pointing.close() || store.onceOpen(() => hand.finish())) },
    { group, id: "discard", run: () => copying.stop() || pointing.giveUp() || store.onceOpen(() => hand.deselect() || unfilter() || hand.drop()) },
    { group, id: "undo", repeats: true, run: () => void (pointing.uncorner() || store.onceOpen(() => hand.undo())) },
    { group, id: "redo", repeats: true, run: () => hand.redo() },
    { group, id: "nextObject", onStage: true, run: () => hand.next(1) },
    { group, id: "previousObject", onStage: true, run: () => hand.next(-1) },
    { group, id: "new", run: () => hand.arm() },
    { group, gestures: ["mouse.digits", "mouse.twoDigits"], does: "does.digits" },
    ...digits.map((key) => ({ fixed: [key], run: () => doors.classKey(key) })),
    { group, id: "findClass", run: doors.findClass },
    { group, id: "rename", run: doors.rename },
  ];
}

/**
 * What is done to several objects, or to the one in hand.
 * @param {Parts} parts
 * @returns {Shortcut[]}
 */
function many({ hand, notices, many: several, copying }) {
  const group = "objects";
  return [
    { group, gestures: ["mouse.ctrl", "mouse.shiftList", "mouse.ctrlDrag"], does: "does.several" },
    { group, id: "selectAll", run: () => several.all() },
    { group, id: "merge", run: () => several.merge() },
    { group, id: "split", run: () => several.split() },
    { group, id: "largest", run: () => several.keepLargest() },
    { group, id: "fill", run: () => several.fillHoles() },
    { group, id: "hide", run: () => several.flip("hidden") },
    { group, id: "lock", run: () => several.flip("locked") },
    { group, id: "copy", run: () => copying.copy() },
    { group, id: "paste", run: () => void copying.paste() },
    { group, id: "nextProposal", run: () => hand.proposals?.goOn() },
    { group, id: "delete", run: () => hand.removeInHand() },
    { group, id: "takeBack", run: () => notices.undo() },
    { group, id: "up", onStage: true, run: () => several.lift(1) },
    { group, id: "down", onStage: true, run: () => several.lift(-1) },
  ];
}

/**
 * @param {Parts} parts
 * @returns {Shortcut[]}
 */
function looking({ store, stage }) {
  const group = "look";
  const zoom = (/** @type {number} */ factor) => () => {
    stage.camera.zoom(factor, ...(stage.pointer ?? []));
    stage.view();
  };
  return [
    { group, id: "zoomIn", gestures: ["mouse.wheel"], repeats: true, run: zoom(1.25) },
    { group, id: "zoomOut", repeats: true, run: zoom(0.8) },
    { group, id: "fit", run: () => stage.fit() },
    { group, id: "actual", run: () => stage.actualSize() },
    { group, id: "hideHeld", run: () => store.set({ hidden: true }), release: () => store.set({ hidden: false }) },
    { group, id: "hideMasks", run: () => store.set({ hidden: !store.state.hidden }) },
    { group, id: "outlines", run: () => store.set({ outlineOnly: !store.state.outlineOnly }) },
    { group, id: "heat", run: () => store.set({ heat: !store.state.heat }) },
  ];
}

/**
 * @param {Parts} parts
 * @returns {Shortcut[]}
 */
function cascade({ store, doubts }) {
  const group = "cascade";
  const scrub = (/** @type {1 | -1} */ way) => () => {
    const last = (store.hand?.passes.length ?? 0) - 1;
    if (last < 1) return store.set({ hint: t("pass.one") });
    const next = Math.max(0, (store.state.pass ?? last) + way);
    store.set({ pass: next >= last ? null : next });
  };
  return [
    { group, id: "before", run: () => store.set({ before: true }), release: () => store.set({ before: false }) },
    { group, id: "nextDoubt", run: () => void doubts.jump(1) },
    { group, id: "previousDoubt", run: () => void doubts.jump(-1) },
    { group, id: "byDoubt", run: () => store.set({ byDoubt: !store.state.byDoubt }) },
    { group, id: "onePass", run: () => doubts.fit() },
    { group, id: "passBefore", run: scrub(-1) },
    { group, id: "passNext", run: scrub(1) },
    { group, id: "fewerPasses", run: () => store.set({ passes: Math.max(AS_MODEL, store.state.passes - 1) }) },
    { group, id: "morePasses", run: () => store.set({ passes: Math.min(8, store.state.passes + 1) }) },
  ];
}

/**
 * @param {Parts} parts
 * @param {Doors} doors
 * @returns {Shortcut[]}
 */
function folder({ desk, copying }, doors) {
  const group = "folder";
  return [
    { group, id: "next", run: () => desk.step(1) },
    { group, id: "previous", run: () => desk.step(-1) },
    { group, id: "nextOpen", run: () => desk.nextUnfinished() },
    { group, id: "carry", run: () => void copying.carry() },
    { group, id: "carryOn", run: () => void copying.carry(true) },
    { group, id: "done", run: () => void desk.markAndGoOn() },
    { group, id: "statistics", run: doors.statistics },
    { group, id: "takeNext", run: doors.takeNext },
    { group, id: "export", run: doors.exporting },
    { group, id: "import", run: doors.importing },
    { group, id: "preannotate", run: doors.preannotating },
    { group, id: "pane", run: () => doors.pane(1) },
    { group, id: "paneBefore", run: () => doors.pane(-1) },
    { group, id: "help", run: doors.sheet },
  ];
}

/**
 * @param {Doors} doors
 * @returns {Shortcut[]}
 */
function review(doors) {
  const group = "review";
  return [
    { group, id: "comment", run: doors.comment },
    { group, id: "accept", run: doors.accept },
    { group, id: "sendBack", run: doors.sendBack },
  ];
}

/**
 * The next brush size.
 * @param {number} radius
 * @param {1 | -1} way
 */
export function sized(radius, way) {
  if (way > 0) return BRUSHES.find((size) => size > radius) ?? radius;
  return BRUSHES.findLast((size) => size < radius) ?? radius;
}
