/** @file What is said of the open photo as a whole: who is to do it, its tags, a note. */

/** @import { Desk } from "../../state/workspace.js" */
/** @import { Notices } from "../toasts.js" */
/** @import { Store } from "../../state/store.js" */
import { t } from "../../language.js";
import * as api from "../../sync/api.js";
import * as team from "../../sync/team.js";
import { closed, isMe, onlyReviewers } from "../../state/rights.js";
import { byId, enable, h } from "../dom.js";

/** @typedef {{assignee?: string, note?: string, tags?: string[]}} Part */

/**
 * @param {{store: Store, desk: Desk, notices: Notices}} parts
 */
export function photoPanel({ store, desk, notices }) {
  const change = async (/** @type {Part} */ part) => {
    const { photo } = store.state;
    if (!photo) return;
    const was = Object.fromEntries(Object.keys(part).map((name) => [name, photo[/** @type {keyof Part} */ (name)]]));
    try {
      desk.replace(await api.patchPhoto(photo.id, part));
      notices.show(t("photo.changed", { name: photo.name }), () => void api.patchPhoto(photo.id, was).then((back) => desk.replace(back)));
    } catch (error) {
      notices.problem(error);
      fill();
    }
  };
  const text = (/** @type {string} */ id, /** @type {string} */ label, /** @type {(value: string) => Part} */ part) => {
    const input = h("input", { type: "text", id, autocomplete: "off", maxlength: 2000 });
    input.addEventListener("change", () => void change(part(input.value)));
    return { input, field: h("div", { class: "field wide-field" }, h("label", { for: id }, label), input) };
  };
  const known = h("datalist", { id: "known-tags" });
  const tags = text("photo-tags", t("photo.tags"), (value) => ({ tags: value.split(",").map((tag) => tag.trim()).filter(Boolean) }));
  tags.input.setAttribute("list", known.id);
  tags.input.placeholder = t("photo.tagsExample");
  const note = text("photo-note", t("photo.note"), (value) => ({ note: value }));
  const who = text("photo-assignee", t("photo.for"), (value) => ({ assignee: value.trim() }));
  // Who reviews gives photos to others; everybody takes one that is nobody's, and gives their own back.
  const foreign = (/** @type {string} */ name) => (name && !isMe(store.state, name) ? onlyReviewers(store.state) : null);
  who.input.placeholder = t("photo.nobodyYet");
  byId("photo-about").append(h("div", { class: "fields" }, who.field, tags.field, note.field, known));
  const fill = () => {
    const { photo, photos } = store.state;
    const may = (/** @type {HTMLInputElement} */ input, /** @type {string | null} */ why) => enable(input, photo ? why : t("photo.none"), input.labels?.[0]?.textContent ?? "");
    may(tags.input, closed(store.state));
    may(note.input, closed(store.state));
    may(who.input, foreign(photo?.assignee ?? ""));
    if (document.activeElement !== tags.input) tags.input.value = photo?.tags.join(", ") ?? "";
    if (document.activeElement !== note.input) note.input.value = photo?.note ?? "";
    if (document.activeElement !== who.input) who.input.value = photo?.assignee ?? "";
    const all = [...new Set(photos.flatMap((one) => one.tags))].sort();
    known.replaceChildren(...all.map((value) => h("option", { value })));
  };
  store.on(["photo", "photos", "role", "person", "signedIn"], fill);
}

/**
 * Take the next photo that is nobody's, and open it.
 * @param {{store: Store, desk: Desk, notices: Notices}} parts
 */
export async function takeNext({ store, desk, notices }) {
  try {
    const photo = await team.takeNext();
    if (!photo) return store.set({ hint: t("photo.noneFree") });
    desk.replace(photo);
    await desk.open(photo.id);
    store.set({ hint: t("photo.yours", { name: photo.name }) });
  } catch (error) {
    notices.problem(error);
  }
}
