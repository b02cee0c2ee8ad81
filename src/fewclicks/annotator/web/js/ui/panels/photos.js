/** @file The photos of the folder: how far each is, how far all are, filter and search. */

/** @import { Desk } from "../../state/workspace.js" */
/** @import { Photo, PhotoState } from "../../types.js" */
/** @import { Store } from "../../state/store.js" */
import { BASE } from "../../sync/api.js";
import { byId, check, count, h, plural, roving } from "../dom.js";
import { Rows } from "../virtual-list.js";

/** @type {["all" | PhotoState, string][]} */
const FILTERS = [["all", "All"], ["untouched", "New"], ["begun", "Begun"], ["done", "Done"]];
const STATES = { untouched: "not begun", begun: "begun", done: "done" };

export class PhotosPanel {
  /**
   * @param {Store} store
   * @param {Desk} desk
   */
  constructor(store, desk) {
    this.store = store;
    /** @type {"all" | PhotoState} */
    this.filter = "all";
    this.search = byId("photo-search", HTMLInputElement);
    this.search.addEventListener("input", () => this.show());
    /** @type {Rows<Photo>} */
    this.rows = new Rows(byId("photo-list"), {
      label: "Photos",
      empty: "No photo is like that.",
      key: (photo) => photo.id,
      selected: (photo) => photo.id === store.state.photo?.id,
      render: rowOf,
      open: (photo) => void desk.open(photo.id),
    });
    this.segments();
    store.on(["photos"], () => this.show());
    store.on(["photo"], () => {
      this.rows.draw();
      this.rows.reveal();
    });
    store.on(["photos"], ({ photos }) => progress(photos));
  }

  segments() {
    const group = byId("photo-filter");
    const buttons = FILTERS.map(([name, label]) =>
      h("button", { type: "button", role: "radio", "data-filter": name, onclick: () => this.choose(name) }, label),
    );
    group.append(...buttons);
    roving(group);
    this.choose("all");
  }

  /** @param {"all" | PhotoState} filter */
  choose(filter) {
    this.filter = filter;
    check(byId("photo-filter"), (radio) => radio.dataset.filter === filter);
    this.show();
  }

  show() {
    const text = this.search.value.trim().toLowerCase();
    const { photos } = this.store.state;
    const wanted = (/** @type {Photo} */ photo) =>
      (this.filter === "all" || photo.state === this.filter) && photo.name.toLowerCase().includes(text);
    this.rows.show(photos.filter(wanted));
  }
}

/**
 * @param {Photo} photo
 * @param {HTMLElement | null} old
 */
function rowOf(photo, old) {
  const news = [photo.state, photo.objects, photo.problem ?? "", ...photo.notes].join();
  if (old?.dataset.news === news) return old;
  const thumb = h("img", { class: "thumb", src: `${BASE}/photos/${photo.id}/thumb`, alt: "", loading: "lazy", decoding: "async" });
  const what = photo.problem ? "cannot be read" : `${STATES[photo.state]}${photo.objects ? `, ${plural(photo.objects, "object")}` : ""}`;
  const row = h(
    "div",
    { "data-news": news, title: photo.problem ?? [photo.name, ...photo.notes].join("\n") },
    photo.problem ? h("span", { class: "thumb" }) : thumb,
    h("span", { class: "text" }, h("span", { class: "ellipsis" }, photo.name), h("small", { class: "ellipsis" }, what)),
    h("span", { class: `state ${photo.problem ? "problem" : photo.state}` }),
  );
  old?.remove();
  return row;
}

/** @param {Photo[]} photos */
function progress(photos) {
  const done = photos.filter((photo) => photo.state === "done").length;
  const begun = photos.filter((photo) => photo.state === "begun").length;
  const bar = byId("progress");
  const [first, second] = /** @type {HTMLElement[]} */ ([...bar.children]);
  first.style.width = `${(100 * done) / Math.max(1, photos.length)}%`;
  second.style.width = `${(100 * begun) / Math.max(1, photos.length)}%`;
  bar.setAttribute("aria-valuenow", String(done));
  bar.setAttribute("aria-valuemax", String(photos.length));
  bar.setAttribute("aria-valuetext", `${done} of ${photos.length} done, ${begun} begun`);
  byId("photo-counts").textContent = photos.length ? `${count(done)} of ${count(photos.length)} done` : "";
}
