/** @file The photos of the folder: how far each is, how far all are, filter and search. */

/** @import { Desk } from "../../state/workspace.js" */
/** @import { Photo, PhotoState } from "../../types.js" */
/** @import { Store } from "../../state/store.js" */
import { count, counted, t } from "../../language.js";
import { STATES } from "../../state/review.js";
import { BASE, json } from "../../sync/api.js";
import { byId, check, debounced, h, roving } from "../dom.js";
import { Rows } from "../virtual-list.js";

/** @type {("all" | PhotoState)[]} */
const FILTERS = ["all", ...STATES];

export class PhotosPanel {
  /**
   * @param {Store} store
   * @param {Desk} desk
   */
  constructor(store, desk) {
    this.store = store;
    /** @type {Photo[]} those that the list shows */
    this.shown = [];
    /** @type {"all" | PhotoState} */
    this.filter = "all";
    this.search = byId("photo-search", HTMLInputElement);
    /** @type {Set<number> | null} what the server found; null: the words are looked for here */
    this.found = null;
    const ask = debounced(250, () => void this.ask());
    this.search.addEventListener("input", () => (this.search.value.includes(":") ? ask() : this.heard(null, "")));
    /** @type {Rows<Photo>} */
    this.rows = new Rows(byId("photo-list"), {
      label: t("photos.title"),
      empty: t("photos.noneLike"),
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
    const buttons = FILTERS.map((name) =>
      h("button", { type: "button", role: "radio", "data-filter": name, onclick: () => this.choose(name) }, t(`photos.${name}`)),
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

  /** Have the server find photos by what is in them. */
  async ask() {
    const query = this.search.value;
    try {
      const ids = await json("GET", `/photos/find?query=${encodeURIComponent(query)}`);
      if (query === this.search.value) this.heard(new Set(ids), "");
    } catch (error) {
      if (query === this.search.value) this.heard(new Set(), /** @type {Error} */ (error).message);
    }
  }

  /**
   * @param {Set<number> | null} found
   * @param {string} fault
   */
  heard(found, fault) {
    this.found = found;
    this.rows.nothing.textContent = fault || t("photos.noneLike");
    this.show();
  }

  show() {
    const text = this.search.value.trim().toLowerCase();
    const { photos } = this.store.state;
    const wanted = (/** @type {Photo} */ photo) =>
      (this.filter === "all" || photo.state === this.filter) && (this.found ? this.found.has(photo.id) : said(photo).includes(text));
    this.shown = photos.filter(wanted);
    this.rows.show(this.shown);
  }
}

/**
 * @param {Photo} photo
 * @param {HTMLElement | null} old
 */
function rowOf(photo, old) {
  const news = [photo.state, photo.objects, photo.assignee, photo.comments, photo.tags.join(), photo.problem ?? "", ...photo.notes].join();
  if (old?.dataset.news === news) return old;
  const thumb = h("img", { class: "thumb", src: `${BASE}/photos/${photo.id}/thumb`, alt: "", loading: "lazy", decoding: "async" });
  const row = h(
    "div",
    { "data-news": news, title: photo.problem ?? [photo.name, ...photo.notes].join("\n") },
    photo.problem ? h("span", { class: "thumb" }) : thumb,
    h("span", { class: "text" }, h("span", { class: "ellipsis" }, photo.name), h("small", { class: "ellipsis" }, stand(photo))),
    h("span", { class: `state ${photo.problem ? "problem" : photo.state}` }),
  );
  old?.remove();
  return row;
}

/**
 * How far a photo is, in words.
 * @param {Photo} photo
 */
function stand({ problem, state, assignee, comments, objects }) {
  if (problem) return t("photos.unreadable");
  const parts = [t(`state.${state}`), assignee, comments && counted("comment", comments)].filter(Boolean);
  return parts.join(" · ") + (objects ? `, ${counted("object", objects)}` : "");
}

/**
 * What a photo is found by: its name, its tags, its note, who is to do it.
 * @param {Photo} photo
 */
function said({ name, tags, note, assignee }) {
  return [name, ...tags, note, assignee].join("\n").toLowerCase();
}

/** @param {Photo[]} photos */
function progress(photos) {
  const total = Math.max(1, photos.length);
  const number = (/** @type {PhotoState} */ state) => photos.filter((photo) => photo.state === state).length;
  const bar = byId("progress");
  for (const part of /** @type {HTMLElement[]} */ ([...bar.children])) {
    part.style.width = `${(100 * number(/** @type {PhotoState} */ (part.className))) / total}%`;
  }
  const done = number("done") + number("accepted");
  const states = STATES.filter(number).map((state) => `${count(number(state))} ${t(`state.${state}`)}`);
  bar.setAttribute("aria-valuenow", String(done));
  bar.setAttribute("aria-valuemax", String(photos.length));
  bar.setAttribute("aria-valuetext", states.join(", "));
  bar.title = states.join(", ");
  byId("photo-counts").textContent = photos.length ? t("photos.doneOf", { done, all: photos.length }) : "";
}
