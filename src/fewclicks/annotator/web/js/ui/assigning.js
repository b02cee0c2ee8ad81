/** @file The dialog that gives photos to people. */

/** @import { Desk } from "../state/workspace.js" */
/** @import { Notices } from "./toasts.js" */
/** @import { Photo } from "../types.js" */
/** @import { Store } from "../state/store.js" */
import { counted, t } from "../language.js";
import * as team from "../sync/team.js";
import { show } from "./dialogs.js";
import { enable, h } from "./dom.js";

/**
 * Give the photos that the list shows to people, evenly.
 * @param {{store: Store, desk: Desk, notices: Notices}} parts
 * @param {Photo[]} photos
 */
export async function assignDialog(parts, photos) {
  const boxes = (await known(parts.store)).map((name) => h("input", { type: "checkbox", value: name }));
  const other = h("input", { type: "text", id: "assign-other", placeholder: t("assign.other"), "aria-label": t("assign.other"), maxlength: 100 });
  const open = h("input", { type: "checkbox", id: "assign-open", checked: true });
  const chosen = () => [...boxes.filter((box) => box.checked).map((box) => box.value), other.value.trim()].filter(Boolean);
  const those = () => photos.filter((photo) => !open.checked || isOpen(photo));
  const give = async (/** @type {string[]} */ people) => void ((await given(parts, those(), people)) && dialog.close());
  const go = h("button", { type: "button", class: "button primary", id: "assign-go", onclick: () => void give(chosen()) });
  const free = h("button", { type: "button", class: "button", onclick: () => void give([]) }, t("assign.free"));
  const tell = () => {
    const people = chosen();
    const number = those().length;
    const none = number ? null : t("assign.noneOpen");
    const why = none ?? (people.length ? null : t("assign.noPeople"));
    go.textContent = t(people.length > 1 ? "assign.evenly" : "assign.some", { photos: counted("photo", number) });
    enable(go, why, go.textContent);
    enable(free, none, t("assign.free"));
    said.textContent = why ?? "";
  };
  const names = boxes.map((box) => h("label", { class: "check" }, box, box.value));
  const said = h("p", { class: "dim", role: "status", id: "assign-said" });
  const only = h("label", { class: "check" }, open, t("assign.only"));
  const body = h("div", { class: "fields" }, ...names, other, only, said);
  body.addEventListener("input", tell);
  const dialog = show("people-dialog", t("assign.title"), [body], [free, go]);
  tell();
}

/**
 * Who may be given photos: those who may sign in, those who have some, and who asks.
 * @param {Store} store
 */
async function known({ state }) {
  const people = await team.people().catch(() => []);
  const active = people.filter((one) => one.active).map((one) => one.name);
  return [...new Set([...active, ...state.photos.map((one) => one.assignee), state.person])].filter(Boolean).sort();
}

/**
 * Whether a photo is nobody's and has work left.
 * @param {Photo} photo
 */
function isOpen({ assignee, state }) {
  return !assignee && state !== "done" && state !== "accepted";
}

/**
 * Give photos to people, evenly, with a way back; to nobody: take them from everybody. False: it was refused, and said so.
 * @param {{desk: Desk, notices: Notices}} parts
 * @param {Photo[]} photos
 * @param {string[]} people
 */
async function given({ desk, notices }, photos, people) {
  try {
    await putAll(desk, people.length ? { evenly: people } : { assignee: "" }, photos);
  } catch (error) {
    notices.problem(error);
    return false;
  }
  const back = async () => {
    for (const assignee of new Set(photos.map((photo) => photo.assignee))) {
      await putAll(desk, { assignee }, photos.filter((photo) => photo.assignee === assignee));
    }
  };
  notices.show(t("assign.given", { photos: counted("photo", photos.length), people: people.join(", ") || t("nobody") }), () => void back());
  return true;
}

/**
 * @param {Desk} desk
 * @param {{evenly?: string[], assignee?: string}} what
 * @param {Photo[]} photos as they were
 */
async function putAll(desk, what, photos) {
  if (!photos.length) return;
  const ids = photos.map((photo) => photo.id);
  for (const photo of await team.patchPhotos({ ids, ...what })) desk.replace(photo);
}
