/** @file Puts the page together. */

import { t, translate } from "./language.js";
import { bars, drawer } from "./ui/header.js";
import { Problem } from "./sync/api.js";
import { byId, enable, h, icon } from "./ui/dom.js";
import { Desk } from "./state/workspace.js";
import { exporting } from "./ui/dialogs.js";
import { KeysSheet } from "./ui/keys-sheet.js";
import { emptyFolder } from "./ui/empty-folder.js";
import { examples } from "./ui/examples.js";
import { tour } from "./ui/tour.js";
import { Filmstrip } from "./ui/filmstrip.js";
import { heatLegend } from "./ui/heat-legend.js";
import { importing, takeImportsBack } from "./ui/imports.js";
import { Preannotation } from "./ui/preannotate.js";
import { Hand } from "./tools/editor.js";
import { Copying } from "./tools/copying.js";
import { Doubts } from "./tools/doubts.js";
import { Proposals } from "./tools/proposals.js";
import { Many } from "./tools/many.js";
import { Meanings } from "./tools/meanings.js";
import { UndoAnywhere } from "./tools/undo-anywhere.js";
import { Keyboard } from "./tools/keyboard.js";
import { Lens } from "./canvas/preview.js";
import { Navigator } from "./canvas/minimap.js";
import { Notices } from "./ui/toasts.js";
import { Pins } from "./ui/pins.js";
import { reviewPanel, sendBack } from "./ui/panels/review.js";
import { statisticsDialog } from "./ui/statistics.js";
import { Company } from "./state/company.js";
import { assignDialog } from "./ui/assigning.js";
import { peopleDialog } from "./ui/people.js";
import { photoPanel, takeNext } from "./ui/panels/photo.js";
import { Review } from "./state/review.js";
import { onlyReviewers } from "./state/rights.js";
import { CascadePanel } from "./ui/panels/cascade.js";
import { ClassList } from "./state/classes.js";
import { ClassKeys } from "./tools/class-keys.js";
import { attributesPanel } from "./ui/panels/attributes.js";
import { ClassesPanel } from "./ui/panels/classes.js";
import { ObjectsPanel } from "./ui/panels/objects.js";
import { personPanel } from "./ui/panels/person.js";
import { PhotosPanel } from "./ui/panels/photos.js";
import { viewPanel } from "./ui/panels/view.js";
import { Pointing } from "./tools/pointer.js";
import { Queue } from "./sync/queue.js";
import { ownShortcuts } from "./tools/own-shortcuts.js";
import { table } from "./tools/shortcuts.js";
import { Stage } from "./canvas/canvas.js";
import { Store } from "./state/store.js";
import { Sync } from "./sync/sync.js";
import { toolbar } from "./ui/toolbar.js";

/** So long a photo may take to open before the stage says so. */
const SLOW_MS = 300;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let slow;
const store = new Store();
const notices = new Notices();
const sync = new Sync(store, notices);
const queue = new Queue(sync.handlers);
sync.queue = queue;
const hand = new Hand(store, queue, notices);
const many = new Many(store, hand, notices);
hand.many = many;
const desk = new Desk({ store, queue, sync, hand, notices });
const stage = new Stage(store, desk);
const lens = new Lens(store, () => stage.changed());
stage.lens = lens;
const meanings = new Meanings({ store, hand });
const pointing = new Pointing({ store, stage, hand, lens, many, meanings });
const navigator = new Navigator(stage, desk);
const copying = new Copying({ store, desk, hand, many, notices });
const objects = new ObjectsPanel({ store, desk, hand, stage, many, copying });
const review = new Review({ store, desk, notices });
hand.proposals = new Proposals({ store, hand, many });
const preannotation = new Preannotation({ store, desk, hand, notices, listed: () => photos.shown });
new Company({ store, desk, notices });
const pins = new Pins({ store, stage, review });
const classKeys = new ClassKeys(store, hand);
hand.anywhere = new UndoAnywhere(
  { store, desk, hand, notices },
  { imports: (ids) => takeImportsBack(desk, ids), jobs: (ids, photo) => preannotation.turn("redo", ids, photo) },
);
sync.undone = (entry) => hand.anywhere?.drop(entry);
const doubts = new Doubts({ store, stage, hand });
/**
 * What reviewers do: others are told that.
 * @param {() => void} run
 */
