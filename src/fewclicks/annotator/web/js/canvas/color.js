/** @file Colours: of classes, that stand out from a photo, of probabilities. */

/** @typedef {[number, number, number]} Rgb 0..255 each */

/** Colours that a mask changes to where its own would vanish. */
const PALETTE = ["#ff3b6b", "#1ea7ff", "#ffb000", "#22c55e", "#a855f7", "#00c2b8", "#ff7a1a", "#e83fd3", "#8ac926"];

/**
 * "#rrggbb" as numbers; grey for anything else.
 * @param {string} hex
 * @returns {Rgb}
 */
export function rgb(hex) {
  const value = /^#[0-9a-f]{6}$/i.test(hex) ? parseInt(hex.slice(1), 16) : 0x808080;
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/**
 * A pixel of ImageData seen as 32-bit numbers on a little-endian machine, which every browser's is.
 * @param {Rgb} colour
 * @param {number} alpha 0..1
 */
export function pixel([r, g, b], alpha) {
  return ((Math.round(alpha * 255) << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/**
 * How different two colours look: the distance in OKLab, 0 to 1.
 * @param {Rgb} one
 * @param {Rgb} other
 */
function difference(one, other) {
  const a = oklab(one);
  const b = oklab(other);
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

/** @param {Rgb} colour */
function oklab(colour) {
  const [r, g, b] = colour.map((value) => ((value / 255 + 0.055) / 1.055) ** 2.4);
  const l = Math.cbrt(0.4122 * r + 0.5363 * g + 0.0514 * b);
  const m = Math.cbrt(0.2119 * r + 0.6807 * g + 0.1074 * b);
  const s = Math.cbrt(0.0883 * r + 0.2817 * g + 0.63 * b);
  return [
    0.2105 * l + 0.7936 * m - 0.0041 * s,
    1.978 * l - 2.4286 * m + 0.4506 * s,
    0.0259 * l + 0.7828 * m - 0.8087 * s,
  ];
}

/** A mask's colour that differs less than this from the photo under it would vanish. */
const VANISHES = 0.15;
/** Colours that differ less look the same. */
const ALIKE = 0.08;

/**
 * The colour for a mask: its own, unless it would vanish on what lies under it; then, or with `always`, the one that
 * stands out most and is not another class's.
 * @param {Rgb} own
 * @param {Rgb[]} under colours of the photo there
 * @param {Rgb[]} others colours of other classes
 * @param {boolean} always
 * @returns {Rgb}
 */
export function standingOut(own, under, others, always) {
  if (!under.length) return own;
  const apart = (/** @type {Rgb} */ colour) => {
    const distances = under.map((there) => difference(colour, there)).sort((a, b) => a - b);
    return distances[Math.floor(distances.length / 4)];
  };
  if (!always && apart(own) >= VANISHES) return own;
  const candidates = PALETTE.map(rgb).filter((colour) => others.every((other) => difference(colour, other) > ALIKE));
  return candidates.reduce((best, colour) => (apart(colour) > apart(best) + 1e-9 ? colour : best), own);
}

/** The hues of a circle are gone round by this angle: neighbours in the list are far apart in hue. */
const GOLDEN = 137.508;

/**
 * The colour of the nth further object of a class: from the colour of the class round the circle of hues, as light as seen.
 * @param {Rgb} label of the class
 * @param {number} n from 1
 * @returns {Rgb}
 */
export function instanceColour(label, n) {
  const [, a, b] = oklab(label);
  const hue = Math.atan2(b, a) + (n * GOLDEN * Math.PI) / 180;
  const light = [0.74, 0.64, 0.84][n % 3];
  return fromOklab(light, 0.17 * Math.cos(hue), 0.17 * Math.sin(hue));
}

/**
 * @param {number} light
 * @param {number} a
 * @param {number} b
 * @returns {Rgb}
 */
function fromOklab(light, a, b) {
  const [l, m, s] = [light + 0.3963 * a + 0.2158 * b, light - 0.1056 * a - 0.0639 * b, light - 0.0895 * a - 1.2915 * b].map((one) => one ** 3);
  const linear = [4.0767 * l - 3.3077 * m + 0.231 * s, -1.2684 * l + 2.6098 * m - 0.3413 * s, -0.0042 * l - 0.7034 * m + 1.7076 * s];
  const [red, green, blue] = linear.map((one) => Math.round(255 * Math.max(0, Math.min(1, 1.055 * Math.max(0, one) ** (1 / 2.4) - 0.055))));
  return [red, green, blue];
}

/** Stops of the heat map, from 0 to 1: nothing, blue, violet, orange, pale yellow. Lightness only rises. */
const STOPS = [
  [10, 12, 60, 0],
  [38, 52, 150, 120],
  [140, 45, 160, 170],
  [236, 110, 60, 205],
  [255, 240, 170, 225],
];

/** The heat map's colours of the values 0..255, as pixels. */
export function heatTable() {
  const table = new Uint32Array(256);
  for (let value = 0; value < 256; value++) {
    const place = (value / 255) * (STOPS.length - 1);
    const stop = Math.min(STOPS.length - 2, Math.floor(place));
    const [r, g, b, a] = STOPS[stop].map((from, i) => from + (place - stop) * (STOPS[stop + 1][i] - from));
    table[value] = pixel([Math.round(r), Math.round(g), Math.round(b)], a / 255);
  }
  return table;
}
