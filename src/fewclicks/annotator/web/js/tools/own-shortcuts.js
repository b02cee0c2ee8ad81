/** @file Shortcuts that are a file each: those in `js/shortcuts/`, which the page finds by their being there. */

/** @import { KeyId } from "../state/keys.js" */
/** @import { Group, Parts, Shortcut } from "./shortcuts.js" */
import { addText } from "../language.js";
import { addKeys } from "../state/keys.js";

/**
 * What such a file exports as its default; its name is that of the shortcut.
 * @typedef {object} OwnShortcut
 * @property {Group} group of the sheet that `?` shows
 * @property {string[]} keys as `Ctrl+Shift+Z`; people can give it others
 * @property {Record<string, string>} does what it does, in each language by its code; `en` where there is none
 * @property {(parts: Parts) => void} run when a key goes down
 * @property {boolean} [onStage] only where the focus is on the stage, or nowhere
 * @property {boolean} [repeats] again and again while it is held
 */

/** @type {[KeyId, OwnShortcut][]} they are known before the page asks which keys people have changed */
const found = [];
const links = /** @type {NodeListOf<HTMLLinkElement>} */ (document.querySelectorAll('link[href^="js/shortcuts/"]'));
for (const { href } of links) {
  const id = /** @type {KeyId} */ (href.replace(/.*\/|\.js$/g, ""));
  try {
    const own = /** @type {OwnShortcut} */ ((await import(href)).default);
    addKeys(id, own.keys);
    addText(`does.${id}`, own.does);
    found.push([id, own]);
  } catch (error) {
    console.error(`js/shortcuts/${id}.js is left out:`, error);
  }
}

/**
 * What stands in these files, as the table of shortcuts has it.
 * @param {Parts} parts
 * @returns {Shortcut[]}
 */
export function ownShortcuts(parts) {
  return found.map(([id, { group, run, onStage, repeats }]) => ({ group, id, run: () => run(parts), onStage, repeats }));
}
