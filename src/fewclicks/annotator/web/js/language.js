/** @file The words of the page, in the language that is chosen in the settings, or else in that of the browser: one file a language. */

/** @import { KeyId } from "./state/keys.js" */
import { de } from "./languages/de.js";
import { en } from "./languages/en.js";
import { keysOf } from "./state/keys.js";
import { keep, recall } from "./state/memory.js";

/** @typedef {keyof typeof en} Key */
/** @typedef {Record<Key, string | {one: string, other: string}>} Texts a text, or one for each form that a number asks for */

/** @type {Record<string, {name: string, texts: Texts}>} each language under its code, and what it calls itself */
export const LANGUAGES = { en: { name: "English", texts: en }, de: { name: "Deutsch", texts: de } };
const STORED = "fewclicks.language";
/** The parts of a key's name that languages have words for. */
const NAMED = /Ctrl|Shift|Alt|Enter|Esc|Space|Tab|Backspace|Delete|PageUp|PageDown|Home|End|Insert|ArrowLeft|ArrowRight|ArrowUp|ArrowDown/g;

/** What the user has chosen: the code of a language, or "auto". */
export const chosenLanguage = read();
/** The code of the language of the page. */
export const language = chosenLanguage === "auto" ? ofBrowser() : chosenLanguage;
/** Who touches has no right button, no keys, and taps: a text may have words of its own for that, under its name with Touch. */
export const fingers = matchMedia("(pointer: coarse)");
const texts = { ...LANGUAGES[language].texts };
const forms = new Intl.PluralRules(language);
const number = new Intl.NumberFormat(language === "en" ? "en-GB" : language);
document.documentElement.lang = language;

/**
 * A text of the page. `{name}` in it is the value of that name, `{key:name}` the key of that shortcut as it is now.
 * @param {Key} key
 * @param {Record<string, string | number>} [values] `n` decides between one and several
 * @returns {string}
 */
export function t(key, values = {}) {
  const touched = fingers.matches ? texts[/** @type {Key} */ (`${key}Touch`)] : undefined;
  const found = touched ?? texts[key];
  const text = typeof found === "string" ? found : found[forms.select(Number(values.n)) === "one" ? "one" : "other"];
  return text.replace(/\{(key:)?(\w+)\}/g, (_, shortcut, name) => {
    if (shortcut) return keyOf(/** @type {KeyId} */ (name));
    const value = values[name] ?? "";
    return typeof value === "number" ? count(value) : value;
  });
}

/**
 * One more text.
 * @param {string} key
 * @param {Record<string, string>} said in each language, by its code
 */
export function addText(key, said) {
  texts[/** @type {Key} */ (key)] = said[language] ?? said.en;
}

/**
 * A text that the server has sent in English, in the words of the page, where it has some.
 * @param {string} key
 * @param {string} text as it was sent
 */
export function served(key, text) {
  return key in texts ? t(/** @type {Key} */ (key)) : text;
}

/**
 * 3 and "object" as "3 objects".
 * @param {"object" | "photo" | "pixel" | "comment" | "proposal" | "note" | "change" | "action" | "class"} noun
 * @param {number} n
 */
export function counted(noun, n) {
  return t(`n.${noun}`, { n });
}

/**
 * 12345 as "12,345", or as the language writes it.
 * @param {number} value
 */
export function count(value) {
  return number.format(value);
}

/**
 * A number with so many decimals.
 * @param {number} value
 * @param {number} digits
 */
export function decimal(value, digits) {
  return new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false }).format(value);
}

/**
 * The first key of a shortcut as it is now, as the language calls it.
 * @param {KeyId} id
 */
export function keyOf(id) {
  return keyText(keysOf(id)[0]);
}

/**
 * A key as the language calls it.
 * @param {string} key as the table of shortcuts writes it
 */
export function keyText(key) {
  return key.replace(NAMED, (part) => t(/** @type {Key} */ (`key.${part}`)));
}

/**
 * Choose the language of the page, from its next start on.
 * @param {string} code
 */
export function chooseLanguage(code) {
  keep(STORED, code);
}

/**
 * Put the words into what stands in the document: `data-t` names the text of an element, `data-t-title` its title, and so on.
 * @param {ParentNode} root
 */
export function translate(root) {
  for (const attribute of ["", "title", "aria-label", "placeholder"]) {
    const name = attribute ? `data-t-${attribute}` : "data-t";
    for (const element of root.querySelectorAll(`[${name}]`)) {
      const text = t(/** @type {Key} */ (element.getAttribute(name)));
      if (attribute) element.setAttribute(attribute, text);
      else element.textContent = text;
    }
  }
}

function read() {
  const code = recall(STORED) ?? "";
  return Object.hasOwn(LANGUAGES, code) ? code : "auto";
}

/** The first of the browser's languages that there is; else English. */
function ofBrowser() {
  return navigator.languages.map((tag) => tag.split("-")[0].toLowerCase()).find((code) => Object.hasOwn(LANGUAGES, code)) ?? "en";
}
