/** @file The keys: one table, which also is the sheet that `?` shows. */

/** @import { Desk } from "../state/workspace.js" */
/** @import { Hand } from "./editor.js" */
/** @import { Copying } from "./copying.js" */
/** @import { Doubts } from "./doubts.js" */
/** @import { Many } from "./many.js" */
/** @import { Notices } from "../ui/toasts.js" */
/** @import { Pointing } from "./pointer.js" */
/** @import { Stage } from "../canvas/canvas.js" */
/** @import { Store } from "../state/store.js" */
/** @import { Tool } from "../types.js" */

import { AS_MODEL } from "../state/store.js";

/**
 * @typedef {object} Shortcut
 * @property {string} group
 * @property {string[]} keys as `Ctrl+Shift+Z`; Ctrl also means the command key of a Mac
 * @property {string} label
 * @property {(key: string) => void} [run] when it goes down; without one it only stands on the sheet
 * @property {(lost: boolean) => void} [release] when it goes up; `lost`: or the window has lost the focus
 * @property {boolean} [onStage] only where the focus is on the stage, or nowhere
 */

/** @typedef {{store: Store, stage: Stage, hand: Hand, desk: Desk, pointing: Pointing, notices: Notices, many: Many, copying: Copying, doubts: Doubts}} Parts */
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

/**
 * All shortcuts.
 * @param {Parts} parts
 * @param {Doors} doors
 * @returns {Shortcut[]}
 */
export function table(parts, doors) {
  return [...clicking(parts), ...objects(parts, doors), ...looking(parts), ...cascade(parts), ...folder(parts, doors)];
}

/**
 * @param {Parts} parts
 * @returns {Shortcut[]}
 */
function clicking({ store, stage, hand, pointing }) {
  const group = "Click and paint";
  const here = (/** @type {boolean} */ positive) => () => {
    if (!stage.pointer) return;
    const { tool: chosen } = store.state;
    if (chosen === "polygon") pointing.corner(stage.pointer, positive);
    else if (chosen === "outline") pointing.gripByKeys(stage.pointer, positive);
    else if (chosen === "box" || chosen === "scribble" || chosen === "lasso") pointing.drawByKeys(chosen, stage.pointer, positive);
    else if (chosen === "click") hand.click(...stage.camera.toPhoto(...stage.pointer), positive);
    else pointing.dab(stage.pointer, positive);
  };
  return [
    { group, keys: ["Left click"], label: "This is the object" },
    { group, keys: ["Right click", "Shift+click", "Alt+click"], label: "This is background (on touch: long press)" },
    { group, keys: ["X"], label: "Swap the two", run: () => store.set({ swapped: !store.state.swapped }) },
    { group, keys: ["Left drag"], label: "A box around the object, to begin with" },
    { group, keys: ["Q", "Alt+wheel"], label: "Whole or part: the next of what the first click can mean; else the click tool", run: () => hand.cycle() },
    ...tools(store),
    { group, keys: ["["], label: "Smaller brush", run: () => store.set({ brushPx: sized(store.state.brushPx, -1) }) },
    { group, keys: ["]"], label: "Bigger brush", run: () => store.set({ brushPx: sized(store.state.brushPx, 1) }) },
    { group, keys: ["L"], label: "Clean: fill small holes, remove specks", run: () => hand.clean() },
    { group, keys: ["W"], label: "Preview under the pointer", run: () => store.set({ hoverPreview: !store.state.hoverPreview }) },
    {
      group,
      keys: ["Arrows", "Shift+Arrows"],
      label: "Move the cursor; with Shift by one pixel",
      onStage: true,
    },
    ...arrows(stage),
    { group, keys: ["C"], label: "At the cursor: click on the object, paint or erase; begin and end a box or a scribble", run: here(true) },
    { group, keys: ["Shift+C"], label: "At the cursor: the reverse", run: here(false) },
    {
      group,
      keys: ["Space+drag", "Middle drag", "Two fingers"],
      label: "Move the photo",
    },
    { group: "", keys: ["Space"], label: "", run: () => pointing.spaceDown(), release: (lost) => pointing.spaceUp() && !lost && hand.finish() },
  ];
}

/**
 * The tools, but for that of clicks.
 * @param {Store} store
 * @returns {Shortcut[]}
 */
