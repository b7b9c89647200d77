// The colours of a theme as a small picture: a blob of wax in liquid.

import { loadTable } from "./themes.js";

// RGB of the first theme.
const WAX = [255, 72, 58];
const LIQUID = [92, 20, 120];

/** Returns an element that shows the colours of a theme, once they are loaded. */
export function swatch(name) {
  const dot = document.createElement("i");
  loadTable(name).then((table) => {
    const [wax, liquid] = [WAX, LIQUID].map((rgb) => cssColour(table, rgb));
    const stops = `${wax} 45%, ${liquid} 55%`;
    dot.style.background = `radial-gradient(circle at 45% 65%, ${stops})`;
  });
  return dot;
}

/** Returns what a table maps a colour to, that of its nearest entry. */
function cssColour(table, rgb) {
  if (!table) return `rgb(${rgb})`;
  const { size, data } = table;
  const entry = rgb.reduce(
    (index, value) => index * size + Math.round((value * (size - 1)) / 255), 0,
  );
  return `rgb(${data.slice(3 * entry, 3 * entry + 3)})`;
}
