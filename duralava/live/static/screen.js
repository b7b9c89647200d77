// The picture: a canvas with the newest picture of a lamp, in the screen's own pixels.

import { canColourFeatures, FramePainter, ShaderPainter } from "./head.js";
import { loadTable } from "./themes.js";
import { Timeline } from "./timeline.js";

// Largest side of the picture, in widths of the canvas. The lamp is narrower than the
// square picture, so a tall screen may cut off the dark area at its sides.
const MAX_SIDE = 1.7;

/** The side of the square picture on a canvas, by the name of the fit. */
const FITS = {
  contain: (width, height) => Math.min(height, Math.round(MAX_SIDE * width)),
  cover: (width, height) => Math.max(width, height),
};

/** Draws pictures on a canvas, once per repaint of the browser at most. */
export class Screen {
  #canvas;
  #painter;
  #frame = null; // an ImageData, if frames are shown
  #timeline = new Timeline(); // if maps of features are shown
  #shown = {}; // what has been drawn last
  #theme = null; // its table
  #fit = "contain";
  #marker = makeMarker();
  #place = null; // of the marker
  #size = null; // of the canvas in pixels of the screen
  #isRecorded = false;

  /** Whether this screen colours features; if not, it needs frames. */
  drawsFeatures = canColourFeatures();

  constructor(canvas) {
    this.#canvas = canvas;
    canvas.after(this.#marker);
    const Painter = this.drawsFeatures ? ShaderPainter : FramePainter;
    this.#painter = new Painter(canvas);
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault(); // so that the browser restores it
      this.#painter = null;
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.#painter = new Painter(canvas);
      this.#shown = {};
    });
    this.#observeSize();
    this.#paint(performance.now());
  }

  /** Shows an ImageData until the next picture arrives. */
  showFrame(image) {
    this.#frame = image;
    this.#timeline = new Timeline();
  }

  /**
   * Shows a map of features, a little later, and what lies between it and the next one.
   *
   * @param map {data, head, time, start}, see `ShaderPainter.paint` and `Timeline`.
   */
  showFeatures(map) {
    this.#frame = null;
    this.#timeline.add(map, performance.now() / 1000);
  }

  /** The latent of the picture that is drawn, if pictures have one; or null. */
  get latent() {
    const { first, second, share } = this.#shown;
    if (!first?.latent) return null;
    return first.latent.map((v, i) => v + share * (second.latent[i] - v));
  }

  /** Shows the colours of a theme, a name of `loadThemes`. */
  async setTheme(name) {
    this.#theme = await loadTable(name);
  }

  /** Shows the whole lamp, "contain", or fills the canvas, "cover". */
  setFit(name) {
    this.#fit = name;
  }

  /** Draws at each repaint while it is recorded: a film needs frames of a still lamp too. */
  setRecorded(isRecorded) {
    this.#isRecorded = isRecorded;
  }

  /** Marks the place [x, y] of the picture while the canvas has the focus; or null. */
  setMarker(place) {
    this.#place = place;
  }

  /** Returns the place [x, y] in the picture, each 0 to 1, or null outside of it. */
  locate({ clientX, clientY }) {
    const { side, left, top } = this.#layout();
    const box = this.#canvas.getBoundingClientRect();
    const scale = this.#canvas.width / box.width;
    const x = ((clientX - box.left) * scale - left) / side;
    const y = ((clientY - box.top) * scale - top) / side;
    return Math.min(x, y) < 0 || Math.max(x, y) > 1 ? null : [x, y];
  }

  /** Returns where the square picture is on the canvas, in pixels of the canvas. */
  #layout() {
    const { width, height } = this.#canvas;
    const side = FITS[this.#fit](width, height);
    const [left, top] = [width, height].map((v) => Math.floor((v - side) / 2));
    return { side, left, top };
  }

  #observeSize() {
    const observer = new ResizeObserver(([{ devicePixelContentBoxSize }]) => {
      const { width, height } = this.#canvas.getBoundingClientRect();
      const [box] = devicePixelContentBoxSize ?? [];
      const exact = [box?.inlineSize, box?.blockSize];
      this.#size = [width, height].map((length, axis) => {
        // This may be a pixel off where the ratio is not whole. Only then the box is
        // taken: in emulated screens it has the pixels of the real one.
        const pixels = Math.round(length * devicePixelRatio);
        return Math.abs(exact[axis] - pixels) <= 1 ? exact[axis] : pixels;
      });
    });
    try {
      observer.observe(this.#canvas, { box: "device-pixel-content-box" });
    } catch {
      observer.observe(this.#canvas);
    }
  }

  #paint(now) {
    requestAnimationFrame((next) => this.#paint(next));
    const next = { ...this.#pictures(now / 1000), theme: this.#theme, fit: this.#fit };
    if (this.#size && resize(this.#canvas, ...this.#size)) this.#shown = {};
    this.#placeMarker();
    const isSame = Object.keys(next).every((key) => next[key] === this.#shown[key]);
    const layout = this.#layout();
    if ((isSame && !this.#isRecorded) || !next.first || !this.#painter || layout.side === 0) return;
    this.#shown = next;
    this.#painter.paint({ ...next, layout });
  }

  /** Returns the pictures to show now: {first, second, share}, without any at first. */
  #pictures(now) {
    if (this.#frame) return { first: this.#frame, second: this.#frame, share: 0 };
    return this.#timeline.at(now);
  }

  #placeMarker() {
    const isShown = this.#place && document.activeElement === this.#canvas;
    this.#marker.hidden = !isShown;
    if (!isShown) return;
    const { side, left, top } = this.#layout();
    const box = this.#canvas.getBoundingClientRect();
    const scale = box.width / this.#canvas.width;
    const [x, y] = this.#place;
    this.#marker.style.left = `${box.left + scale * (left + x * side)}px`;
    this.#marker.style.top = `${box.top + scale * (top + y * side)}px`;
    this.#marker.style.width = `${(scale * side) / 20}px`;
  }
}

/** Returns the ring that shows where a key touches: it is not part of the picture. */
function makeMarker() {
  const marker = document.createElement("div");
  Object.assign(marker.style, {
    position: "fixed",
    translate: "-50% -50%",
    aspectRatio: "1",
    border: "2px solid #fff",
    borderRadius: "50%",
    pointerEvents: "none",
  });
  marker.hidden = true;
  return marker;
}

/** Gives a canvas another size, which clears it; returns whether the size changed. */
export function resize(canvas, width, height) {
  if (canvas.width === width && canvas.height === height) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}
