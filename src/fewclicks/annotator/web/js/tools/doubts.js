/** @file Which masks need a look: what one more pass of the cascade would change of each. `.` goes to the next such place. */

/** @import { Hand } from "./editor.js" */
/** @import { Stage } from "../canvas/canvas.js" */
/** @import { Store } from "../state/store.js" */
import { t } from "../language.js";
import { drawTwice } from "../canvas/double-line.js";
import * as api from "../sync/api.js";
import { nameOf } from "../state/annotation.js";

/** @typedef {{object: string, version: number, changed_px: number, share: number, places: {x: number, y: number, changed_px: number}[]}} Doubt */

/** A place is shown so large: a part of this many pixels of the photo fills a third of the stage. */
const AROUND = 6;
const LEAST_AROUND_PX = 60;
const RING_PX = 26;

export class Doubts {
  /**
   * @param {{store: Store, stage: Stage, hand: Hand}} parts
   */
  constructor({ store, stage, hand }) {
    this.store = store;
    this.stage = stage;
    this.hand = hand;
    /** @type {{x: number, y: number, object: string} | null} the place that was shown last */
    this.shown = null;
    /** What was asked for last: an answer for something older is dropped. */
    this.turn = 0;
    stage.overlays.push((context) => this.draw(context));
    store.on(["photo"], ({ photo }) => photo?.id !== this.photo && this.forget(photo?.id));
    store.on(["byDoubt", "loading", "waiting"], ({ byDoubt, loading, waiting }) => byDoubt && !loading && !waiting && void this.ask());
  }

  /** @param {number | undefined} photo */
  forget(photo) {
    this.photo = photo;
    this.shown = null;
    this.store.set({ doubts: new Map() });
  }

  /** Ask what one more pass would change of each object of the photo. */
  async ask() {
    const { photo } = this.store.state;
    const turn = ++this.turn;
    if (!photo) return;
    try {
      await this.hand.queue.settled();
      /** @type {{items: Doubt[]}} */
      const { items } = await api.json("GET", `/photos/${photo.id}/doubts`);
      if (turn === this.turn) this.store.set({ doubts: new Map(items.map((item) => [item.object, item])) });
    } catch (error) {
      this.store.set({ hint: /** @type {Error} */ (error).message });
    }
  }

  /**
   * Go to the next place that is in doubt, the largest first, or to the one before.
   * @param {1 | -1} way
   */
  async jump(way) {
    this.store.set({ hint: t("doubt.looking") });
    await this.ask();
    const places = [...this.store.state.doubts.values()]
      .flatMap(({ object, places: found }) => found.map((place) => ({ ...place, object })))
      .filter(({ object }) => this.store.state.entries.get(object)?.thing.deleted === false)
      .sort((a, b) => b.changed_px - a.changed_px);
    if (!places.length) return this.store.set({ hint: t("doubt.none") });
    const now = places.findIndex((place) => place.x === this.shown?.x && place.y === this.shown?.y);
    const at = now < 0 ? (way > 0 ? 0 : places.length - 1) : now + way;
    if (at < 0 || at >= places.length) {
      this.shown = null;
      return this.store.set({ hint: t(way > 0 ? "doubt.last" : "doubt.first") });
    }
    this.show(places[at], at + 1, places.length);
  }

  /**
   * @param {{x: number, y: number, changed_px: number, object: string}} place
   * @param {number} number
   * @param {number} all
   */
  show(place, number, all) {
    const entry = this.store.state.entries.get(place.object);
    if (!entry) return;
    this.hand.take(entry);
    this.shown = place;
    const { camera } = this.stage;
    const wide = Math.max(LEAST_AROUND_PX, AROUND * Math.sqrt(place.changed_px));
    const scale = Math.max(camera.fitScale, Math.min(camera.width, camera.height) / wide);
    camera.zoomTo(Math.min(8, scale));
    camera.centre(place.x, place.y);
    this.stage.view();
    this.store.set({ hint: t("doubt.here", { name: nameOf(entry, this.store), px: place.changed_px, number, all }) });
  }

  /** One more pass of the cascade over the mask in hand. */
  fit() {
    if (!this.store.hand) return this.store.set({ hint: t("doubt.nothing") });
    this.hand.act({ kind: "fit", cfr: 0, adaptive: false });
  }

  /** @param {CanvasRenderingContext2D} context */
  draw(context) {
    if (!this.shown || this.store.state.hidden || this.store.state.hand !== this.shown.object) return;
    const [x, y] = this.stage.camera.toStage(this.shown.x, this.shown.y);
    const ring = new Path2D();
    ring.arc(x, y, RING_PX, 0, 2 * Math.PI);
    drawTwice(context, ring, { width: 2, colour: "#ffd54a" });
  }
}
