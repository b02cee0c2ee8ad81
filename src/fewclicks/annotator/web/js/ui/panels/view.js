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
      check(store, "instances", "Each object in a color of its own"),
      choice(store, "local", "Corrections change", [
        ["auto", "The touched part, of imported masks"],
        ["always", "The touched part only"],
        ["never", "Whatever the model sees"],
      ]),
      choice(store, "paint", "Color of masks", [
        ["auto", "Class, if it stands out"],
        ["class", "Class"],
        ["contrast", "What stands out most"],
      ]),
      pixels(store, "holesPx", "Clean fills holes up to, in px"),
      pixels(store, "specksPx", "Clean removes specks up to, in px"),
      choice(store, "wheel", "Wheel", [
        ["auto", "Mouse zooms, trackpad moves"],
        ["zoom", "Zooms"],
        ["pan", "Moves"],
      ]),
      choice(store, "theme", "Colors of the page", [
        ["auto", "As the system"],
        ["light", "Light"],
        ["dark", "Dark"],
      ]),
    ),
  );
}
