/** @file The outline of the object in hand as vertices that are dragged. The mask stays the truth: only what lies between the two outlines changes. */

/** @import { Hand } from "./editor.js" */
/** @import { Stage } from "../canvas/canvas.js" */
/** @import { Store } from "../state/store.js" */
import { t } from "../language.js";
import { drawVertices } from "../canvas/vertices-overlay.js";
import { ringsOf } from "../canvas/simplify.js";

/** @typedef {[number, number]} Point */
/** @typedef {{points: Point[], hole: boolean}} Ring */
/** @typedef {{ring: number, at: number, fresh: boolean}} Grip a vertex; `fresh`: it is made where an edge was taken hold of */

/** A vertex, or an edge, is taken hold of from so far on the screen. */
const REACH_PX = 9;
const TOUCH_REACH_PX = 22;
/** The outline on the screen lies no farther than this from that of the mask. */
const LOOSE_PX = 1.75;

export class Vertices {
  /**
   * @param {{store: Store, stage: Stage, hand: Hand}} parts
   */
  constructor({ store, stage, hand }) {
    this.store = store;
    this.stage = stage;
    this.hand = hand;
    /** @type {{key: string, rings: Ring[]}} the outline as it is shown */
    this.known = { key: "", rings: [] };
    /** @type {Grip | null} what is dragged */
    this.grip = null;
    /** @type {Grip | null} what the pointer could take hold of */
    this.near = null;
    /** @type {Point | null} where it is dragged to, on the photo */
    this.to = null;
    stage.overlays.push((context) => this.draw(context));
    /** What is dragged belongs to it: another object, photo or tool lets go, news of the same photo do not. */
    this.place = "";
    store.on(["hand", "photo", "tool"], ({ hand: object, photo, tool }) => {
      const place = `${object} ${photo?.id} ${tool}`;
      if (place !== this.place) this.cancel();
      this.place = place;
    });
    store.on(["entries"], () => this.stage.draw({ overlay: true }));
  }

  get rings() {
    const entry = this.store.hand;
    if (!entry || entry.hidden) return [];
    // In steps of the zoom, so that vertices do not dance while it changes.
    const step = 2 ** Math.floor(Math.log2(this.stage.camera.scale));
    const key = `${entry.thing.id} ${entry.revision} ${step}`;
    if (!this.grip && this.known.key !== key) this.known = { key, rings: ringsOf(entry.loops, Math.max(0.75, LOOSE_PX / step)) };
    return this.known.rings;
  }

  /**
   * What lies under a place of the stage: the nearest vertex, or else an edge.
   * @param {Point} place
   * @param {number} reach
   * @returns {Grip | null}
   */
  at(place, reach) {
    const { camera } = this.stage;
    /** @type {Grip | null} */
    let vertex = null;
    /** @type {Grip | null} */
    let edge = null;
    let [least, leastEdge] = [reach, reach * 0.75];
    this.rings.forEach(({ points }, ring) => {
      points.forEach((point, at) => {
        const here = camera.toStage(...point);
        const next = camera.toStage(...points[(at + 1) % points.length]);
        const far = Math.hypot(here[0] - place[0], here[1] - place[1]);
        if (far < least) [least, vertex] = [far, { ring, at, fresh: false }];
        const beside = distance(place, here, next);
        if (beside < leastEdge) [leastEdge, edge] = [beside, { ring, at: at + 1, fresh: true }];
      });
    });
    return vertex ?? edge;
  }

  /**
   * Take hold of what lies there. Returns whether there was something.
   * @param {Point} place
   * @param {boolean} touch
   */
  start(place, touch = false) {
    const entry = this.store.hand;
    if (!entry || this.hand.refuses(entry)) return false;
    this.grip = this.at(place, touch ? TOUCH_REACH_PX : REACH_PX);
    this.to = this.grip && this.stage.camera.toPhoto(...place);
    this.stage.draw({ overlay: true });
    return this.grip !== null;
  }

  /** @param {Point} place */
  move(place) {
    if (this.grip) this.to = this.stage.camera.toPhoto(...place);
    else this.near = this.at(place, REACH_PX);
    this.stage.element.classList.toggle("can-grip", this.grip !== null || this.near !== null);
    this.stage.draw({ overlay: true });
  }

  /** Let go: what was drawn is sent. */
  finish() {
    const [grip, to] = [this.grip, this.to];
    const ring = grip && this.known.rings[grip.ring];
    this.cancel();
    if (ring && to) this.send(ring, moved(ring.points, grip, to));
  }

  /**
   * Take a vertex away.
   * @param {Point} place
   */
  remove(place) {
    const grip = this.at(place, REACH_PX);
    const ring = grip && !grip.fresh ? this.rings[grip.ring] : null;
    const entry = this.store.hand;
    if (!grip || !ring || !entry || this.hand.refuses(entry)) return;
    if (ring.points.length <= 3) return this.store.set({ hint: t("outline.three") });
    this.send(ring, ring.points.filter((_, at) => at !== grip.at));
  }

  /**
   * @param {Ring} ring
   * @param {Point[]} points
   */
  send({ points: before, hole }, points) {
    const sent = (/** @type {Point[]} */ ring) => ring.map(([x, y]) => [Math.round(x * 100) / 100, Math.round(y * 100) / 100]);
    if (JSON.stringify(sent(before)) === JSON.stringify(sent(points))) return;
    // A hole that grows takes pixels away.
    const [from, to] = hole ? [points, before] : [before, points];
    this.hand.act({ kind: "reshape", before: sent(from), after: sent(to) });
  }

  /** Nothing is dragged any more. Returns whether something was. */
  cancel() {
    const was = this.grip !== null;
    this.grip = this.near = this.to = null;
    this.stage.element.classList.remove("can-grip");
    this.stage.draw({ overlay: true });
    return was;
  }

  /** @param {CanvasRenderingContext2D} context */
  draw(context) {
    if (this.store.state.tool !== "outline" || this.store.state.hidden) return;
    const rings = this.rings.map(({ points }) => points);
    const { grip, to } = this;
    if (grip && to) rings[grip.ring] = moved(rings[grip.ring], grip, to);
    drawVertices(context, this.stage.camera, rings, grip ?? this.near, grip !== null);
  }
}

/**
 * The ring with a vertex elsewhere, or with one more.
 * @param {Point[]} points
 * @param {Grip} grip
 * @param {Point} to
 */
function moved(points, { at, fresh }, to) {
  return fresh ? [...points.slice(0, at), to, ...points.slice(at)] : points.map((point, i) => (i === at ? to : point));
}

/**
 * How far a place lies from a line.
 * @param {Point} place
 * @param {Point} from
 * @param {Point} to
 */
function distance([x, y], [x0, y0], [x1, y1]) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const along = Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}
