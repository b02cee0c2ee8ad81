/** @file The review of the open photo: how far it is, accepting it and sending it back, and what was said of it. */

/** @import { Comment } from "../../types.js" */
/** @import { Pins } from "../pins.js" */
/** @import { Review } from "../../state/review.js" */
/** @import { Store } from "../../state/store.js" */
import { t } from "../../language.js";
import { byId, enable, h, icon, renew } from "../dom.js";

/**
 * @param {{store: Store, review: Review, pins: Pins}} parts
 */
export function reviewPanel({ store, review, pins }) {
  const button = (/** @type {string} */ id, /** @type {string} */ name, /** @type {string} */ word, /** @type {() => void} */ onclick) =>
    h("button", { type: "button", class: "button", id, onclick }, icon(name), word);
  const accept = button("accept", "check", t("review.accept"), () => void review.judge("accepted"));
  const back = button("send-back", "undo", t("review.sendBack"), () => sendBack(store, review));
  const pin = h("button", { type: "button", class: "icon-button small", "aria-label": t("review.pin").replace(/ \(.*$/, ""), onclick: () => pins.write() }, icon("pin"));
  const state = h("span", { id: "review-state", class: "chip" });
  const list = h("div", { id: "review-list", class: "comments", role: "list", "aria-label": t("review.comments") });
  const add = h("input", { type: "text", id: "comment-add", placeholder: t("review.commentHint"), "aria-label": t("review.comment"), autocomplete: "off", maxlength: 2000 });
  add.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    void review.write(add.value, null);
    add.value = "";
  });
  const count = h("span", { class: "dim number" });
  byId("review").querySelector("summary")?.append(h("span", { class: "review-head" }, count, state));
  byId("review").append(
    h("div", { class: "fields" }, h("div", { class: "pair" }, accept, back), list, h("div", { class: "pair" }, add, pin)),
  );
  store.on(["keys"], () => (pin.title = t("review.pin")));
  store.on(["photo", "role", "keys"], ({ photo }) => {
    const none = !photo || photo.problem ? t("review.noPhoto") : review.mayJudge ? null : t("reviewersDoThat");
    enable(accept, none ?? (photo?.state === "accepted" ? t("review.isAccepted") : null), t("review.acceptTitle"));
    enable(back, none ?? (photo?.state === "returned" ? t("review.isReturned") : null), t("review.sendBackTitle"));
    state.textContent = photo ? t(`state.${photo.state}`) : "";
    state.className = `chip ${photo?.state ?? ""}`;
  });
  store.on(["comments"], ({ comments }) => {
    const open = comments.filter((one) => !one.resolved).length;
    count.textContent = open ? String(open) : "";
    count.title = t("review.open", { n: open });
    renew(list, new Map(comments.map((one, at) => [shown(one, at + 1), () => row(one, at + 1, review)])));
    if (open) byId("review", HTMLDetailsElement).open = true;
  });
}

/**
 * Send the photo back: with a comment, so that it is known what for.
 * @param {Store} store
 * @param {Review} review
 */
export function sendBack(store, review) {
  if (store.state.photo && review.mayJudge && !store.state.comments.some((one) => !one.resolved)) {
    byId("review", HTMLDetailsElement).open = true;
    byId("comment-add").focus();
    return store.set({ hint: t("review.sayFirst") });
  }
  void review.judge("returned");
}

/**
 * What a row shows of a comment, and its identity.
 * @param {Comment} one
 * @param {number} number
 */
function shown(one, number) {
  return JSON.stringify([one.id, number, one.text, one.person, one.resolved, one.resolved_by]);
}

/**
 * @param {Comment} one
 * @param {number} number
 * @param {Review} review
 */
function row(one, number, review) {
  const tick = h("input", { type: "checkbox", checked: one.resolved, title: t("review.resolved"), "aria-label": t("review.isResolved", { number }) });
  tick.addEventListener("change", async () => {
    if (!(await review.resolve(one, tick.checked))) tick.checked = one.resolved;
  });
  const who = [one.person, one.resolved && one.resolved_by ? t("review.resolvedBy", { person: one.resolved_by }) : ""].filter(Boolean).join(" · ");
  const label = t("review.deleteComment", { number });
  const bin = h("button", { type: "button", class: "icon-button small", "aria-label": label, onclick: () => void review.remove(one) }, icon("trash"));
  const mark = one.x === null ? h("span", { class: "pin-mark whole" }, "·") : h("span", { class: "pin-mark" }, String(number));
  enable(bin, review.mayDelete(one) ? null : t("reviewersDoThat"), t("delete"));
  return h("div", { role: "listitem", class: `comment${one.resolved ? " resolved" : ""}`, "data-id": one.id }, mark, h("span", { class: "text" }, one.text, who && h("small", {}, who)), tick, bin);
}
