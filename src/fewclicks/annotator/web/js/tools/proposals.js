/** @file Proposals: objects that were made beforehand, which the user accepts, corrects or discards. */

/** @import { Entry } from "../state/annotation.js" */
/** @import { Hand } from "./editor.js" */
/** @import { Many } from "./many.js" */
/** @import { Store } from "../state/store.js" */
import { counted, t } from "../language.js";
import { nameOf } from "../state/annotation.js";

export class Proposals {
  /**
   * @param {{store: Store, hand: Hand, many: Many}} parts
   */
  constructor({ store, hand, many }) {
    this.store = store;
    this.hand = hand;
    this.many = many;
  }

  /** Those of the photo, as the list shows them. */
  get list() {
    return this.store.stack.filter(({ thing }) => thing.proposal && !thing.locked).reverse();
  }

  /**
   * Accept some as they are, and go on to the next one.
   * @param {Entry[]} entries
   */
  accept(entries) {
    if (!entries.length) return;
    const [first] = entries;
    for (const entry of entries) {
      this.hand.mark(entry, "done");
      entry.thing = { ...entry.thing, proposal: false };
    }
    const what = entries.length === 1 ? nameOf(first, this.store) : counted("proposal", entries.length);
    this.many.did("proposal.accepted", { what }, entries.map(({ thing }) => ({ kind: "was", object: thing.id, was: { state: "open", proposal: true } })));
    this.goOn(first);
    const left = this.list.length;
    this.store.set({ hint: left ? t("proposal.left", { proposals: counted("proposal", left) }) : t("proposal.noMore") });
  }

  /**
   * Enter: accept one. Returns whether it is a proposal.
   * @param {Entry} entry
   */
  finish(entry) {
    if (!entry.thing.proposal) return false;
    this.accept([entry]);
    return true;
  }

  /**
   * Discard one, and go on to the next. Returns whether it is a proposal.
   * @param {Entry} entry
   */
  discard(entry) {
    if (!entry.thing.proposal || entry.thing.locked) return false;
    const order = this.store.stack.toReversed();
    this.hand.remove(entry, true);
    const next = this.list.find((one) => order.indexOf(one) > order.indexOf(entry)) ?? this.list[0];
    if (next) this.hand.take(next);
    return true;
  }

  /** Discard all of this photo; one undo brings them back. */
  discardAll() {
    const gone = this.list;
    this.store.set({ hand: null });
    for (const entry of gone) this.hand.remove(entry, false);
    this.many.did("proposal.discarded", { proposals: counted("proposal", gone.length) }, gone.map(({ thing }) => ({ kind: "was", object: thing.id, was: { deleted: false } })));
  }

  /**
   * Take up the one after an object, or the first.
   * @param {Entry | null} [after]
   */
  goOn(after = this.store.hand) {
    const order = this.store.stack.toReversed();
    const at = after ? order.indexOf(after) : -1;
    const next = this.list.find((entry) => order.indexOf(entry) > at) ?? this.list[0];
    if (after && this.store.hand === after) this.store.set({ hand: null, pass: null, before: false, busy: false });
    if (next && next !== after) this.hand.take(next);
    else if (!next) this.store.set({ hint: t("proposal.none") });
    else this.hand.take(next);
    this.store.touch("entries");
  }

  /**
   * With a proposal in hand that nothing was done to, undo means what was decided last. Returns whether that is so.
   * @param {Entry} entry
   */
  undo(entry) {
    if (!entry.thing.proposal || entry.trail.done.length) return false;
    const { anywhere } = this.hand;
    if (anywhere?.last?.photo === entry.thing.photo_id) void anywhere.undo();
    else this.store.set({ hint: t("proposal.undecided") });
    return true;
  }
}
