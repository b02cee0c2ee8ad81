/** @file What was annotated, in figures: objects, areas, clicks and seconds per object, by class and by person, with plots. */

/** @import { Store } from "../state/store.js" */
import { count, counted, decimal, t } from "../language.js";
import { json } from "../sync/api.js";
import { show } from "./dialogs.js";
import { h, svg } from "./dom.js";

/** @typedef {{name: string, objects: number, proposals: number, photos: number, area_px: number, clicks: number, seconds: number, histogram: number[], areas: number[]}} Tally */
/** @typedef {{all: Tally, classes: Tally[], people: Tally[]}} Found */

const AREAS = ["< 10", "< 100", "< 1k", "< 10k", "< 100k", "< 1M", t("statistics.more")];

/** @param {Store} store */
export async function statisticsDialog(store) {
  const body = h("div", { class: "statistics" }, t("statistics.counting"));
  show("statistics-dialog", t("statistics.title"), [body]);
  try {
    /** @type {Found} */
    const found = await json("GET", "/statistics");
    const colours = new Map(store.state.classes.map((one) => [one.name, one.colour]));
    const { all } = found;
    const clicks = all.histogram.map((_, n) => (n === all.histogram.length - 1 ? `${n}+` : String(n)));
    body.replaceChildren(
      h("p", {}, t("statistics.sum", { objects: counted("object", all.objects), photos: counted("photo", all.photos), clicks: all.clicks, seconds: all.seconds })),
      all.proposals ? h("p", { id: "proposals-counted" }, t("statistics.proposed", { proposals: counted("proposal", all.proposals) })) : "",
      h("div", { class: "plots" }, plot(t("statistics.byClicks"), clicks, all.histogram), plot(t("statistics.byArea"), AREAS, all.areas)),
      table(t("statistics.byClass"), found.classes, colours),
      table(t("statistics.byPerson"), found.people, new Map()),
    );
  } catch (error) {
    body.textContent = /** @type {Error} */ (error).message;
  }
}

/**
 * Bars, one for each number.
 * @param {string} title
 * @param {string[]} names
 * @param {number[]} values
 */
function plot(title, names, values) {
  const most = Math.max(1, ...values);
  const width = 100 / values.length;
  const bars = values.map((value, i) => {
    const height = (value / most) * 46;
    const bar = svg("rect", { x: i * width + width * 0.1, y: 50 - height, width: width * 0.8, height });
    bar.append(svg("title", {}, document.createTextNode(`${names[i]}: ${count(value)}`)));
    return bar;
  });
  const text = `${title}: ${values.map((value, i) => `${names[i]}: ${value}`).join(", ")}`;
  const picture = svg("svg", { viewBox: "0 0 100 50", preserveAspectRatio: "none", class: "bars", role: "img", "aria-label": text }, ...bars);
  return h("figure", {}, h("figcaption", {}, title), picture, h("div", { class: "ticks dim" }, h("span", {}, names[0]), h("span", {}, names[names.length - 1])));
}

/**
 * @param {string} title
 * @param {Tally[]} rows
 * @param {Map<string, string>} colours
 */
function table(title, rows, colours) {
  const most = Math.max(1, ...rows.map((row) => row.objects));
  const columns = [title, t("statistics.objects"), "", t("statistics.proposals"), t("statistics.photos"), t("statistics.area"), t("statistics.clicks"), t("statistics.seconds")];
  const head = h("tr", {}, ...columns.map((name) => h("th", { scope: "col" }, name)));
  const line = (/** @type {Tally} */ row) => {
    const bar = h("span", { class: "share" });
    bar.style.width = `${(100 * row.objects) / most}%`;
    if (colours.has(row.name)) bar.style.background = colours.get(row.name) ?? "";
    const cells = [count(row.objects), bar, count(row.proposals), count(row.photos), `${count(Math.round(row.area_px))} px`, decimal(row.clicks, 1), decimal(row.seconds, 1)];
    const name = h("th", { scope: "row", title: row.name }, row.name || t("nobody"));
    return h("tr", {}, name, ...cells.map((cell, at) => h("td", { class: "number", "data-name": columns[at + 1] }, cell)));
  };
  return h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows.map(line)));
}
