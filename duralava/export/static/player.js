// One lamp that runs: where it is, on it goes, and how it looks.

import { foldIn, normal, seedKey } from "./random.js";

/** A lamp between two of its steps, as duralava/live/player.py has it. */
export class Lamp {
  #network;
  #noiseKey;
  #before;
  #after;
  #share = 0;

  /** Number of steps made. */
  step = 0;

  /** A lamp at its start; another seed is another lamp. */
  static async begin(network, seed) {
    const lamp = new Lamp();
    const key = seedKey(seed);
    lamp.#network = network;
    lamp.#noiseKey = foldIn(key, 1);
    lamp.#before = normal(foldIn(key, 0), network.settings.latent_size);
    lamp.#after = await lamp.#next(lamp.#before);
    return lamp;
  }

  /** Runs on by a number of steps, whole or not. */
  async advance(steps) {
    this.#share += steps;
    for (; this.#share >= 1; this.#share -= 1) {
      this.step += 1;
      this.#before = this.#after;
      this.#after = await this.#next(this.#before);
    }
  }

  /** Turns the latent so that wax gathers at [x, y], touched for so many seconds. */
  async push(place, seconds) {
    const angle = seconds * this.#network.settings.push_speed;
    this.#before = await this.#network.push(this.#before, place, angle);
    this.#after = await this.#next(this.#before);
  }

  /** RGBA of the picture at this moment, as an ImageData has it. */
  async draw() {
    const latent = between(this.#before, this.#after, this.#share);
    const rgb = await this.#network.frame(latent);
    const rgba = new Uint8ClampedArray((rgb.length / 3) * 4).fill(255);
    for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
      for (let channel = 0; channel < 3; channel += 1) {
        rgba[to + channel] = (rgb[from + channel] + 1) * 127.5;
      }
    }
    return rgba;
  }

  /** Mean and std of the latent's values; whether they pass for a sample of N(0, I). */
  health() {
    const { least, most, farthest } = this.#network.settings.likely;
    const size = this.#before.length;
    const sum = this.#before.reduce((total, value) => total + value, 0);
    const squares = squareSum(this.#before);
    const mean = sum / size;
    return {
      mean,
      std: Math.sqrt(squares / size - mean ** 2),
      normal: least < squares && squares < most
        && Math.abs(sum) / Math.sqrt(size) < farthest,
    };
  }

  #next(latent) {
    const noise = normal(foldIn(this.#noiseKey, this.step), latent.length);
    return this.#network.next(latent, noise);
  }
}

/** Turns one latent towards another along the great circle, norms interpolated. */
function between(first, second, share) {
  const norms = [first, second].map((z) => Math.sqrt(squareSum(z)));
  const [start, end] = [first, second].map((z, i) => Array.from(z, (v) => v / norms[i]));
  const angle = 2 * Math.atan2(
    Math.sqrt(squareSum(end.map((v, i) => v - start[i]))),
    Math.sqrt(squareSum(end.map((v, i) => v + start[i]))),
  );
  const weight = (w) => (angle < 1e-6 ? w : Math.sin(w * angle) / Math.sin(angle));
  const [a, b] = [weight(1 - share), weight(share)];
  const norm = (1 - share) * norms[0] + share * norms[1];
  return Float32Array.from(start, (v, i) => norm * (a * v + b * end[i]));
}

function squareSum(values) {
  return values.reduce((total, value) => total + value * value, 0);
}
