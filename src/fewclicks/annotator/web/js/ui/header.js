/** @file The bar on top and the line at the bottom: which photo, what is saved, the zoom, what a click would do. */

/** @import { Desk } from "../state/workspace.js" */
/** @import { Stage } from "../canvas/canvas.js" */
/** @import { Store } from "../state/store.js" */
/** @import { Key } from "../language.js" */
import { count, counted, decimal, t } from "../language.js";
import { advice } from "./advice.js";
import { byId, enable, h, icon } from "./dom.js";
import { isOpen } from "../state/workspace.js";
import { closed, onlyReviewers } from "../state/rights.js";

/** @typedef {{sheet: () => void, exporting: () => void, importing: () => void, preannotating: () => void}} Doors */

/**
 * @param {{store: Store, desk: Desk, stage: Stage}} parts
 * @param {Doors} doors
 */
export function bars(parts, doors) {
  const { store, desk, stage } = parts;
  const button = pressing(store);
  button("previous", "left", "bar.previous", () => desk.step(-1));
  button("next", "right", "bar.next", () => desk.step(1));
  button("next-open", "skip", "bar.nextOpen", () => desk.nextUnfinished());
  const importing = button("import", "import", "bar.import", doors.importing);
  button("export", "export", "bar.export", doors.exporting).append(h("span", { class: "word" }, t("bar.exportWord")));
  const proposing = button("preannotate", "propose", "bar.preannotate", doors.preannotating);
  store.on(["role", "keys"], (state) => {
    enable(importing, onlyReviewers(state), t("bar.import"));
    enable(proposing, onlyReviewers(state), t("bar.preannotate"));
  });
  button("help", "help", "bar.help", doors.sheet);
  button("theme", "theme", "bar.theme", () => store.set({ theme: isDark() ? "light" : "dark" }));
  button("toggle-left", "panel-left", "bar.photos", () => drawer("left"));
  button("toggle-right", "panel-right", "bar.right", () => drawer("right"));
  zoom(store, stage);
  photo(store, desk);
  status(store, stage);
  classNow(store);
  store.on(["theme"], ({ theme }) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  });
}

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/**
 * Gives what makes a button of index.html out of its icon and its title, which tells its key as it is now.
 * @param {Store} store
 */
function pressing(store) {
  return (/** @type {string} */ id, /** @type {string} */ name, /** @type {Key} */ title, /** @type {() => void} */ action) => {
    const element = byId(id, HTMLButtonElement);
    element.append(icon(name));
    if (id !== "export") element.setAttribute("aria-label", t(title).replace(/ \([^)]*\)$/, ""));
    element.addEventListener("click", action);
    store.on(["keys"], () => element.disabled || (element.title = t(title)));
    return element;
  };
}

/** @param {"left" | "right"} side */
export function drawer(side) {
  const { dataset } = document.body;
  if (dataset.drawer === side) delete dataset.drawer;
  else dataset.drawer = side;
  for (const one of ["left", "right"]) byId(`toggle-${one}`).setAttribute("aria-expanded", String(dataset.drawer === one));
}

/**
 * @param {Store} store
 * @param {Stage} stage
 */
function zoom(store, stage) {
  const button = pressing(store);
  const by = (/** @type {number} */ factor) => () => {
    stage.camera.zoom(factor);
    stage.view();
  };
  const out = button("zoom-out", "zoom-out", "zoom.out", by(0.8));
  const closer = button("zoom-in", "zoom-in", "zoom.in", by(1.25));
  const fit = button("zoom-fit", "fit", "zoom.fit", () => stage.fit());
  const level = byId("zoom-level", HTMLButtonElement);
  level.addEventListener("click", () => stage.actualSize());
  const tell = () => {
    const percent = stage.camera.scale * stage.camera.dpr * 100;
    level.textContent = `${percent < 10 ? decimal(percent, 1) : Math.round(percent)} %`;
    level.setAttribute("aria-label", t("zoom.level", { level: level.textContent }));
    const none = store.isEmpty ? t("noPhotos") : null;
    enable(level, none, t("zoom.actual"));
    enable(out, none ?? (stage.camera.isLeast ? t("zoom.least") : null), t("zoom.out"));
    enable(closer, none ?? (stage.camera.isMost ? t("zoom.most") : null), t("zoom.in"));
    enable(fit, none ?? (stage.camera.fitted ? t("zoom.fits") : null), t("zoom.fit"));
  };
  stage.moved.push(tell);
  store.on(["keys", "folder", "photos"], tell);
}

