/** @file What a click, or a tap, would do now. */

/** @import { State, Store } from "../state/store.js" */
import { fingers, t } from "../language.js";
import { closed } from "../state/rights.js";

/**
 * @param {Store} store
 * @param {Readonly<State>} state
 */
export function advice(store, state) {
  if (!state.photo || state.photo.problem) return "";
  if (closed(state)) return t("edit.accepted");
  const touch = fingers.matches;
  if (state.armed) return t(touch ? "advice.newTap" : "advice.newClick");
  const entry = store.hand;
  const drawn = drawing(state, entry !== null, touch);
  if (drawn !== null) return drawn;
  if (!entry) return t(touch ? "advice.tap" : "advice.click");
  if (!entry.thing.area_px) return "";
  if (touch) return t(state.swapped ? "advice.touchSwapped" : "advice.touch");
  return t(state.swapped ? "advice.mouseSwapped" : "advice.mouse");
}

/**
 * What the tools do that draw; null: another tool is chosen.
 * @param {Readonly<State>} state
 * @param {boolean} some an object is in hand
 * @param {boolean} touch
 */
function drawing({ tool }, some, touch) {
  const cuts = some && !touch ? ` ${t("advice.cuts")}` : "";
  if (tool === "brush" && !some) return t("advice.brushNew");
  if (tool === "brush") return t("advice.brush");
  if (tool === "erase") return t("advice.erase");
  if (tool === "polygon") return t("advice.polygon") + cuts;
  if (tool === "lasso") return t(some ? "advice.lasso" : "advice.lassoNew") + cuts;
  if (tool === "outline" && !some) return t(touch ? "advice.outlineTap" : "advice.outlineClick");
  if (tool === "outline") return t("advice.outline");
  return null;
}
