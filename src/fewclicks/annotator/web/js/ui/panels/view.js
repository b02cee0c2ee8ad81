/** @file How masks are drawn, and how the wheel and the page behave. */

/** @import { Store } from "../../state/store.js" */
import { chooseLanguage, chosenLanguage, LANGUAGES, t } from "../../language.js";
import { byId, h, select } from "../dom.js";
import { check, choice, pixels, slider } from "./fields.js";

/** The language of the page, which it has from its next start on: everything is saved, so it starts at once. */
function languageField() {
  const names = Object.entries(LANGUAGES).map(([code, { name }]) => /** @type {[string, string]} */ ([code, name]));
  const list = select({ id: "setting-language" }, [["auto", t("view.language.auto")], ...names], chosenLanguage);
  list.addEventListener("change", () => {
    chooseLanguage(list.value);
    location.reload();
  });
  return h("div", { class: "field" }, h("label", { for: "setting-language" }, t("view.language")), list);
}

/** @param {Store} store */
export function viewPanel(store) {
  const opacity = slider(store, { id: "opacity", label: "view.opacity", min: 0, max: 1, step: 0.05 }, (value) => `${Math.round(value * 100)} %`);
  opacity.input.addEventListener("input", () => store.set({ opacity: Number(opacity.input.value) }));
  store.on(["opacity"], (state) => opacity.show(state.opacity));
  byId("view").append(
    h(
      "div",
      { class: "fields" },
      opacity.element,
      check(store, "outlineOnly", "view.outlineOnly", "outlines"),
      check(store, "heat", "view.heat", "heat"),
      check(store, "hidden", "view.hidden", "hideMasks"),
      check(store, "instances", "view.instances"),
      choice(store, "local", "view.local", [
        ["auto", t("view.local.auto")],
        ["always", t("view.local.always")],
        ["never", t("view.local.never")],
      ]),
      choice(store, "paint", "view.paint", [
        ["auto", t("view.paint.auto")],
        ["class", t("view.paint.class")],
        ["contrast", t("view.paint.contrast")],
      ]),
      pixels(store, "holesPx", "view.holes"),
      pixels(store, "specksPx", "view.specks"),
      choice(store, "wheel", "view.wheel", [
        ["auto", t("view.wheel.auto")],
        ["zoom", t("view.wheel.zoom")],
        ["pan", t("view.wheel.pan")],
      ]),
      choice(store, "theme", "view.theme", [
        ["auto", t("view.theme.auto")],
        ["light", t("view.theme.light")],
        ["dark", t("view.theme.dark")],
      ]),
      languageField(),
    ),
  );
}
