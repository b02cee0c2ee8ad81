/** @file What dropping and undoing need to know of objects, kept in the browser: it is known after a reload too. */

/** @import { Entry } from "./annotation.js" */
/** @import { Change } from "./undo.js" */
import { Trail } from "./undo.js";

const KEY = "fewclicks.begun";

/** @returns {Record<string, {fresh: boolean, since: number, done: Change[], undone: Change[]}>} */
function kept() {
  return JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
}

/**
 * Keep whether an object is new, how many changes of it can be dropped, and what the server cannot undo.
 * @param {Entry} entry
 */
export function note({ thing, fresh, since, trail }) {
  const begun = kept();
  if (fresh || since || trail.holdsLabels) begun[thing.id] = { fresh, since, done: trail.done, undone: trail.undone };
  else delete begun[thing.id];
  sessionStorage.setItem(KEY, JSON.stringify(begun));
}

/**
 * Give an object what was kept of it.
 * @param {Entry} entry
 */
export function recall(entry) {
  const { fresh, since, done, undone } = kept()[entry.thing.id] ?? { fresh: false, since: 0 };
  entry.fresh = fresh;
  entry.since = since;
  entry.trail = new Trail(done, undone);
}
