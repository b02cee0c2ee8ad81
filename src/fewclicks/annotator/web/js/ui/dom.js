/** @file Making and finding elements. Styles are classes; what moves is set through the CSSOM, as the CSP demands. */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * @typedef {{[name: string]: unknown}} Properties
 * `class`, attributes (also `aria-…`, `data-…`), and listeners as `onclick`. A value of null, undefined or false leaves
 * the attribute out, true sets it empty.
 */

/**
 * An element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Properties} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  assign(element, properties);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * An element of an SVG picture.
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {...Node} children
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * A list to choose from.
 * @param {Properties} properties
 * @param {(readonly [string, string])[]} options [value, text]
 * @param {string} [chosen] the first one, if there is no such value
 */
export function select(properties, options, chosen) {
  return h("select", properties, ...options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
}

/**
 * One of the icons that index.html defines.
 * @param {string} name
 */
export function icon(name) {
  const picture = svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `#icon-${name}` }));
  return picture;
}

/**
 * @param {Element} element
 * @param {Properties} properties
 */
function assign(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/**
 * The element of index.html with this id.
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [kind]
 * @returns {T}
 */
export function byId(id, kind) {
  const element = document.getElementById(id);
  if (!element || (kind && !(element instanceof kind))) throw new Error(`index.html has no such element: ${id}`);
  return /** @type {T} */ (/** @type {unknown} */ (element));
}

/**
 * Have `parent` hold these elements, one for each key. What it holds already under a key stays as it is, with the focus and
 * the press that are on it: a key must name everything that its element shows.
 * @param {Element} parent
 * @param {Map<string, () => HTMLElement>} wanted key: how its element is made
 */
export function renew(parent, wanted) {
  for (const old of [...parent.children]) if (!wanted.has(old.getAttribute("data-key") ?? "")) old.remove();
  const kept = new Map([...parent.children].map((old) => [old.getAttribute("data-key"), old]));
  let at = 0;
  for (const [key, make] of wanted) {
    const element = kept.get(key) ?? make();
    element.setAttribute("data-key", key);
    if (parent.children[at] !== element) parent.insertBefore(element, parent.children[at] ?? null);
    at++;
  }
}

/**
 * Run `action` when it has not been asked for during `ms`.
 * @param {number} ms
 * @param {() => void} action
 */
export function debounced(ms, action) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const run = () => {
    clearTimeout(timer);
    timer = setTimeout(action, ms);
  };
  run.cancel = () => clearTimeout(timer);
  return run;
}

/**
 * The arrow keys go through the choices of a group, of which Tab reaches one.
 * @param {HTMLElement} group whose choices have the role radio
 */
export function roving(group) {
  group.addEventListener("keydown", (event) => {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const radios = /** @type {HTMLElement[]} */ ([...group.querySelectorAll("[role=radio]")]);
    const at = radios.findIndex((radio) => radio === event.target);
    if (!way || at < 0) return;
    event.preventDefault();
    const next = radios[(at + way + radios.length) % radios.length];
    next.click();
    next.focus();
  });
}

/**
 * Say which choice of such a group is made.
 * @param {HTMLElement} group
 * @param {(radio: HTMLElement) => boolean} chosen
 */
export function check(group, chosen) {
  const radios = /** @type {HTMLElement[]} */ ([...group.querySelectorAll("[role=radio]")]);
  const made = radios.find(chosen);
  for (const radio of radios) {
    radio.setAttribute("aria-checked", String(radio === made));
    radio.tabIndex = radio === (made ?? radios[0]) ? 0 : -1;
  }
}

/**
 * A control that would do nothing is disabled and says why.
 * @param {HTMLButtonElement | HTMLInputElement | HTMLSelectElement} control
 * @param {string | null} why null: it can be used
 * @param {string} title what it does
 */
export function enable(control, why, title) {
  control.disabled = why !== null;
  control.title = why === null ? title : `${title}: ${why}`;
}

/** A random UUID; `crypto.randomUUID` exists only where the page came over https or from this machine. */
export function uuid() {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
