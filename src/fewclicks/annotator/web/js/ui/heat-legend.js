/** @file What the colors of the heat map mean, on the stage while it is shown. */

/** @import { Store } from "../state/store.js" */
import { decimal, t } from "../language.js";
import { heatTable } from "../canvas/color.js";
import { byId, h } from "./dom.js";

const HIGH = 8;

/** @param {Store} store */
export function heatLegend(store) {
  const bar = h("canvas", { width: 256, height: HIGH, "aria-hidden": "true" });
  const mark = h("span", { class: "at" });
  const text = h("span", { class: "number" });
  const element = h("div", { class: "heat-legend", id: "heat-legend", role: "img", hidden: true }, h("span", {}, "0"), h("div", { class: "scale" }, bar, mark), h("span", {}, "1"), text);
  byId("stage").append(element);
  const context = bar.getContext("2d");
  if (context) {
    const image = context.createImageData(256, HIGH);
    const pixels = new Uint32Array(image.data.buffer);
    const table = heatTable();
    for (let i = 0; i < pixels.length; i++) pixels[i] = table[i % 256];
    context.putImageData(image, 0, 0);
  }
  store.on(["heat", "hand", "entries"], ({ heat }) => {
    const entry = store.hand;
    element.hidden = !heat || !entry;
    const threshold = entry?.thing.threshold ?? 0.5;
    mark.style.left = `${100 * threshold}%`;
    text.textContent = t("heat.above", { threshold: decimal(threshold, 2) });
    element.setAttribute("aria-label", t("heat.label", { threshold: decimal(threshold, 2) }));
  });
}
