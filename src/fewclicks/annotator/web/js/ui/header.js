/** @file The bar on top and the line at the bottom: which photo, what is saved, the zoom, what a click would do. */

/** @import { Desk } from "../state/workspace.js" */
/** @import { Stage } from "../canvas/canvas.js" */
/** @import { Store } from "../state/store.js" */
import { advice } from "./advice.js";
import { byId, count, enable, h, icon, plural } from "./dom.js";
import { isOpen } from "../state/workspace.js";

/** @typedef {{sheet: () => void, exporting: () => void, importing: () => void, preannotating: () => void}} Doors */

/**
 * @param {{store: Store, desk: Desk, stage: Stage}} parts
 * @param {Doors} doors
 */
export function bars(parts, doors) {
  const { store, desk, stage } = parts;
  button("previous", "left", "Photo before (A)", () => desk.step(-1));
  button("next", "right", "Next photo (D)", () => desk.step(1));
  button("next-open", "skip", "Next photo that is not done (Shift+D)", () => desk.nextUnfinished());
  button("import", "import", "Import annotations (Ctrl+O)", doors.importing);
  button("export", "export", "Export (Ctrl+S)", doors.exporting).append(h("span", { class: "word" }, "Export"));
  button("preannotate", "propose", "Pre-annotate: have objects proposed (Shift+X)", doors.preannotating);
  button("help", "help", "Keys and mouse (?)", doors.sheet);
  button("theme", "theme", "Light or dark", () => store.set({ theme: isDark() ? "light" : "dark" }));
  button("toggle-left", "panel-left", "Photos", () => drawer("left"));
  button("toggle-right", "panel-right", "Objects and settings", () => drawer("right"));
  zoom(stage);
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
 * @param {string} id
 * @param {string} name of the icon
 * @param {string} label
 * @param {() => void} action
 */
function button(id, name, label, action) {
  const element = byId(id, HTMLButtonElement);
  element.append(icon(name));
  element.title = label;
  if (id !== "export") element.setAttribute("aria-label", label.replace(/ \(.*\)$/, ""));
  element.addEventListener("click", action);
  return element;
}

/** @param {"left" | "right"} side */
export function drawer(side) {
  const { dataset } = document.body;
  if (dataset.drawer === side) delete dataset.drawer;
  else dataset.drawer = side;
  for (const one of ["left", "right"]) byId(`toggle-${one}`).setAttribute("aria-expanded", String(dataset.drawer === one));
}

/** @param {Stage} stage */
function zoom(stage) {
  const by = (/** @type {number} */ factor) => () => {
    stage.camera.zoom(factor);
    stage.view();
  };
  const out = button("zoom-out", "zoom-out", "Zoom out (−)", by(0.8));
  const closer = button("zoom-in", "zoom-in", "Zoom in (+)", by(1.25));
  const fit = button("zoom-fit", "fit", "Fit (F)", () => stage.fit());
  const level = byId("zoom-level", HTMLButtonElement);
  level.title = "100 % (Z)";
  level.addEventListener("click", () => stage.actualSize());
  stage.moved.push(() => {
    const percent = stage.camera.scale * stage.camera.dpr * 100;
    level.textContent = `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
    level.setAttribute("aria-label", `${level.textContent}; go to 100 %`);
    enable(out, stage.camera.isLeast ? "the photo cannot be smaller" : null, "Zoom out (−)");
    enable(closer, stage.camera.isMost ? "the photo cannot be larger" : null, "Zoom in (+)");
    enable(fit, stage.camera.fitted ? "the photo fits" : null, "Fit (F)");
  });
}

/**
 * @param {Store} store
 * @param {Desk} desk
 */
function photo(store, desk) {
  const done = byId("photo-done", HTMLInputElement);
  done.addEventListener("change", () => void desk.mark(done.checked));
  store.on(["photo", "photos"], ({ photo: open, photos }) => {
    byId("photo-name").textContent = open?.name ?? "…";
    byId("photo-name").title = open?.name ?? "";
    const at = photos.findIndex((one) => one.id === open?.id);
    byId("photo-place").textContent = at < 0 ? "" : `${count(at + 1)} / ${count(photos.length)}`;
    enable(byId("previous", HTMLButtonElement), at > 0 ? null : "this is the first photo", "Photo before (A)");
    enable(byId("next", HTMLButtonElement), at >= 0 && at < photos.length - 1 ? null : "this is the last photo", "Next photo (D)");
    const more = photos.some((one) => one.id !== open?.id && isOpen(one));
    enable(byId("next-open", HTMLButtonElement), more ? null : "all the other photos are done", "Next photo that is not done (Shift+D)");
    enable(done, open && !open.problem ? null : "there is no photo to mark", "The photo is done (Ctrl+Enter)");
    done.checked = open?.state === "done" || open?.state === "accepted";
  });
  store.on(["folder"], ({ folder }) => {
    byId("folder-name").textContent = folder?.name ?? "";
    byId("method").textContent = folder?.method ?? "";
    byId("method").title = folder ? `The method: ${folder.method}` : "";
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
    element.title = `Class ${chosen?.name ?? ""}, ${plural(objects, "object")}: classes and objects`;
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
    if (!reached) saved.textContent = `The server does not answer. ${waiting ? `${plural(waiting, "action")} will be sent when it does.` : ""}`;
    else saved.textContent = waiting ? "Saving …" : folder ? "Saved" : "";
  });
  const hint = byId("hint");
  store.on(["hint", "hand", "tool", "swapped", "armed", "photo", "entries"], (state) => (hint.textContent = state.hint || advice(store, state)));
  store.on(["busy"], ({ busy }) => (byId("working").hidden = !busy));
  store.on(["lastMs"], ({ lastMs }) => (byId("latency").textContent = lastMs === null ? "" : `${Math.round(lastMs)} ms`));
  const position = byId("position");
  stage.pointed.push(() => {
    const { photo } = store.state;
    const [x, y] = stage.pointer ? stage.camera.toPhoto(...stage.pointer).map(Math.round) : [-1, -1];
    position.textContent = photo && x >= 0 && y >= 0 && x < photo.width && y < photo.height ? `${x}, ${y}` : "";
  });
}
