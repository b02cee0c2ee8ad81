/** @file What the user may not do, and why: by their role, and on a photo that was accepted. The server refuses the same. */

/** @import { State } from "./store.js" */
import { t } from "../language.js";

/**
 * Why the user may not do what reviewers do; null: they may.
 * @param {Pick<State, "role">} state
 */
export function onlyReviewers({ role }) {
  return role === "annotator" ? t("reviewersDoThat") : null;
}

/**
 * Why the user may change nothing on the photo; null: they may.
 * @param {Pick<State, "role" | "photo">} state
 */
export function closed({ role, photo }) {
  return role === "annotator" && photo?.state === "accepted" ? t("isAccepted") : null;
}

/**
 * Why nothing can be done to the object in hand, where there is none.
 * @param {Pick<State, "selected">} state
 */
export function noneInHand({ selected }) {
  return t(selected.size ? "severalSelected" : "nothingSelected");
}

/**
 * Whether somebody is the user.
 * @param {Pick<State, "person" | "signedIn">} state
 * @param {string} name
 */
export function isMe({ person, signedIn }, name) {
  return name !== "" && name === (signedIn || person);
}