function tools(store) {
  const group = "Click and paint";
  const tool = (/** @type {Tool} */ name) => () => store.set({ tool: name });
  return [
    { group, keys: ["K"], label: "Box tool", run: tool("box") },
    { group, keys: ["S"], label: "Scribble: a stroke of clicks", run: tool("scribble") },
    { group, keys: ["P"], label: "Polygon: a corner each click; Enter, a double click or the first corner closes it", run: tool("polygon") },
    { group, keys: ["Shift+P"], label: "Lasso: draw round it; the other button cuts away", run: tool("lasso") },
    { group, keys: ["Shift+O"], label: "Outline: drag its vertices and edges; right click takes a vertex away", run: tool("outline") },
    { group, keys: ["B"], label: "Brush", run: tool("brush") },
    { group, keys: ["E"], label: "Eraser", run: tool("erase") },
  ];
}

/**
 * @param {Stage} stage
 * @returns {Shortcut[]}
 */
function arrows(stage) {
  /** @type {[string, number, number][]} */
  const ways = [["ArrowLeft", -1, 0], ["ArrowRight", 1, 0], ["ArrowUp", 0, -1], ["ArrowDown", 0, 1]];
  return ways.flatMap(([key, x, y]) => [
    { group: "", keys: [key], label: "", onStage: true, run: () => stage.nudge(x * 8, y * 8) },
    { group: "", keys: [`Shift+${key}`], label: "", onStage: true, run: () => stage.nudge(x * stage.camera.scale, y * stage.camera.scale) },
  ]);
}

/**
 * @param {Parts} parts
 * @param {Doors} doors
 * @returns {Shortcut[]}
 */
function objects({ hand, notices, pointing, many, copying }, doors) {
  const group = "Objects";
  const digits = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
  return [
    { group, keys: ["Enter", "Space"], label: "Finish the selected object" },
    { group: "", keys: ["Enter"], label: "", run: () => void (pointing.close() || hand.finish()) },
    { group, keys: ["Esc"], label: "Discard: delete a new object, undo the changes of another", run: () => copying.stop() || pointing.giveUp() || hand.deselect() || hand.drop() },
    { group, keys: ["Ctrl+Z", "Backspace"], label: "Undo in the selected object; with nothing selected, what was done last, on any photo", run: () => void (pointing.uncorner() || hand.undo()) },
    { group, keys: ["Ctrl+Shift+Z", "Ctrl+Y"], label: "Redo in the selected object", run: () => hand.redo() },
    { group, keys: ["Tab"], label: "Edit the next object", onStage: true, run: () => hand.next(1) },
    { group, keys: ["Shift+Tab"], label: "Edit the object before", onStage: true, run: () => hand.next(-1) },
    { group, keys: ["N"], label: "The next click begins a new object, also on another one", run: () => hand.arm() },
    { group, keys: ["1 – 9", "0 1 …"], label: "Class of the selected object, and of the next ones; some keys are a digit and one more" },
    ...digits.map((key) => ({ group: "", keys: [key], label: "", run: () => doors.classKey(key) })),
    { group, keys: ["/"], label: "Find a class by its name", run: doors.findClass },
    { group, keys: ["F2"], label: "Rename", run: doors.rename },
    { group, keys: ["Ctrl+click", "Shift+click in the list", "Ctrl+drag"], label: "Select several objects" },
    { group, keys: ["Ctrl+A"], label: "Select all objects", run: () => many.all() },
    { group, keys: ["G"], label: "Merge the selected objects", run: () => many.merge() },
    { group, keys: ["Shift+G"], label: "Split into parts", run: () => many.split() },
    { group, keys: ["J"], label: "Keep the largest part", run: () => many.keepLargest() },
    { group, keys: ["Shift+J"], label: "Fill all holes", run: () => many.fillHoles() },
    { group, keys: ["Shift+H"], label: "Hide the object, or show it", run: () => many.flip("hidden") },
    { group, keys: ["I"], label: "Lock the object, or unlock it", run: () => many.flip("locked") },
    { group, keys: ["Ctrl+C"], label: "Copy the selected objects", run: () => copying.copy() },
    { group, keys: ["Ctrl+V"], label: "Paste them, also on another photo", run: () => void copying.paste() },
    { group, keys: ["Shift+N"], label: "Next proposal (Enter accepts it, Delete discards it, a click corrects it)", run: () => hand.proposals?.goOn() },
    { group, keys: ["Delete"], label: "Delete", run: () => hand.removeInHand() },
    { group, keys: ["U"], label: "Take back what the latest notice tells of", run: () => notices.undo() },
    { group, keys: ["PageUp"], label: "Move up in the stack", onStage: true, run: () => hand.lift(1) },
    { group, keys: ["PageDown"], label: "Move down in the stack", onStage: true, run: () => hand.lift(-1) },
  ];
}

/**
 * @param {Parts} parts
 * @returns {Shortcut[]}
 */
