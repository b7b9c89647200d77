// The picture: a canvas that fills the window and shows the newest frame.

/** The CSS filter of each theme. */
export const THEMES = {
  sunset: "none",
  rose: "hue-rotate(-40deg) saturate(0.9)",
  violet: "hue-rotate(-80deg)",
  ocean: "hue-rotate(-150deg) saturate(0.9)",
  moss: "hue-rotate(110deg) saturate(0.8)",
  amber: "hue-rotate(35deg)",
  moon: "grayscale(1) contrast(1.1)",
};

// Largest side of the picture, in widths of the canvas. The lamp is narrower than the
// square picture, so a tall screen may cut off the dark area at its sides.
const MAX_SIDE = 1.7;

/** Draws frames on a canvas, once per repaint of the browser at most. */
export class Screen {
  #canvas;
  #context;
  #frame = document.createElement("canvas"); // at the resolution of the generator
  #theme = "sunset";
  #marker = null;
  #changed = false;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#paint();
  }

  /** Shows an ImageData until the next one arrives. */
  showFrame(image) {
    resize(this.#frame, image.width, image.height);
    this.#frame.getContext("2d").putImageData(image, 0, 0);
    this.#changed = true;
  }

  setTheme(name) {
    this.#theme = name;
    this.#changed = true;
  }

  /** Marks the place [x, y] of the picture while the canvas has the focus. */
  setMarker(place) {
    this.#marker = place;
    this.#changed = true;
  }

  /** Returns the place [x, y] in the picture, each 0 to 1, or null outside of it. */
  locate({ clientX, clientY }) {
    const { side, left, top } = this.#layout();
    const x = (clientX * devicePixelRatio - left) / side;
    const y = (clientY * devicePixelRatio - top) / side;
    return Math.min(x, y) < 0 || Math.max(x, y) > 1 ? null : [x, y];
  }

  /** Returns where the square picture is on the canvas, in pixels of the canvas. */
  #layout() {
    const { width, height } = this.#canvas;
    const side = Math.min(height, MAX_SIDE * width);
    return { side, left: (width - side) / 2, top: (height - side) / 2 };
  }

  #paint() {
    requestAnimationFrame(() => this.#paint());
    const size = [innerWidth, innerHeight].map((v) => Math.round(v * devicePixelRatio));
    if (resize(this.#canvas, ...size)) this.#changed = true;
    if (!this.#changed) return;
    this.#changed = false;
    this.#drawFrame();
    if (this.#marker && document.activeElement === this.#canvas) this.#drawMarker();
  }

  #drawFrame() {
    const { side, left, top } = this.#layout();
    const context = this.#context;
    context.filter = "none";
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    context.imageSmoothingQuality = "high";
    context.filter = THEMES[this.#theme];
    context.drawImage(this.#frame, left, top, side, side);
  }

  #drawMarker() {
    const { side, left, top } = this.#layout();
    const [x, y] = this.#marker;
    const context = this.#context;
    context.filter = "none";
    context.strokeStyle = "#fff";
    context.lineWidth = 2 * devicePixelRatio;
    context.beginPath();
    context.arc(left + x * side, top + y * side, side / 40, 0, 2 * Math.PI);
    context.stroke();
  }
}

/** Gives a canvas another size, which clears it; returns whether the size changed. */
export function resize(canvas, width, height) {
  if (canvas.width === width && canvas.height === height) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}
