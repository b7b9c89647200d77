// Several lamps in one page: where their canvases are, and requests to all of them.

import { MAX_SEED } from "./links.js";

const LAMP_WIDTH = 0.6; // of the height of a lamp

/** Adds canvases like the first until there are `count`, and returns all of them. */
export function makeCanvases(first, count) {
  const canvases = [first];
  while (canvases.length < count) {
    const canvas = first.cloneNode();
    canvas.removeAttribute("id");
    canvases.push(canvas);
  }
  first.parentNode.replaceChildren(...canvases);
  const arrange = () => {
    const columns = bestColumns(count, innerWidth, innerHeight);
    first.parentNode.style.setProperty("--columns", columns);
  };
  addEventListener("resize", arrange);
  arrange();
  return canvases;
}

/** Returns in how many columns lamps are largest. */
export function bestColumns(count, width, height) {
  const size = (columns) =>
    Math.min(height / Math.ceil(count / columns), width / columns / LAMP_WIDTH);
  const choices = Array.from({ length: count }, (_, index) => index + 1);
  return choices.reduce((best, next) => (size(next) > size(best) ? next : best));
}

/** Returns a lamp whose requests go to all lamps: a seed is that of the first one. */
export function together(lamps) {
  return {
    setPlaying: (playing) => lamps.forEach((lamp) => lamp.setPlaying(playing)),
    request: (change) => lamps.forEach((lamp, index) => {
      const seed = { seed: nthSeed(change.seed, index) };
      lamp.request("seed" in change ? { ...change, ...seed } : change);
    }),
  };
}

/** Returns the seed of a lamp of the wall; the last seed is followed by 0. */
export function nthSeed(seed, index) {
  return (seed + index) % (MAX_SEED + 1);
}
