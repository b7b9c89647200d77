// The networks of the lamp, run by ONNX Runtime Web.

import * as ort from "./onnxruntime-web/ort.wasm.bundle.min.js";

// More threads would want headers that a plain file server does not send.
ort.env.wasm.numThreads = 1;

/** Loads what lies beside this file. */
export async function openNetwork() {
  const place = (name) => new URL(name, import.meta.url).href;
  const open = (name) => ort.InferenceSession.create(place(`${name}.onnx`));
  const [settings, ...sessions] = await Promise.all([
    fetch(place("lamp.json")).then((response) => response.json()),
    ...["generator", "transition", "push"].map(open),
  ]);
  return new Network(settings, ...sessions);
}

/** Latents and noise are Float32Arrays of `settings.latent_size` values. */
class Network {
  #generator;
  #transition;
  #push;

  constructor(settings, generator, transition, push) {
    /** What lamp.json says: see duralava/export/web.py. */
    this.settings = settings;
    this.#generator = generator;
    this.#transition = transition;
    this.#push = push;
  }

  /** RGB of a latent's picture, row after row, each from -1 to 1. */
  async frame(latent) {
    const { frame } = await this.#generator.run({ latent: row(latent) });
    return frame.data;
  }

  /** The latent a step later. */
  async next(latent, noise) {
    const feeds = { latent: row(latent), noise: row(noise) };
    return (await this.#transition.run(feeds)).next_latent.data;
  }

  /** The latent turned by an angle towards wax at a place, [0, 0] to [1, 1]. */
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
