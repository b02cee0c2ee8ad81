/**
 * @file What the user did, on its way to the server: in order for each object, again until it is there, once. What waits
 * is also kept in the browser, so that a browser that dies loses nothing: the next page on the same folder sends it.
 */

/** @import { Thing } from "../types.js" */
import { t } from "../language.js";
import { json, Problem } from "./api.js";
import { uuid } from "../ui/dom.js";

/**
 * @typedef {object} Item
 * @property {string} id of the action: the server does an action once, however often it is sent
 * @property {string} object
 * @property {string} method
 * @property {string} path
 * @property {Record<string, unknown>} body
 * @property {boolean} again send it once more when somebody else has changed the object meanwhile
 */

/**
 * @typedef {object} Handlers
 * @property {(object: string) => number | undefined} version the last one that is known
 * @property {(item: Item, reply: any) => Promise<void> | void} done
 * @property {(item: Item, problem: Error) => Promise<void> | void} failed
 * @property {(item: Item, current: Thing) => Promise<void>} conflict somebody else was faster
 * @property {(problem: Problem) => void} later the server says no for now: it is asked again
 * @property {(object: string) => void} idle nothing of this object waits any more
 * @property {(waiting: number, reached: boolean) => void} state
 */

const FIRST_WAIT_MS = 250;
const LAST_WAIT_MS = 2000;
/** A server that fails at an action is asked so often. */
const TRIES = 4;
/** An action comes on top of what others did, also where they go on meanwhile: it is sent again so often. */
const CONFLICTS = 10;
const TAB = "fewclicks.tab";

export class Queue {
  /** @param {Handlers} handlers */
  constructor(handlers) {
    this.handlers = handlers;
    /** @type {Map<string, Item[]>} */
    this.lines = new Map();
    this.reached = true;
    /** Where what waits is kept in the browser; empty: nowhere. */
    this.key = "";
    /** @type {(() => void)[]} */
    this.sleepers = [];
    /** @type {(() => void)[]} who waits for everything to be saved */
    this.watchers = [];
    /** @type {((problem: Error) => void)[]} those of them who do not wait for a server that does not answer */
    this.hasty = [];
    addEventListener("online", () => this.wake());
  }

  /** How many actions are not yet saved. */
  get waiting() {
    return [...this.lines.values()].reduce((sum, line) => sum + line.length, 0);
  }

  /**
   * Keep what waits for this folder in the browser, and send what a page that died has left.
   * @param {string} folder
   */
  async keep(folder) {
    const tab = sessionStorage.getItem(TAB) ?? uuid();
    sessionStorage.setItem(TAB, tab);
    const start = `fewclicks.queue.${folder}.`;
    this.key = start + tab;
    const left = [this.key];
    if (navigator.locks) {
      const free = await new Promise((resolve) => {
        navigator.locks.request(this.key, { ifAvailable: true }, (lock) => {
          resolve(lock !== null);
          return lock ? new Promise(() => {}) : undefined;
        });
      });
      if (!free) {
        // This tab is a copy of one that lives: it has the same session storage, and needs a name of its own.
        sessionStorage.removeItem(TAB);
        await this.keep(folder);
        return;
      }
      const held = new Set((await navigator.locks.query()).held?.map((lock) => lock.name));
      left.push(...Object.keys(localStorage).filter((key) => key.startsWith(start) && !held.has(key)));
    }
    for (const key of left) {
      const items = /** @type {Item[]} */ (JSON.parse(localStorage.getItem(key) ?? "[]"));
      localStorage.removeItem(key);
      for (const item of items) this.push(item);
    }
  }

  /** @param {Item} item */
  push(item) {
    const line = this.lines.get(item.object);
    if (line) line.push(item);
    else this.lines.set(item.object, [item]);
    this.changed();
    if (!line) void this.run(item.object);
  }

  /** @param {string} object */
  async run(object) {
    const line = /** @type {Item[]} */ (this.lines.get(object));
    // What makes an object and what is first done to it are pushed together, and sent together.
    await undefined;
    while (line.length) {
      if (makes(line[0]) && line[1]?.path.endsWith("/actions")) {
        const [{ body }] = line.splice(0, 1);
        line[0] = { ...line[0], body: { ...line[0].body, new: body } };
      }
      await this.send(line[0]);
      line.shift();
      if (!line.length) this.lines.delete(object);
      this.changed();
    }
    this.handlers.idle(object);
    if (!this.lines.size) for (const tell of this.watchers.splice(0)) tell();
  }

  /** Resolves when everything is saved. */
  settled() {
    return new Promise((resolve) => {
      if (this.lines.size) this.watchers.push(() => resolve(undefined));
      else resolve(undefined);
    });
  }

  /** Resolves when everything is saved; rejects once the server does not answer: what comes after it is not done later by itself. */
  async savedNow() {
    if (this.lines.size && !this.reached) throw new TypeError(t("sync.silent"));
    await Promise.race([this.settled(), new Promise((_, reject) => this.hasty.push(reject))]);
    this.hasty = [];
  }

  /**
   * Send until there is an answer.
   * @param {Item} item
   */
  async send(item) {
    let left = item.again ? CONFLICTS : 0;
    for (let tries = 1; ; tries++) {
      try {
        const reply = await json(item.method, item.path, this.body(item));
        this.reach(true);
        return await this.handlers.done(item, reply);
      } catch (error) {
        const problem = /** @type {Error} */ (error);
        this.reach(problem instanceof Problem);
        if (problem instanceof Problem && problem.current) {
          try {
            await this.handlers.conflict(item, problem.current);
          } catch {
            // What somebody else did cannot be fetched now: the next answer tells of it again.
            await this.sleep(FIRST_WAIT_MS);
          }
          if (left-- === 0) return await this.handlers.failed(item, problem);
        } else if (passes(problem, tries)) {
          if (problem instanceof Problem) this.handlers.later(problem);
          await this.sleep(Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** (tries - 1)));
        } else {
          return await this.handlers.failed(item, problem);
        }
      }
    }
  }

  /** @param {Item} item */
  body(item) {
    const version = this.handlers.version(item.object);
    return version === undefined || makes(item) || item.body.new ? item.body : { ...item.body, if_version: version };
  }

  /** @param {number} ms */
  sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), ms);
      this.sleepers.push(() => {
        clearTimeout(timer);
        resolve(undefined);
      });
    });
  }

  /** Try again now. */
  wake() {
    for (const wake of this.sleepers.splice(0)) wake();
  }

  /** @param {boolean} reached */
  reach(reached) {
    if (reached && !this.reached) this.wake();
    this.reached = reached;
    if (!reached) for (const tell of this.hasty.splice(0)) tell(new TypeError(t("sync.silent")));
    this.handlers.state(this.waiting, reached);
  }

  changed() {
    this.handlers.state(this.waiting, this.reached);
    if (!this.key) return;
    const items = [...this.lines.values()].flat();
    try {
      if (items.length) localStorage.setItem(this.key, JSON.stringify(items));
      else localStorage.removeItem(this.key);
    } catch {
      // The browser's store is full: what waits lives as long as the page.
    }
  }
}

/**
 * Whether it makes an object.
 * @param {Item} item
 */
function makes({ method }) {
  return method === "PUT";
}

/**
 * Whether the same request may go through later.
 * @param {Error} problem
 * @param {number} tries
 */
function passes(problem, tries) {
  if (problem instanceof Problem) return problem.passes || (problem.status === 500 && tries < TRIES);
  return problem instanceof TypeError;
}
