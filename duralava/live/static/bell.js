// The numbers as dots, stacked where they are, in front of the density of N(0, 1).

import { resize } from "./screen.js";

const MAX = 3.5; // at the left and right edges
const BINS = 35;
const CURVE = "#cdbfc9";
const FILL = "rgb(255 255 255 / 8%)";
const POSITIVE = "#ff9a5c";
const NEGATIVE = "#6fb7ff";
const CHOSEN = "#ffffff";
const FOOT = 1.1; // of the labels, in sizes of the page's font

/** Returns in which column from the left each number is; those beyond the edges at them. */
export function columns(values, bins = BINS) {
  const place = (value) => Math.floor(((value + MAX) / (2 * MAX)) * bins);
  return Array.from(values, (value) => Math.max(0, Math.min(bins - 1, place(value))));
}

/** Draws numbers on a canvas, and marks the one with the index `chosen`. */
export function drawBell(canvas, values, chosen) {
  const ratio = devicePixelRatio;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  resize(canvas, Math.round(width * ratio), Math.round(height * ratio));
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const font = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const foot = height - FOOT * font;
  // As many numbers as this are expected in a column at 0, and a little more fit.
  const peak = (values.length * 2 * MAX) / BINS / Math.sqrt(2 * Math.PI);
  const unit = foot / (1.7 * peak); // the height of one number
  drawCurve(context, { width, foot, top: foot - unit * peak });
  drawAxis(context, { width, foot, height, font });

  const radius = Math.min(unit, width / BINS) * 0.45;
  const stacked = new Array(BINS).fill(0);
  columns(values).forEach((column, index) => {
    const x = ((column + 0.5) / BINS) * width;
    const y = foot - (stacked[column] + 0.5) * unit;
    stacked[column] += 1;
    const isChosen = index === chosen;
    context.fillStyle = isChosen ? CHOSEN : values[index] < 0 ? NEGATIVE : POSITIVE;
    context.beginPath();
    context.arc(x, y, isChosen ? 1.5 * radius : radius, 0, 2 * Math.PI);
    context.fill();
  });
}

function drawCurve(context, { width, foot, top }) {
  context.beginPath();
  for (let x = 0; x <= width; x += 2) {
    const value = MAX * ((2 * x) / width - 1);
    context.lineTo(x, foot - (foot - top) * Math.exp(-(value ** 2) / 2));
  }
  context.strokeStyle = CURVE;
  context.lineWidth = 1.5;
  context.stroke();
  context.lineTo(width, foot);
  context.lineTo(0, foot);
  context.fillStyle = FILL;
  context.fill();
}

function drawAxis(context, { width, foot, height, font }) {
  context.fillStyle = CURVE;
  context.fillRect(0, foot, width, 1);
  context.font = `${0.75 * font}px system-ui, sans-serif`;
  context.textAlign = "center";
  for (const value of [-3, -2, -1, 0, 1, 2, 3]) {
    const text = String(value).replace("-", "\u2212");
    context.fillText(text, (0.5 + value / (2 * MAX)) * width, height - 3);
  }
}
