/** @file What the browser keeps for the next visit. One that keeps nothing is none the worse: all lasts as long as the page. */

/**
 * The text that is kept under a name; null where there is none yet.
 * @param {string} name
 * @param {string | null} [otherwise] where the browser keeps nothing
 */
export function recall(name, otherwise = null) {
  try {
    return localStorage.getItem(name);
  } catch {
    return otherwise;
  }
}

/**
 * @param {string} name
 * @param {string} text
 */
export function keep(name, text) {
  try {
    localStorage.setItem(name, text);
  } catch {
    // See above.
  }
}

/**
 * The values that are kept under a name as JSON; none where there are none, or what is there cannot be read.
 * @param {string} name
 * @returns {Record<string, unknown>}
 */
export function recallValues(name) {
  try {
    const found = JSON.parse(recall(name) ?? "{}");
    return typeof found === "object" && found !== null ? found : {};
  } catch {
    return {};
  }
}
