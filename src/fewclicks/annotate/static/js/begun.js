/** @file What dropping an object would undo, kept in the browser: it is known after a reload too. */

/** @import { Entry } from "./entry.js" */

const KEY = "fewclicks.begun";

/** @returns {Record<string, {fresh: boolean, since: number}>} */
function kept() {
  return JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
}

/**
 * Keep whether an object is new, and how many changes of it can be dropped.
 * @param {Entry} entry
 */
export function note({ thing, fresh, since }) {
  const begun = kept();
  if (fresh || since) begun[thing.id] = { fresh, since };
  else delete begun[thing.id];
  sessionStorage.setItem(KEY, JSON.stringify(begun));
}

/**
 * Give an object what was kept of it.
 * @param {Entry} entry
 */
export function recall(entry) {
  const { fresh, since } = kept()[entry.thing.id] ?? { fresh: false, since: 0 };
  entry.fresh = fresh;
  entry.since = since;
}
