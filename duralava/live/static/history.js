// The graph of the latent: its mean and standard deviation since the lamp started.

import { resize } from "./screen.js";

const MAX_POINTS = 600;
// `target` is the value of N(0, 1); the grid line and the label are there.
const LINES = [
  { label: "mean", target: 0, colour: "#6fb7ff" },
  { label: "std", target: 1, colour: "#ff9a5c" },
];
const GRID_COLOUR = "#6b4a66";
const PLOT_WIDTH = 0.78; // of the canvas; the labels are to the right of it
const LABEL_LEFT = 0.81;

export class History {
  #canvas;
  #points = [];
  #stride = 1; // one of so many moments is kept; it doubles when there are too many
  #count = 0;

  constructor(canvas) {
    this.#canvas = canvas;
  }

  /** Adds the values of one moment and draws the graph; moments are evenly spaced. */
  add(mean, std) {
    if (this.#count % this.#stride === 0) this.#points.push([mean, std]);
    this.#count += 1;
    if (this.#points.length > MAX_POINTS) {
      this.#points = this.#points.filter((_, index) => index % 2 === 0);
      this.#stride *= 2;
    }
    this.#draw();
  }

  clear() {
    this.#points = [];
    this.#stride = 1;
    this.#count = 0;
  }

  #draw() {
    const ratio = devicePixelRatio;
    const width = Math.round(this.#canvas.clientWidth * ratio);
    const height = Math.round(this.#canvas.clientHeight * ratio);
    resize(this.#canvas, width, height);
    const context = this.#canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.lineWidth = ratio;
    context.font = `${11 * ratio}px system-ui`;
    const row = (value) => height * (0.85 - 0.6 * value);
    const last = Math.max(1, this.#points.length - 1);
    const column = (index) => (index / last) * width * PLOT_WIDTH;

    context.strokeStyle = GRID_COLOUR;
    for (const { target } of LINES) {
      strokePath(context, [[0, row(target)], [width, row(target)]]);
    }
    LINES.forEach(({ label, target, colour }, line) => {
      context.strokeStyle = context.fillStyle = colour;
      strokePath(context, this.#points.map((p, i) => [column(i), row(p[line])]));
      context.fillText(label, width * LABEL_LEFT, row(target) + 4 * ratio);
    });
  }
}

function strokePath(context, points) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
}
