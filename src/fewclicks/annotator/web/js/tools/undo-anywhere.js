/** @file What was done last in this tab, on whichever photo: with nothing in hand, undo goes there and takes it back. */

/** @import { Entry } from "../state/annotation.js" */
/** @import { Desk } from "../state/workspace.js" */
/** @import { Hand } from "./editor.js" */
/** @import { Store } from "../state/store.js" */
import { t } from "../language.js";
import { nameOf } from "../state/annotation.js";

const KEY = "fewclicks.done";
/** So many actions are remembered. */
const MOST = 1000;

export class UndoAnywhere {
  /**
   * @param {{store: Store, desk: Desk, hand: Hand}} parts
   */
  constructor({ store, desk, hand }) {
    this.store = store;
    this.desk = desk;
    this.hand = hand;
    /** @type {{photo: number, object: string}[]} oldest first */
    this.done = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  }

  /**
   * Something was done to an object, or done again.
   * @param {Entry} entry
   */
  add({ thing }) {
    this.keep([...this.done, { photo: thing.photo_id, object: thing.id }].slice(-MOST));
  }

  /**
   * The last that was done to an object was taken back.
   * @param {Entry} entry
   */
  drop({ thing }) {
    const at = this.done.findLastIndex(({ object }) => object === thing.id);
    if (at >= 0) this.keep(this.done.filter((_, i) => i !== at));
  }

  /** @param {{photo: number, object: string}[]} done */
  keep(done) {
    this.done = done;
    sessionStorage.setItem(KEY, JSON.stringify(done));
  }

  /** Go where the last thing was done, and take it back. */
  async undo() {
    for (let last = this.done.at(-1); last; last = this.done.at(-1)) {
      const { photo, object } = last;
      if (this.store.state.photo?.id !== photo) await this.desk.open(photo);
      if (this.store.state.photo?.id !== photo || this.store.state.loading) return;
      const entry = this.store.state.entries.get(object);
      if (entry && !entry.thing.deleted && (entry.thing.can_undo || this.hand.queue.lines.has(object))) {
        if (this.hand.refuses(entry)) return;
        this.hand.take(entry);
        this.hand.step(entry, "undo");
        return this.store.set({ hint: t("undo.takenBack", { name: nameOf(entry, this.store) }) });
      }
      this.keep(this.done.slice(0, -1));
    }
    this.store.set({ hint: t("undo.nothing") });
  }
}
