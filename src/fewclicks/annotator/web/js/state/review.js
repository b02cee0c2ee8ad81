/** @file What is said of the open photo: accepting it, sending it back, comments, each with a way to take it back. */

/** @import { Comment, Photo, PhotoState } from "../types.js" */
/** @import { Desk } from "./workspace.js" */
/** @import { Notices } from "../ui/toasts.js" */
/** @import { Store } from "./store.js" */
import { t } from "../language.js";
import * as api from "../sync/api.js";
import * as team from "../sync/team.js";
import { isMe } from "./rights.js";
import { uuid } from "../ui/dom.js";

/** @type {PhotoState[]} */
export const STATES = ["untouched", "begun", "done", "accepted", "returned"];

export class Review {
  /**
   * @param {{store: Store, desk: Desk, notices: Notices}} parts
   */
  constructor({ store, desk, notices }) {
    this.store = store;
    this.desk = desk;
    this.notices = notices;
    /** The photo whose comments are shown. */
    this.shown = 0;
    desk.heard = (name, data) => name === "comments" && this.store.set({ comments: data });
    store.on(["photo"], ({ photo }) => void this.read(photo));
  }

  /** Whether the user may accept photos and send them back. */
  get mayJudge() {
    return this.store.state.role !== "annotator";
  }

  /**
   * Whether the user may delete a comment: their own, and reviewers all.
   * @param {Comment} comment
   */
  mayDelete({ person }) {
    return this.mayJudge || isMe(this.store.state, person);
  }

  /** @param {Photo | null} photo */
  async read(photo) {
    if (photo?.id === this.shown) return;
    this.shown = photo?.id ?? 0;
    this.store.set({ comments: [] });
    if (!photo) return;
    const found = await team.comments(photo.id).catch(() => []);
    if (this.shown === photo.id) this.store.set({ comments: found });
  }

  /**
   * Bring the photo into a state, and go on with the next that waits for that.
   * @param {"accepted" | "returned"} state
   */
  async judge(state) {
    const { photo } = this.store.state;
    if (!photo || !this.mayJudge) return this.store.set({ hint: t(photo ? "review.onlyReviewers" : "review.nothing") });
    if (photo.state === state) return this.store.set({ hint: t("review.already", { state: t(`state.${state}`) }) });
    if (await this.change(photo, state)) this.next();
  }

  /**
   * @param {Photo} photo
   * @param {PhotoState} state
   */
  async change(photo, state) {
    const was = photo.state;
    try {
      this.desk.hand.release();
      await this.desk.queue.settled();
      this.desk.replace(await api.patchPhoto(photo.id, { state }));
    } catch (error) {
      this.notices.problem(error);
      return false;
    }
    this.notices.show(t("review.isNow", { name: photo.name, state: t(`state.${state}`) }), () => void this.back(photo, was));
    return true;
  }

  /**
   * @param {Photo} photo
   * @param {PhotoState} was
   */
  async back(photo, was) {
    try {
      this.desk.replace(await api.patchPhoto(photo.id, { state: was }));
      await this.desk.open(photo.id);
    } catch (error) {
      this.notices.problem(error);
    }
  }

  /** Open the next photo that is done and waits for review. */
  next() {
    const { photos, photo } = this.store.state;
    const at = photos.findIndex((one) => one.id === photo?.id);
    const next = [...photos.slice(at + 1), ...photos.slice(0, Math.max(0, at))].find((one) => one.state === "done");
    if (next) void this.desk.open(next.id);
    else this.store.set({ hint: t("review.noOther") });
  }

  /**
   * Write a comment. Null place: on the whole photo.
   * @param {string} text
   * @param {[number, number] | null} at
   */
  async write(text, at) {
    const { photo, hand } = this.store.state;
    if (!photo || !text.trim()) return;
    const place = at ? { x: Math.round(at[0]), y: Math.round(at[1]), ...(this.isSaved(hand) ? { object_id: String(hand) } : {}) } : {};
    await this.notices.tried(async () => this.put(await team.comment(uuid(), { photo_id: photo.id, text: text.trim(), ...place })));
  }

  /**
   * The server has heard of the object.
   * @param {string | null} id
   */
  isSaved(id) {
    return id !== null && (this.store.state.entries.get(id)?.thing.version ?? 0) > 0;
  }

  /**
   * @param {Comment} comment
   * @param {boolean} resolved
   * @returns whether the server has it
   */
  async resolve(comment, resolved) {
    return this.notices.tried(async () => this.put(await team.patchComment(comment.id, { resolved })));
  }

  /** @param {Comment} comment */
  async remove(comment) {
    await this.notices.tried(async () => {
      this.put(await team.patchComment(comment.id, { deleted: true }));
      this.notices.show(t("review.commentDeleted"), () => void this.notices.tried(async () => this.put(await team.patchComment(comment.id, { deleted: false }))));
    });
  }

  /**
   * A comment as it is now.
   * @param {Comment} comment
   */
  put(comment) {
    if (comment.photo_id !== this.store.state.photo?.id) return;
    const others = this.store.state.comments.filter((one) => one.id !== comment.id);
    const all = comment.deleted ? others : [...others, comment];
    this.store.set({ comments: all.sort((a, b) => (a.at < b.at ? -1 : 1)) });
  }
}
