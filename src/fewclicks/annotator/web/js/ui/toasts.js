/** @file Short notices at the bottom, with a way to take back what they tell of. They go by themselves. */

import { keysOf } from "../state/keys.js";
import { t } from "../language.js";
import { byId, h } from "./dom.js";

const SHOWN_MS = 8000;

export class Notices {
  constructor() {
    this.element = byId("notices");
    /** @type {(() => void) | null} what the latest notice offers to take back */
    this.back = null;
  }

  /**
   * @param {string} text
   * @param {() => unknown} [undo] offered as a button, and as a key; the notice stays where it gives false
   * @param {"news" | "problem"} [kind]
   * @param {string} [word] what the button says
   * @returns {() => void} takes the notice away
   */
  show(text, undo, kind = "news", word = t("undo")) {
    const notice = h("div", { class: `notice ${kind}`, role: kind === "problem" ? "alert" : "status" }, h("span", {}, text));
    /** @type {ReturnType<typeof setTimeout>} */
    let timer;
    const close = () => {
      clearTimeout(timer);
      notice.remove();
      if (this.back === takeBack) this.back = null;
    };
    const takeBack = () => {
      if (undo?.() !== false) close();
    };
    const start = () => (timer = setTimeout(close, SHOWN_MS));
    if (undo) {
      notice.append(h("button", { type: "button", class: "link", onclick: takeBack, "aria-keyshortcuts": keysOf("takeBack").join(" ") }, word));
      this.back = takeBack;
    }
    notice.append(h("button", { type: "button", class: "close", "aria-label": t("close"), onclick: close }, "×"));
    notice.addEventListener("pointerenter", () => clearTimeout(timer));
    notice.addEventListener("pointerleave", start);
    notice.addEventListener("focusin", () => clearTimeout(timer));
    notice.addEventListener("focusout", start);
    for (const old of [...this.element.children].slice(0, -2)) old.remove();
    this.element.append(notice);
    start();
    return close;
  }

  /**
   * Tell what went wrong.
   * @param {unknown} error
   */
  problem(error) {
    this.show(/** @type {Error} */ (error).message, undefined, "problem");
  }

  /**
   * Do something; what goes wrong is told.
   * @param {() => Promise<void>} work
   * @returns {Promise<boolean>} whether it went well
   */
  async tried(work) {
    try {
      await work();
      return true;
    } catch (error) {
      this.problem(error);
      return false;
    }
  }

  /** Take back what the latest notice tells of. */
  undo() {
    this.back?.();
  }
}
