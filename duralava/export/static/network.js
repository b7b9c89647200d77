// The lamp's networks, loaded from the folder of this file.

import { Arena, countValues, readArrays } from "./arrays.js";
import { loadCompressed } from "./loading.js";
import { TRANSITIONS, colour, flow, trunk } from "./networks.js";

const FILES = ["product.wasm", "weights.bin"];

/**
 * Loads the networks and their config.
 *
 * @param onProgress called with the numbers of bytes that are loaded, and of all.
 */
export async function openNetwork({ onProgress = () => {} } = {}) {
  const address = (name) => new URL(name, import.meta.url).href;
  const response = await fetch(address("lamp.json"));
  const config = await response.json();
  const total = FILES.reduce((sum, name) => sum + config.compressed_bytes[name], 0);
  let loaded = 0;
  const count = (bytes) => {
    loaded += bytes;
    onProgress(Math.min(loaded, total), total);
  };
  const [code, weights] = await Promise.all(
    FILES.map((name) => loadCompressed(address(name), count)),
  );
  const arena = await Arena.open(code, 4 * countValues(config.arrays));
  return new Network(config, arena, readArrays(arena, weights, config.arrays));
}

/** Latents and noise are Float32Arrays of `config.latent_size` values. */
class Network {
  #latent;
  #move;
  #codes;
  #trunk;
  #colour;

  constructor(config, arena, params) {
    const { networks, head, resolution } = config;
    /** The contents of lamp.json, which duralava/export/web.py writes. */
    this.config = config;
    /** How the brightness of each cell of the picture depends on the latent. */
    this.gradients = params.brightening;
    this.#latent = arena.array(config.latent_size);
    this.#move = TRANSITIONS[networks.transition](arena, params.transition);
    this.#codes = params.flow ? flow(arena, params.flow) : (latent) => latent;
    this.#trunk = trunk(arena, params.trunk, { pixelNorm: networks.pixel_norm });
    this.#colour = head
      ? colour(arena, params, Math.log2(resolution / head.resolution))
      : (features) => features.map(Math.tanh);
  }

  /** Returns the map of features of a latent: f32[S, S, C], row after row. */
  features(latent) {
    return this.#features(latent).slice();
  }

  /** Returns the frame of a latent: values in [-1, 1], RGB, row after row. */
  generate(latent) {
    return this.#colour(this.#features(latent));
  }

  /** Returns the latent of the next step. */
  next(latent, noise) {
    const { refresh } = this.config.networks;
    const keep = Math.sqrt(1 - refresh ** 2);
    return this.#move(latent).map((value, i) => keep * value + refresh * noise[i]);
  }

  #features(latent) {
    this.#latent.set(latent);
    return this.#trunk(this.#codes(this.#latent));
  }
}