/**
 * @param {Store} store
 * @param {Desk} desk
 */
function photo(store, desk) {
  const done = byId("photo-done", HTMLInputElement);
  done.addEventListener("change", () => void desk.mark(done.checked));
  store.on(["photo", "photos", "keys", "role"], (state) => {
    const { photo: open, photos } = state;
    byId("photo-name").textContent = open?.name ?? "…";
    byId("photo-name").title = open?.name ?? "";
    const at = photos.findIndex((one) => one.id === open?.id);
    byId("photo-place").textContent = at < 0 ? "" : `${count(at + 1)} / ${count(photos.length)}`;
    enable(byId("previous", HTMLButtonElement), at > 0 ? null : t("bar.first"), t("bar.previous"));
    enable(byId("next", HTMLButtonElement), at >= 0 && at < photos.length - 1 ? null : t("bar.last"), t("bar.next"));
    const more = photos.some((one) => one.id !== open?.id && isOpen(one));
    enable(byId("next-open", HTMLButtonElement), more ? null : t("bar.allDone"), t("bar.nextOpen"));
    enable(done, open && !open.problem ? closed(state) : t("bar.noneToMark"), t("bar.doneTitle"));
    done.checked = open?.state === "done" || open?.state === "accepted";
  });
  store.on(["folder"], ({ folder }) => {
    byId("folder-name").textContent = folder?.name ?? "";
    byId("method").textContent = folder?.method ?? "";
    byId("method").title = folder ? t("bar.method", { method: folder.method }) : "";
  });
}

/**
 * Where the list is a drawer: the class of new objects and how many there are, which opens it.
 * @param {Store} store
 */
function classNow(store) {
  const element = byId("class-now", HTMLButtonElement);
  element.addEventListener("click", () => drawer("right"));
  store.on(["classes", "classId", "hand", "entries", "photo"], ({ classes, classId }) => {
    const chosen = classes.find((one) => one.id === (store.hand?.thing.class_id ?? classId));
    const swatch = h("span", { class: "swatch" });
    swatch.style.background = chosen?.colour ?? "";
    const objects = store.stack.filter((entry) => !entry.isNothing).length;
    element.replaceChildren(swatch, h("span", { class: "ellipsis" }, chosen?.name ?? ""), h("span", { class: "dim number" }, count(objects)));
    element.title = t("bar.classNow", { name: chosen?.name ?? "", objects: counted("object", objects) });
  });
}

/**
 * @param {Store} store
 * @param {Stage} stage
 */
function status(store, stage) {
  const saved = byId("saved");
  store.on(["waiting", "reached", "folder"], ({ waiting, reached, folder }) => {
    saved.classList.toggle("problem", !reached);
    if (!reached) saved.textContent = waiting ? t("status.silentWaiting", { n: waiting, actions: counted("action", waiting) }) : t("status.silent");
    else saved.textContent = waiting ? t("status.saving") : folder ? t("status.saved") : "";
  });
  const hint = byId("hint");
  store.on(["hint", "hand", "tool", "swapped", "armed", "photo", "entries", "keys", "role"], (state) => (hint.textContent = state.hint || advice(store, state)));
  store.on(["busy"], ({ busy }) => (byId("working").hidden = !busy));
  store.on(["lastMs"], ({ lastMs }) => (byId("latency").textContent = lastMs === null ? "" : `${Math.round(lastMs)} ms`));
  const position = byId("position");
  stage.pointed.push(() => {
    const { photo } = store.state;
    const [x, y] = stage.pointer ? stage.camera.toPhoto(...stage.pointer).map(Math.round) : [-1, -1];
    position.textContent = photo && x >= 0 && y >= 0 && x < photo.width && y < photo.height ? `${x}, ${y}` : "";
  });
}
