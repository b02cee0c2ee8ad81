/** @file Where the photo lies on the stage: scale and shift, zoom at a point, fit. */

const MAX_SCALE = 40;
/** The photo may be so much smaller than it fits. */
const SMALLER = 4;

export class Camera {
  constructor() {
    /** Size of the stage in CSS pixels, and device pixels in one of them. */
    this.width = 1;
    this.height = 1;
    this.dpr = 1;
    /** Size of the photo. */
    this.photoWidth = 1;
    this.photoHeight = 1;
    /** CSS pixels of one pixel of the photo. */
    this.scale = 1;
    /** The photo's left upper corner on the stage, in CSS pixels. */
    this.left = 0;
    this.top = 0;
    /** Whether the photo shall stay fitted when the stage changes its size. */
    this.fitted = true;
  }

  /** The scale that shows the whole photo with a small margin; small photos are enlarged up to 4 times. */
  get fitScale() {
    const margin = Math.min(24, this.width / 20, this.height / 20);
    const fit = Math.min((this.width - 2 * margin) / this.photoWidth, (this.height - 2 * margin) / this.photoHeight);
    return Math.max(1e-4, Math.min(4, fit));
  }

  fit() {
    this.scale = this.fitScale;
    this.left = (this.width - this.photoWidth * this.scale) / 2;
    this.top = (this.height - this.photoHeight * this.scale) / 2;
    this.fitted = true;
    this.snap();
  }

  /**
   * The stage or the photo has another size.
   * @param {{width?: number, height?: number, dpr?: number, photoWidth?: number, photoHeight?: number}} sizes
   */
  resize(sizes) {
    const middle = this.toPhoto(this.width / 2, this.height / 2);
    Object.assign(this, sizes);
    if (this.fitted) this.fit();
    else this.centre(...middle);
  }

  /**
   * Zoom, keeping the point of the photo that lies at (x, y) of the stage.
   * @param {number} factor
   * @param {number} [x]
   * @param {number} [y]
   */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    this.zoomTo(this.scale * factor, x, y);
  }

  /**
   * @param {number} scale
   * @param {number} [x]
   * @param {number} [y]
   */
  zoomTo(scale, x = this.width / 2, y = this.height / 2) {
    const next = Math.max(this.fitScale / SMALLER, Math.min(MAX_SCALE, scale));
    const ratio = next / this.scale;
    this.left = x - (x - this.left) * ratio;
    this.top = y - (y - this.top) * ratio;
    this.scale = next;
    this.fitted = false;
    this.clamp();
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.fitted = false;
    this.clamp();
  }

  /**
   * Put a point of the photo into the middle of the stage.
   * @param {number} x
   * @param {number} y
   */
  centre(x, y) {
    this.left = this.width / 2 - (x + 0.5) * this.scale;
    this.top = this.height / 2 - (y + 0.5) * this.scale;
    this.clamp();
  }

  /** A part of the photo always stays in view. */
  clamp() {
    const keep = 48;
    const width = this.photoWidth * this.scale;
    const height = this.photoHeight * this.scale;
    this.left = Math.max(Math.min(keep, this.width / 2) - width, Math.min(this.width - Math.min(keep, width), this.left));
    this.top = Math.max(Math.min(keep, this.height / 2) - height, Math.min(this.height - Math.min(keep, height), this.top));
    this.snap();
  }

  /** Corners lie on device pixels, so that at 100 % a pixel of the photo is one of the screen. */
  snap() {
    this.left = Math.round(this.left * this.dpr) / this.dpr;
    this.top = Math.round(this.top * this.dpr) / this.dpr;
  }

  /**
   * The point of the photo at a point of the stage: pixel centres are whole numbers.
   * @param {number} x
   * @param {number} y
   * @returns {[number, number]}
   */
  toPhoto(x, y) {
    return [(x - this.left) / this.scale - 0.5, (y - this.top) / this.scale - 0.5];
  }

  /**
   * @param {number} x
   * @param {number} y
   * @returns {[number, number]}
   */
  toStage(x, y) {
    return [(x + 0.5) * this.scale + this.left, (y + 0.5) * this.scale + this.top];
  }

  /** The part of the photo in view, in corners of pixels: x0, y0, x1, y1; not cut to the photo. */
  get view() {
    return [
      -this.left / this.scale,
      -this.top / this.scale,
      (this.width - this.left) / this.scale,
      (this.height - this.top) / this.scale,
    ];
  }

  /** Whether it cannot be smaller. */
  get isLeast() {
    return this.scale <= (this.fitScale / SMALLER) * 1.0001;
  }

  /** Whether it cannot be larger. */
  get isMost() {
    return this.scale >= MAX_SCALE * 0.9999;
  }

  /** Whether the whole photo is in view. */
  get showsAll() {
    const [x0, y0, x1, y1] = this.view;
    return x0 <= 0.5 && y0 <= 0.5 && x1 >= this.photoWidth - 0.5 && y1 >= this.photoHeight - 0.5;
  }
}
