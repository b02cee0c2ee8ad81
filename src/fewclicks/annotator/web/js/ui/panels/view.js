/** @file How masks are drawn, and how the wheel and the page behave. */

/** @import { Store } from "../../state/store.js" */
import { byId, h } from "../dom.js";
import { check, choice, pixels, slider } from "./fields.js";

/** @param {Store} store */
export function viewPanel(store) {
  const opacity = slider({ id: "opacity", label: "Opacity of masks", min: 0, max: 1, step: 0.05 }, (value) => `${Math.round(value * 100)} %`);
  opacity.input.addEventListener("input", () => store.set({ opacity: Number(opacity.input.value) }));
  store.on(["opacity"], (state) => opacity.show(state.opacity));
  byId("view").append(
    h(
      "div",
      { class: "fields" },
      opacity.element,
      check(store, "outlineOnly", "Outlines only", "O"),
      check(store, "heat", "Heat map of the probability", "M"),
      check(store, "hidden", "Hide the masks", "T"),
      choice(store, "paint", "Colour of masks", [
        ["auto", "Class, if it stands out"],
        ["class", "Class"],
        ["contrast", "What stands out most"],
      ]),
      pixels(store, "holesPx", "Clean fills holes up to, in px"),
      pixels(store, "specksPx", "Clean drops specks up to, in px"),
      choice(store, "wheel", "Wheel", [
        ["auto", "Mouse zooms, trackpad moves"],
        ["zoom", "Zooms"],
        ["pan", "Moves"],
      ]),
      choice(store, "theme", "Colours of the page", [
        ["auto", "As the system"],
        ["light", "Light"],
        ["dark", "Dark"],
      ]),
    ),
  );
}
