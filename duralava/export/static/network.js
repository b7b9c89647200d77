// The networks of the lamp, as ONNX Runtime Web runs them.

import * as ort from "./onnxruntime-web/ort.wasm.bundle.min.js";

// More threads need HTTP headers that a plain file server does not send.
ort.env.wasm.numThreads = 1;

/** Loads the networks and their config from the folder of this file. */
export async function openNetwork() {
  const address = (name) => new URL(name, import.meta.url).href;
  const open = (name) => ort.InferenceSession.create(address(`${name}.onnx`));
  const [config, gradients, ...sessions] = await Promise.all([
    fetch(address("lamp.json")).then((response) => response.json()),
    fetch(address("brightening.f32")).then((response) => response.arrayBuffer()),
    ...["generator", "transition"].map(open),
  ]);
  return new Network(config, new Float32Array(gradients), ...sessions);
}

/** Latents and noise are Float32Arrays of `config.latent_size` values. */
class Network {
  #generator;
  #transition;

  constructor(config, gradients, generator, transition) {
    /** The contents of lamp.json, which duralava/export/web.py writes. */
    this.config = config;
    /** How the brightness of each cell of the picture depends on the latent. */
    this.gradients = gradients;
    this.#generator = generator;
    this.#transition = transition;
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
}

function row(values) {
  return new ort.Tensor("float32", values, [1, values.length]);
}
