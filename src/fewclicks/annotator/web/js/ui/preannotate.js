/** @file Pre-annotate: having objects proposed on many photos, in the background; what is done with those of this photo. */

/** @import { Desk } from "../state/workspace.js" */
/** @import { Hand } from "../tools/editor.js" */
/** @import { Job, Photo } from "../types.js" */
/** @import { Notices } from "./toasts.js" */
/** @import { Store } from "../state/store.js" */
import { counted, t } from "../language.js";
import { keep, recall } from "../state/memory.js";
import * as api from "../sync/api.js";
import { lines, show } from "./dialogs.js";
import { closed, onlyReviewers } from "../state/rights.js";
import { byId, enable, h, select, uuid } from "./dom.js";

/** @type {[string, string][]} */
const SOURCES = [
  ["everything", t("pre.everything")],
  ["found", t("pre.found")],
  ["file", t("pre.file")],
];
/** @type {[string, string][]} */
const PLACES = [
  ["all", t("pre.all")],
  ["photo", t("pre.photo")],
  ["list", t("pre.list")],
];
/** @type {[string, string][]} clicks along the longer side of the grid */
const SIZES = [
  ["5", t("pre.large")],
  ["8", t("pre.middle")],
  ["14", t("pre.small")],
];
const FILES = ".json,.zip,.png,.xml,.txt,.yaml,.yml";

export class Preannotation {
  /**
   * @param {{store: Store, desk: Desk, hand: Hand, notices: Notices, listed: () => Photo[]}} parts `listed`: the photos that the list shows
   */
  constructor({ store, desk, hand, notices, listed }) {
    this.store = store;
    this.desk = desk;
    this.hand = hand;
    this.notices = notices;
    this.listed = listed;
    /** @type {Job | null} the latest */
    this.job = null;
    const heard = desk.heard;
    desk.heard = (name, said) => {
      if (name === "preannotation") this.tell(said);
      else if (name === "connected") void this.look();
      else heard(name, said);
    };
    store.on(["folder"], ({ folder }) => folder && !this.job && void this.recall());
    store.on(["entries", "photo", "hand", "keys", "role"], () => this.bar());
  }

  /** The latest job that was there before the page, until it was closed. */
  async recall() {
    const [job] = await api.preannotations().catch(() => []);
    if (job && !this.job) this.tell(job);
  }

  /** How the job that was under way is now: its end was not heard while the server was away. */
  async look() {
    if (this.job?.state !== "running") return;
    const job = await api.preannotation(this.job.id).catch(() => null);
    if (job) this.tell(job);
  }

  /** Where the browser keeps which job of this folder was closed. */
  get key() {
    return `fewclicks.preannotation.${this.store.state.folder?.id ?? ""}`;
  }

  /** Choose what to propose, and where. */
  async dialog() {
    const { store } = this;
    const models = await api.proposers().catch(() => []);
    const source = select({ id: "pre-source" }, SOURCES);
    const where = select({ id: "pre-where" }, PLACES);
    const classes = select({ id: "pre-class" }, store.state.classes.map((one) => [String(one.id), one.name]), String(store.state.classId));
    const own = t("pre.own", { method: store.state.folder?.method ?? t("pre.theModel") });
    const model = select({ id: "pre-model" }, [["", own], ...models.map((name) => /** @type {[string, string]} */ ([name, name]))]);
    const points = select({ id: "pre-points" }, SIZES, "8");
    const file = h("input", { type: "file", id: "pre-file", accept: FILES, "aria-label": t("pre.fileLabel") });
    const how = h("div", { class: "fields" }, field(t("pre.class"), classes), field(t("pre.model"), model), field(t("pre.size"), points));
    const files = h("div", { class: "fields", hidden: true }, field(t("pre.fileField"), file));
    source.addEventListener("change", () => {
      how.hidden = source.value !== "everything";
      files.hidden = source.value !== "file";
    });
    const said = h("div", { role: "status" });
    const go = h("button", { type: "button", class: "button primary", id: "pre-go" }, t("pre.go"));
    const fields = [h("p", {}, t("pre.about")), field(t("pre.what"), source), field(t("pre.where"), where), how, files, said];
    const box = show("preannotate-dialog", t("pre.title"), fields, [go]);
    go.addEventListener("click", async () => {
      go.disabled = true;
      try {
        const numbers = { classId: Number(classes.value), points: Number(points.value) };
        await this.begin({ source: source.value, where: where.value, model: model.value, file: file.files?.[0], ...numbers });
        box.close();
      } catch (error) {
        said.replaceChildren(/** @type {Error} */ (error).message);
      } finally {
        go.disabled = false;
      }
    });
  }

  /** @param {{source: string, where: string, classId: number, model: string, points: number, file?: File}} asked */
  async begin({ source, where, classId, model, points, file }) {
    const photos = this.meant(where);
    const id = uuid();
    if (source === "file") {
      if (!file) throw new Error(t("pre.chooseFile"));
      return this.first(await api.proposeMasks(id, file, photos));
    }
    const how = source === "everything" ? { class_id: classId, model, points } : {};
    this.first(await api.preannotate({ id, source, photos, ...how }));
  }

  /**
   * The ids of the photos that are meant; undefined: all that are not done.
   * @param {string} where
   */
  meant(where) {
    const { photo } = this.store.state;
    if (where === "all") return undefined;
    const those = where === "list" ? this.listed() : photo ? [photo] : [];
    if (!those.length) throw new Error(t(where === "list" ? "pre.noneListed" : "pre.noPhoto"));
    return those.map((one) => one.id);
  }

