// A lamp that plays in real time, as in duralava/live/player.py.

import { turn } from "./push.js";
import { foldIn, normal, seedKey } from "./random.js";

/** The state of a lamp between two steps of the rollout. */
export class Player {
  #network;
  #noiseKey;
  #before;
  #after;
  #share = 0;
  #step = 0;

  /** Returns a lamp at its start; each seed gives another one. */
  static begin(network, seed) {
    const player = new Player();
    const key = seedKey(seed);
    player.#network = network;
    player.#noiseKey = foldIn(key, 1);
    player.#before = normal(foldIn(key, 0), network.config.latent_size);
    player.#after = player.#next(player.#before);
    return player;
  }

  /** The latent at `step`. */
  get latent() {
    return this.#before;
  }

  /** Number of steps made. */
  get step() {
    return this.#step;
  }

  /** Part of the way to the next step, in [0, 1). */
  get share() {
    return this.#share;
  }

  /** Runs on by a number of steps, 0 or more, which need not be whole. */
  advance(numSteps) {
    this.#share += numSteps;
    for (; this.#share >= 1; this.#share -= 1) {
      this.#step += 1;
      this.#before = this.#after;
      this.#after = this.#next(this.#before);
    }
  }

  /** Turns the latent so that wax gathers at [x, y], touched for so many seconds. */
  push(place, seconds) {
    const { config, gradients } = this.#network;
    const angle = seconds * config.push.speed;
    this.#before = turn(this.#before, gradients, place, angle, config.push);
    this.#after = this.#next(this.#before);
  }

  /** Sets the latent, from which the lamp runs on. */
  place(latent) {
    this.#before = Float32Array.from(latent);
    this.#after = this.#next(this.#before);
    this.#share = 0;
  }

  /** Returns the map of features at this moment, f32[S, S, C]. */
  computeFeatures() {
    return this.#network.features(this.shownLatent);
  }

  /** Returns the frame at this moment: RGBA bytes, row after row. */
  renderFrame() {
    const rgb = this.#network.generate(this.shownLatent);
    const rgba = new Uint8ClampedArray((rgb.length / 3) * 4).fill(255);
    for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
      for (let channel = 0; channel < 3; channel += 1) {
        rgba[to + channel] = (rgb[from + channel] + 1) * 127.5;
      }
    }
    return rgba;
  }

  /** The latent at this moment. */
  get shownLatent() {
    return interpolate(this.#before, this.#after, this.#share);
  }

  #next(latent) {
    const noise = normal(foldIn(this.#noiseKey, this.#step), latent.length);
    return this.#network.next(latent, noise);
  }
}

/**
 * Returns the mean and std of a latent, and whether it is plausible as a sample of
 * N(0, I): within bounds that duralava/live/player.py computes.
 */
export function latentHealth(latent, { min_squares, max_squares, max_sum }) {
  const size = latent.length;
  const sum = latent.reduce((total, value) => total + value, 0);
  const squares = squareSum(latent);
  const mean = sum / size;
  return {
    mean,
    std: Math.sqrt(squares / size - mean ** 2),
    normal: min_squares < squares && squares < max_squares
      && Math.abs(sum) / Math.sqrt(size) < max_sum,
  };
}

/** Turns one latent towards another along the great circle; norms are interpolated. */
export function interpolate(first, second, share) {
  const [firstNorm, secondNorm] = [first, second].map((z) => Math.sqrt(squareSum(z)));
  const start = Array.from(first, (v) => v / firstNorm);
  const end = Array.from(second, (v) => v / secondNorm);
  const angle = 2 * Math.atan2(
    Math.sqrt(squareSum(end.map((v, i) => v - start[i]))),
    Math.sqrt(squareSum(end.map((v, i) => v + start[i]))),
  );
  const weight = (w) => (angle < 1e-6 ? w : Math.sin(w * angle) / Math.sin(angle));
  const [a, b] = [weight(1 - share), weight(share)];
  const norm = (1 - share) * firstNorm + share * secondNorm;
  return Float32Array.from(start, (v, i) => norm * (a * v + b * end[i]));
}

function squareSum(values) {
  return values.reduce((total, value) => total + value * value, 0);
}