function looking({ store, stage }) {
  const group = "Look";
  const zoom = (/** @type {number} */ factor) => () => {
    stage.camera.zoom(factor, ...(stage.pointer ?? []));
    stage.view();
  };
  return [
    { group, keys: ["Wheel", "+", "="], label: "Zoom in at the pointer", run: zoom(1.25) },
    { group, keys: ["-"], label: "Zoom out", run: zoom(0.8) },
    { group, keys: ["F"], label: "Fit the photo", run: () => stage.fit() },
    { group, keys: ["Z"], label: "100 %: one pixel of the photo is one of the screen", run: () => stage.actualSize() },
    {
      group,
      keys: ["H"],
      label: "Hide the masks while it is held",
      run: () => store.set({ hidden: true }),
      release: () => store.set({ hidden: false }),
    },
    { group, keys: ["T"], label: "Hide the masks, show them again", run: () => store.set({ hidden: !store.state.hidden }) },
    { group, keys: ["O"], label: "Outlines only", run: () => store.set({ outlineOnly: !store.state.outlineOnly }) },
    { group, keys: ["M"], label: "Heat map of the probability", run: () => store.set({ heat: !store.state.heat }) },
  ];
}

/**
 * @param {Parts} parts
 * @returns {Shortcut[]}
 */
function cascade({ store, doubts }) {
  const group = "Cascade";
  const scrub = (/** @type {1 | -1} */ way) => () => {
    const last = (store.hand?.passes.length ?? 0) - 1;
    if (last < 1) return store.set({ hint: "The last click had one pass only." });
    const next = Math.max(0, (store.state.pass ?? last) + way);
    store.set({ pass: next >= last ? null : next });
  };
  return [
    {
      group,
      keys: ["V"],
      label: "Before the last change, while it is held",
      run: () => store.set({ before: true }),
      release: () => store.set({ before: false }),
    },
    { group, keys: ["."], label: "Go to the next place that is in doubt", run: () => void doubts.jump(1) },
    { group, keys: [","], label: "Go to the place in doubt before", run: () => void doubts.jump(-1) },
    { group, keys: [":"], label: "Order the objects by doubt", run: () => store.set({ byDoubt: !store.state.byDoubt }) },
    { group, keys: ["Shift+F"], label: "One more pass over the mask", run: () => doubts.fit() },
    { group, keys: ["Alt+,"], label: "Show the pass before", run: scrub(-1) },
    { group, keys: ["Alt+."], label: "Show the next pass", run: scrub(1) },
    { group, keys: ["<"], label: "Fewer passes a click; at the end as the model says", run: () => store.set({ passes: Math.max(AS_MODEL, store.state.passes - 1) }) },
    { group, keys: [">"], label: "More passes a click", run: () => store.set({ passes: Math.min(8, store.state.passes + 1) }) },
  ];
}

/**
 * @param {Parts} parts
 * @param {Doors} doors
 * @returns {Shortcut[]}
 */
function folder({ desk, copying }, doors) {
  const group = "Folder";
  return [
    { group, keys: ["D"], label: "Next photo", run: () => desk.step(1) },
    { group, keys: ["A"], label: "Photo before", run: () => desk.step(-1) },
    { group, keys: ["Shift+D"], label: "Next photo that is not done", run: () => desk.nextUnfinished() },
    { group, keys: ["Ctrl+Shift+ArrowRight"], label: "Take the objects over to the next photo, fitted to what is there", run: () => void copying.carry() },
    { group, keys: ["Alt+Shift+ArrowRight"], label: "The same from photo to photo, until a mask has changed too much (Esc stops)", run: () => void copying.carry(true) },
    { group, keys: ["Ctrl+Enter"], label: "Photo is done, go on with the next", run: () => void desk.markAndGoOn() },
    { group, keys: ["Shift+S"], label: "Statistics", run: doors.statistics },
    { group, keys: ["Y"], label: "Take the next photo that is nobody's", run: doors.takeNext },
    { group: "Review", keys: ["R"], label: "Pin a comment to the place under the pointer", run: doors.comment },
    { group: "Review", keys: ["Shift+Y"], label: "Accept the photo, go on with the next that is done", run: doors.accept },
    { group: "Review", keys: ["Shift+R"], label: "Send the photo back", run: doors.sendBack },
    { group, keys: ["Ctrl+S"], label: "Export (everything is saved all the time)", run: doors.exporting },
    { group, keys: ["Ctrl+O"], label: "Import", run: doors.importing },
    { group, keys: ["Shift+X"], label: "Pre-annotate: have objects proposed on many photos", run: doors.preannotating },
    { group, keys: ["F6"], label: "Next part of the page", run: () => doors.pane(1) },
    { group, keys: ["Shift+F6"], label: "Part before", run: () => doors.pane(-1) },
    { group, keys: ["?"], label: "This sheet", run: doors.sheet },
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
