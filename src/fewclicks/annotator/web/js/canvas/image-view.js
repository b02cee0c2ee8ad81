/** @file The photo as it is drawn: one picture of it, and of big photos the tiles that are in view. */

/** @import { Camera } from "./camera.js" */
/** @import { Photo, Tiles } from "../types.js" */
/** @import { Rgb } from "./color.js" */

/** The longest side of the picture of a photo that has tiles. */
const BASE_SIDE = 2048;
/** Tiles that are kept: 128 of 512 pixels are 128 MB. */
const KEEP_TILES = 128;
/** The longest side of the picture that colours are measured in. */
const SMALL_SIDE = 96;
/** The longest side of the small picture of it. */
const PREVIEW_SIDE = 512;

export class Picture {
  /**
   * @param {Photo} photo
   * @param {Tiles | null} tiles
   * @param {string} address of the photo in the API
   * @param {() => void} arrived called when there is more to draw
   */
  constructor(photo, tiles, address, arrived) {
    this.photo = photo;
    this.tiles = tiles;
    this.address = address;
    this.arrived = arrived;
    /** @type {Map<string, {image: HTMLImageElement, used: number}>} */
    this.kept = new Map();
    this.clock = 0;
    const side = tiles ? BASE_SIDE : Math.max(photo.width, photo.height);
    this.base = new Image();
    this.base.decoding = "async";
    this.base.src = `${address}/view?side=${side}`;
    /** Resolves when the photo can be drawn; rejects when it cannot be had. */
    this.ready = this.base.decode().then(() => this.arrived());
    /** @type {ImageData | null} */
    this.small = null;
    /** @type {HTMLCanvasElement | null} */
    this.little = null;
  }

  get isReady() {
    return this.base.complete && this.base.naturalWidth > 0;
  }

  /**
   * Draw what is in view.
   * @param {CanvasRenderingContext2D} context in device pixels
   * @param {Camera} camera
   * @param {boolean} moving
   */
  draw(context, camera, moving) {
    if (!this.isReady) return;
    const scale = camera.scale * camera.dpr;
    context.imageSmoothingEnabled = this.tiles !== null || scale < 2;
    context.imageSmoothingQuality = moving ? "low" : "medium";
    const left = Math.round(camera.left * camera.dpr);
    const top = Math.round(camera.top * camera.dpr);
    this.drawBase(context, left, top, scale, camera);
    const finer = (this.base.naturalWidth / this.photo.width) * 1.05;
    context.imageSmoothingEnabled = scale < 2;
    if (this.tiles && scale > finer) this.drawTiles(context, camera, left, top);
  }

  /**
   * Only the part in view: the cost of drawing does not grow with the zoom.
   * @param {CanvasRenderingContext2D} context
   * @param {number} left
   * @param {number} top
   * @param {number} scale
   * @param {Camera} camera
   */
  drawBase(context, left, top, scale, camera) {
    const { naturalWidth, naturalHeight } = this.base;
    const perX = (scale * this.photo.width) / naturalWidth;
    const perY = (scale * this.photo.height) / naturalHeight;
    const x0 = Math.max(0, Math.floor(-left / perX));
    const y0 = Math.max(0, Math.floor(-top / perY));
    const x1 = Math.min(naturalWidth, Math.ceil((camera.width * camera.dpr - left) / perX));
    const y1 = Math.min(naturalHeight, Math.ceil((camera.height * camera.dpr - top) / perY));
    if (x1 <= x0 || y1 <= y0) return;
    const place = [left + x0 * perX, top + y0 * perY, (x1 - x0) * perX, (y1 - y0) * perY];
    context.drawImage(this.base, x0, y0, x1 - x0, y1 - y0, place[0], place[1], place[2], place[3]);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Camera} camera
   * @param {number} left
   * @param {number} top
   */
  drawTiles(context, camera, left, top) {
    const tiles = /** @type {Tiles} */ (this.tiles);
    const scale = camera.scale * camera.dpr;
    const level = Math.max(0, Math.min(tiles.levels - 1, Math.floor(Math.log2(1 / scale) + 0.25)));
    const edge = tiles.size * 2 ** level;
    const [x0, y0, x1, y1] = camera.view;
    const columns = Math.ceil(this.photo.width / edge);
    const rows = Math.ceil(this.photo.height / edge);
    this.clock++;
    for (let row = Math.max(0, Math.floor(y0 / edge)); row < Math.min(rows, Math.ceil(y1 / edge)); row++) {
      for (let column = Math.max(0, Math.floor(x0 / edge)); column < Math.min(columns, Math.ceil(x1 / edge)); column++) {
        const image = this.tile(level, column, row);
        if (!image) continue;
        const right = Math.min(this.photo.width, (column + 1) * edge);
        const bottom = Math.min(this.photo.height, (row + 1) * edge);
        const x = Math.round(left + column * edge * scale);
        const y = Math.round(top + row * edge * scale);
        context.drawImage(image, x, y, Math.round(left + right * scale) - x, Math.round(top + bottom * scale) - y);
      }
    }
    this.forget();
  }

  /**
   * A tile, or null while it is on its way.
   * @param {number} level
   * @param {number} column
   * @param {number} row
   */
  tile(level, column, row) {
    const key = `${level}/${column}/${row}`;
    let found = this.kept.get(key);
    if (!found) {
      const image = new Image();
      image.onload = () => this.arrived();
      image.src = `${this.address}/tiles/${key}`;
      found = { image, used: 0 };
      this.kept.set(key, found);
    }
    found.used = this.clock;
    return found.image.complete && found.image.naturalWidth ? found.image : null;
  }

  /** The photo, small. */
  get preview() {
    this.little ??= shrunk(this.base, this.photo, PREVIEW_SIDE);
    return this.little;
  }

  /** Drop the tiles that have not been drawn for longest. */
  forget() {
    if (this.kept.size <= KEEP_TILES) return;
    const oldest = [...this.kept].sort((a, b) => a[1].used - b[1].used).slice(0, this.kept.size - KEEP_TILES);
    for (const [key, { used }] of oldest) if (used < this.clock) this.kept.delete(key);
  }

  /**
   * Colours of the photo at some of the pixels for which `inside` holds.
   * @param {(x: number, y: number) => boolean} inside
   * @returns {Rgb[]}
   */
  colours(inside) {
    if (!this.isReady) return [];
    this.small ??= pixelsOf(shrunk(this.base, this.photo, SMALL_SIDE));
    const { width, height, data } = this.small;
    /** @type {Rgb[]} */
    const found = [];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const across = Math.floor(((x + 0.5) / width) * this.photo.width);
        const down = Math.floor(((y + 0.5) / height) * this.photo.height);
        if (!inside(across, down)) continue;
        const at = (y * width + x) * 4;
        found.push([data[at], data[at + 1], data[at + 2]]);
      }
    }
    const every = Math.ceil(found.length / 200);
    return found.filter((_, i) => i % every === 0);
  }
}

/**
 * A photo drawn smaller.
 * @param {HTMLImageElement} image
 * @param {Photo} photo
 * @param {number} side
 */
function shrunk(image, photo, side) {
  const scale = Math.min(1, side / Math.max(photo.width, photo.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(photo.width * scale));
  canvas.height = Math.max(1, Math.round(photo.height * scale));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.imageSmoothingQuality = "medium";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** @param {HTMLCanvasElement} canvas */
function pixelsOf(canvas) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
