// Colour themes: each maps the colours of a picture to others, by a table.

let loading = null;

/** Returns the names of all themes; the first keeps the colours of the picture. */
export async function loadThemes() {
  return [...(await loadTables()).keys()];
}

/**
 * Returns the table of a theme, {size, data}, or null if the picture keeps its colours.
 *
 * `data` has RGB at [red, green, blue], for `size` values k * 255 / (size - 1) of each.
 */
export async function loadTable(name) {
  return (await loadTables()).get(name) ?? null;
}

/** Loads themes.json once, which `tables` of duralava/themes.py makes. */
function loadTables() {
  loading ??= fetchTables();
  return loading;
}

async function fetchTables() {
  const response = await fetch(new URL("themes.json", import.meta.url));
  const { size, themes } = await response.json();
  const table = (text) => text && { size, data: decodeBytes(text) };
  return new Map(Object.entries(themes).map(([name, text]) => [name, table(text)]));
}

/** Returns the bytes that a text in base64 stands for. */
export function decodeBytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Changes the colours of an ImageData by a table, with trilinear interpolation. */
export function recolour(image, { size, data }) {
  const { data: rgba } = image;
  const scale = (size - 1) / 255;
  const stride = [3 * size * size, 3 * size, 3];
  for (let pixel = 0; pixel < rgba.length; pixel += 4) {
    const sums = [0, 0, 0];
    for (let corner = 0; corner < 8; corner += 1) {
      let [weight, entry] = [1, 0];
      for (let axis = 0; axis < 3; axis += 1) {
        const place = rgba[pixel + axis] * scale;
        const cell = Math.min(Math.floor(place), size - 2);
        const upper = (corner >> axis) & 1;
        weight *= upper ? place - cell : 1 - place + cell;
        entry += (cell + upper) * stride[axis];
      }
      for (let channel = 0; channel < 3; channel += 1) {
        sums[channel] += weight * data[entry + channel];
      }
    }
    for (let channel = 0; channel < 3; channel += 1) {
      rgba[pixel + channel] = sums[channel]; // which rounds
    }
  }
}