  /**
   * The answer to a beginning: what was heard meanwhile is newer.
   * @param {Job} job
   */
  first(job) {
    if (this.job?.id !== job.id) this.tell(job);
  }

  /**
   * How a job is now, above the list of photos.
   * @param {Job} job
   */
  tell(job) {
    const before = this.job;
    this.job = job;
    const box = byId("preannotation");
    box.hidden = recall(this.key) === job.id || (job.undone && job.state !== "running");
    // While it runs, what can be pressed stays the same element: a new one would slip away under the finger.
    const shown = `${job.id} ${job.state} ${job.problems.length} ${job.notes.length}`;
    if (job.state === "running" && box.dataset.shown === shown) return this.progress(box, job);
    box.dataset.shown = shown;
    const bar = h("progress", { max: 1, value: job.progress, "aria-label": t("pre.progress") });
    const notes = job.state === "failed" ? job.notes.slice(0, -1) : job.notes;
    const why = [...job.problems.map(({ name, problem }) => `${name}: ${problem}`), ...notes];
    const deeds =
      job.state === "running"
        ? [deed("pre-cancel", t("pre.cancel"), () => void this.steer("cancel"))]
        : [
            ...(job.state === "stopped" || job.state === "canceled" ? [deed("pre-resume", t("pre.goOn"), () => void this.steer("resume"))] : []),
            ...(job.objects ? [deed("pre-undo", t("pre.undoAll"), () => void this.turn("undo"))] : []),
            deed("pre-close", t("close"), () => this.close()),
          ];
    for (const one of deeds) if (one.id !== "pre-close") enable(one, onlyReviewers(this.store.state), one.textContent ?? "");
    box.replaceChildren(
      h("span", { class: job.state === "failed" ? "stand" : "stand ellipsis" }, stand(job)),
      ...(job.state === "running" ? [bar] : []),
      ...(why.length ? [h("details", {}, h("summary", {}, counted("note", why.length)), lines(why.slice(0, 50)))] : []),
      h("span", { class: "deeds" }, ...deeds),
    );
    if (before?.id === job.id && before.state === "running" && job.state !== "running") void this.desk.relist();
    this.bar();
  }

  /**
   * @param {HTMLElement} box that shows a job which runs
   * @param {Job} job
   */
  progress(box, job) {
    const [text, bar] = [box.querySelector(".stand"), box.querySelector("progress")];
    if (text) text.textContent = stand(job);
    if (bar) bar.value = job.progress;
  }

  close() {
    keep(this.key, this.job?.id ?? "");
    byId("preannotation").hidden = true;
  }

  /** @param {"cancel" | "resume"} what */
  async steer(what) {
    if (!this.job) return;
    await this.notices.tried(async () => this.tell(await api.steerJob(this.job?.id ?? "", what)));
  }

  /**
   * Take proposals back, or propose them again: all, or those of a photo.
   * @param {"undo" | "redo"} way
   * @param {string[]} [jobs]
   * @param {number} [photo]
   */
  async turn(way, jobs = this.job ? [this.job.id] : [], photo = undefined) {
    return this.notices.tried(async () => {
      await this.desk.queue.settled();
      let [objects, kept] = [0, 0];
      for (const id of jobs) {
        const said = await api.turnJob(id, way, photo);
        objects += said.objects;
        kept += said.kept;
      }
      const open = this.store.state.photo;
      if (open) await this.desk.refresh(open.id);
      await this.desk.relist();
      const stay = kept ? t("pre.stay", { objects: counted("object", kept) }) : "";
      const said = t(way === "undo" ? "pre.back" : "pre.again", { proposals: counted("proposal", objects) }) + stay;
      if (way === "undo" && objects) this.hand.anywhere?.did(said, [{ kind: "jobs", ids: jobs, photo }], null);
      else this.notices.show(said);
    });
  }

  /** What can be done with the proposals of this photo. */
  bar() {
    const proposals = closed(this.store.state) ? [] : (this.hand.proposals?.list ?? []);
    const box = byId("proposals");
    const news = proposals.length ? `${proposals.length} ${t("pre.nextTitle")}` : "";
    box.hidden = !news;
    if (box.dataset.news === news) return;
    box.dataset.news = news;
    box.replaceChildren(
      h("span", {}, counted("proposal", proposals.length)),
      deed("proposal-next", t("pre.next"), () => this.hand.proposals?.goOn(), t("pre.nextTitle")),
      deed("proposal-all", t("pre.acceptAll"), () => this.hand.proposals?.accept(proposals), t("pre.acceptAllTitle")),
      deed("proposal-none", t("pre.discardAll"), () => this.hand.proposals?.discardAll(), t("pre.discardAllTitle")),
    );
  }
}

/**
 * How far a job is, or why it failed, which is its last note.
 * @param {Job} job
 */
function stand({ state, done, photos, objects, notes }) {
  const far = t("pre.of", { done, photos: counted("photo", photos) });
  const came = (state === "failed" && notes.at(-1)) || counted("proposal", objects);
  return `${t(`pre.${state}`)}: ${state === "running" ? far : came}`;
}

/**
 * @param {string} text
 * @param {Element} control
 */
function field(text, control) {
  return h("label", { class: "check" }, text, control);
}

/**
 * A button that does something about proposals.
 * @param {string} id
 * @param {string} word
 * @param {() => void} onclick
 * @param {string} [title]
 */
function deed(id, word, onclick, title = "") {
  return h("button", { type: "button", class: "button small", id, title, onclick }, word);
}