const reviewing = (run) => () => (onlyReviewers(store.state) ? store.set({ hint: t("review.onlyThey") }) : run());
const doors = {
  sheet: () => keysSheet.show(),
  exporting: () => void exporting(store, notices),
  importing: reviewing(() => importing(desk)),
  preannotating: reviewing(() => void preannotation.dialog()),
  rename: () => (store.hand ? objects.rename() : store.set({ hint: t("edit.nothingToRename") })),
  pane: goToPane,
  statistics: () => void statisticsDialog(store),
  classKey: (/** @type {string} */ key) => classKeys.press(key),
  findClass: () => classes.find(),
  comment: () => pins.write(),
  accept: () => void review.judge("accepted"),
  takeNext: () => void takeNext({ store, desk, notices }),
  sendBack: () => sendBack(store, review),
};
const parts = { store, stage, hand, desk, pointing, notices, many, meanings, copying, doubts };
const shortcuts = [...table(parts, doors), ...ownShortcuts(parts)];
new Filmstrip({ store, desk, meanings, stage });
const keyboard = new Keyboard(shortcuts, stage.element);
keyboard.before = (event) => classKeys.next(event);
const keysSheet = new KeysSheet(store, shortcuts);
store.on(["keys"], () => {
  keyboard.read();
  translate(document);
});
const photos = new PhotosPanel(store, desk);
byId("statistics").append(icon("bars"));
byId("statistics").addEventListener("click", doors.statistics);
byId("assign").append(icon("people"));
store.on(["role", "keys"], (state) => enable(byId("assign", HTMLButtonElement), onlyReviewers(state), t("assign.title")));
byId("assign").addEventListener("click", () => void assignDialog({ store, desk, notices }, photos.shown));
photoPanel({ store, desk, notices });
const classes = new ClassesPanel({ store, list: new ClassList({ store, desk, notices }), hand });
attributesPanel({ store, many });
reviewPanel({ store, review, pins });
new CascadePanel({ store, hand, lens, notices });
viewPanel(store);
heatLegend(store);
personPanel(store, notices, () => void peopleDialog(notices));
toolbar(store, hand);
bars({ store, desk, stage }, doors);
emptyFolder(store);
tour(store);

desk.drawn = () => {
  stage.draw({ photo: true });
  navigator.draw();
};
store.on(["loading"], ({ loading }) => !loading && stage.redrawMasks());
store.on(["photo", "photos", "loading", "folder"], message);
giveFocusBack();
takeDrops();
stage.element.focus();
desk.start().catch((error) => {
  store.set({ hint: "" });
  tell(t("main.notStarted"), error instanceof Problem ? error.message : t("main.startAgain"));
});

/** What the stage says where there is no photo to show. */
function message() {
  const { photo, photos, folder, loading } = store.state;
  clearTimeout(slow);
  if (loading) slow = setTimeout(() => tell("", t("main.opening", { name: photo?.name ?? "" })), SLOW_MS);
  if (photo?.problem) tell(t("main.unreadable"), photo.problem);
  else if (folder && !photos.length) tell(t("main.empty"), t("main.putThere"), ...examples({ store, desk, notices }));
  else byId("message").hidden = true;
}

/**
 * @param {string} title
 * @param {string} text
 * @param {...Node} more
 */
function tell(title, text, ...more) {
  byId("message").replaceChildren(h("strong", {}, title), h("span", { class: "dim" }, text), ...more);
  byId("message").hidden = false;
}

/**
 * Move the focus to the next part of the page.
 * @param {1 | -1} way
 */
function goToPane(way) {
  const panes = ["stage", "right", "bar", "left"].map((id) => byId(id)).filter((pane) => pane.checkVisibility({ visibilityProperty: true }));
  const at = panes.findIndex((pane) => pane.contains(document.activeElement));
  const pane = panes[(at + way + panes.length) % panes.length];
  const buttons = [...pane.querySelectorAll("button:not(:disabled)")];
  const first = pane.id === "bar" ? buttons.find((button) => button.checkVisibility()) : pane;
  if (first instanceof HTMLElement) first.focus();
}

/** A control that was clicked with the mouse gives the focus back: keys mean the photo again. */
function giveFocusBack() {
  addEventListener("click", (event) => {
    const { target } = event;
    if (!(target instanceof Element) || event.detail === 0 || target.closest("dialog, #stage")) return;
    const typing = target.closest("input:not([type=checkbox], [type=range]), select, label, [role=listbox]");
    if (!typing || target.closest(".check, .mark, [role=listbox]")) stage.element.focus({ preventScroll: true });
  });
  addEventListener("change", ({ target }) => {
    if (target instanceof HTMLInputElement && target.type === "range" && target.matches(":not(:focus-visible)")) stage.element.focus();
  });
  // Rings round the stage are for who moves by keys.
  addEventListener("keydown", ({ key }) => /^(Tab|F6|Arrow)/.test(key) && document.body.classList.add("by-keys"));
  addEventListener("pointerdown", () => document.body.classList.remove("by-keys"));
  stage.element.addEventListener("pointerdown", ({ target }) => {
    if (target !== stage.element) return;
    const { drawer: open } = document.body.dataset;
    if (open === "left" || open === "right") drawer(open);
  });
}

/** Files that are dropped on the page are imported. */
function takeDrops() {
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length) reviewing(() => importing(desk, files))();
  });
}
