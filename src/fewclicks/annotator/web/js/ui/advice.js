/** @file What a click, or a tap, would do now. */

/** @import { State, Store } from "../state/store.js" */

/** Who touches has no right button, no keys, and taps. */
const fingers = matchMedia("(pointer: coarse)");

/**
 * @param {Store} store
 * @param {Readonly<State>} state
 */
export function advice(store, state) {
  if (!state.photo || state.photo.problem) return "";
  const touch = fingers.matches;
  const click = touch ? "Tap" : "Click";
  if (state.armed) return `${click} on the new object.`;
  const entry = store.hand;
  const drawn = drawing(state, entry !== null, touch);
  if (drawn !== null) return drawn;
  if (!entry) return `${click} on an object: on a new one, or on a mask to take it up.`;
  if (!entry.thing.area_px) return "";
  const [left, right] = state.swapped ? ["take away", "add"] : ["add", "take away"];
  if (touch) return `Tap: ${left}. Long press: ${right}. Two fingers move the photo.`;
  return `Left click: ${left}. Right click: ${right}. Enter: finish.`;
}

/**
 * What the tools do that draw; null: another tool is chosen.
 * @param {Readonly<State>} state
 * @param {boolean} some an object is in hand
 * @param {boolean} touch
 */
function drawing({ tool }, some, touch) {
  const other = touch ? "" : tool === "erase" ? "; the right button paints" : "; the right button erases";
  const cuts = some && !touch ? " The right button cuts away." : "";
  if (tool === "brush") return some ? `Paint what belongs to the object${other}.` : "Paint a new object.";
  if (tool === "erase") return `Erase what does not belong to the object${other}.`;
  if (tool === "polygon") return `${touch ? "Tap" : "Click"} corner by corner; the first corner${touch ? "" : ", or Enter,"} closes it.${cuts}`;
  if (tool === "lasso") return `Draw round ${some ? "what belongs to the object" : "a new object"}.${cuts}`;
  if (tool === "outline" && !some) return `${touch ? "Tap" : "Click"} on a mask to drag its outline.`;
  if (tool === "outline") return `Drag a vertex or an edge.${touch ? "" : " A right click takes a vertex away."}`;
  return null;
}
