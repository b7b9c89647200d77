// The networks of the lamp, as ONNX Runtime Web runs them.

import * as ort from "./onnxruntime-web/ort.wasm.bundle.min.js";

// More threads need HTTP headers that a plain file server does not send.
ort.env.wasm.numThreads = 1;

/** Loads the networks and their config from the folder of this file. */
export async function openNetwork() {
  const address = (name) => new URL(name, import.meta.url).href;
  const open = (name) => ort.InferenceSession.create(address(`${name}.onnx`));
  const [config, ...sessions] = await Promise.all([
    fetch(address("lamp.json")).then((response) => response.json()),
    ...["generator", "transition", "push"].map(open),
  ]);
  return new Network(config, ...sessions);
}

/** Latents and noise are Float32Arrays of `config.latent_size` values. */
class Network {
  #generator;
  #transition;
  #push;

  constructor(config, generator, transition, push) {
    /** The contents of lamp.json, which duralava/export/web.py writes. */
    this.config = config;
    this.#generator = generator;
    this.#transition = transition;
    this.#push = push;
  }

  /** Returns the frame of a latent: RGB, row after row, each value in [-1, 1]. */
  async generate(latent) {
    const { frame } = await this.#generator.run({ latent: row(latent) });
    return frame.data;
  }

  /** Returns the latent one step later. */
  async next(latent, noise) {
    const feeds = { latent: row(latent), noise: row(noise) };
    return (await this.#transition.run(feeds)).next_latent.data;
  }

  /**
   * Returns the latent turned by an angle, in radians, so that wax gathers at a place,
   * [0, 0] to [1, 1].
   */
  async push(latent, place, angle) {
    const feeds = {
      latent: row(latent),
      place: new ort.Tensor("float32", place, [2]),
      angle: new ort.Tensor("float32", [angle], []),
    };
    return (await this.#push.run(feeds)).pushed_latent.data;
  }
}

function row(values) {
  return new ort.Tensor("float32", values, [1, values.length]);
}
