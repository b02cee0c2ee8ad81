/** @file Others who are here: who shows the same photo, and what they edit, which is not edited here at the same time. */

/** @import { Desk } from "./workspace.js" */
/** @import { Notices } from "../ui/toasts.js" */
/** @import { Present } from "../types.js" */
/** @import { Store } from "./store.js" */
import { t } from "../language.js";
import * as team from "../sync/team.js";
import { Problem } from "../sync/api.js";
import { nameOf } from "./annotation.js";
import { byId, h } from "../ui/dom.js";

export class Company {
  /**
   * @param {{store: Store, desk: Desk, notices: Notices}} parts
   */
  constructor({ store, desk, notices }) {
    this.store = store;
    this.desk = desk;
    this.notices = notices;
    /** @type {Present[]} the other pages that show this photo */
    this.others = [];
    /** What the server was told that is edited here. */
    this.told = /** @type {string | null} */ (null);
    this.element = h("span", { class: "company", id: "company", role: "status" });
    byId("photo-place").after(this.element);
    const before = desk.heard;
    desk.heard = (name, said) => (name === "presence" ? this.heard(said) : before(name, said));
    store.on(["photo"], ({ photo }) => photo?.id !== this.photo && this.left(photo?.id ?? 0));
    store.on(["hand"], () => void this.hold());
    store.on(["entries"], () => this.others.length && this.show());
  }

  photo = 0;

  /** @param {number} photo that is open now */
  left(photo) {
    this.photo = photo;
    this.others = [];
    this.told = null;
    this.show();
  }

  /** @param {Present[]} said */
  heard(said) {
    const known = this.others.map((one) => one.page);
    this.others = said.filter((one) => one.page !== team.PAGE && one.photo_id === this.store.state.photo?.id);
    const own = said.find((one) => one.page === team.PAGE);
    const forgotten = this.told && own && own.object_id === null;
    if (forgotten && this.others.some((one) => one.object_id === this.told && one.person !== own.person)) this.lost();
    else if (forgotten) this.told = null; // the server took this page for closed, or has not heard yet what it edits
    this.show();
    // Whoever came last does not know yet what is edited here.
    if (forgotten || this.others.some((one) => !known.includes(one.page))) void this.hold();
  }

  /** Tell the server what is edited here, as long as there is somebody whom that concerns. */
  async hold(force = false) {
    const { photo, hand } = this.store.state;
    if (!photo || (!this.others.length && !this.told) || (this.told === hand && !force)) return;
    this.told = hand;
    try {
      await team.hold(photo.id, hand, force);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 409 || this.told !== hand) return;
      this.told = null;
      this.store.set({ hand: null, pass: null, before: false, busy: false });
      const again = () => {
        const entry = this.store.state.entries.get(String(hand));
        if (!entry) return;
        this.told = hand;
        void team.hold(photo.id, hand, true).then(() => this.desk.hand.take(entry));
      };
      this.notices.show(error.message, again, "news", t("company.takeOver"));
    }
  }

  /** Somebody has taken over what is edited here. */
  lost() {
    this.told = null;
    if (this.store.hand) this.notices.show(t("company.lost", { name: nameOf(this.store.hand, this.store) }));
    this.store.set({ hand: null, pass: null, before: false, busy: false });
  }

  show() {
    this.element.replaceChildren(...this.others.map((one) => this.chip(one)));
  }

  /** @param {Present} one */
  chip(one) {
    const who = one.person || t("company.somebody");
    const entry = one.object_id ? this.store.state.entries.get(one.object_id) : null;
    const title = entry ? t("company.edits", { who, name: nameOf(entry, this.store) }) : t("company.looks", { who });
    return h("span", { class: `chip who${entry ? " edits" : ""}`, title }, entry ? `${who}: ${nameOf(entry, this.store)}` : who);
  }
}
