// The networks of the lamp, as ONNX Runtime Web runs them.

import { loadCompressed } from "./loading.js";
import * as ort from "./onnxruntime-web/ort.wasm.bundle.min.js";

const RUNTIME = "onnxruntime-web/ort-wasm-simd-threaded.wasm";
const TOUCH = "brightening.f32";

// More threads need HTTP headers that a plain file server does not send.
ort.env.wasm.numThreads = 1;

/**
 * Loads the networks and their config from the folder of this file.
 *
 * @param drawsFeatures whether the page colours features; if not, it needs frames.
 * @param onProgress called with the numbers of bytes that are loaded, and of all.
 */
export async function openNetwork({ drawsFeatures = false, onProgress = () => {} } = {}) {
  const address = (name) => new URL(name, import.meta.url).href;
  const response = await fetch(address("lamp.json"));
  const config = await response.json();
  const drawing = !config.head ? ["generator.onnx"]
    : drawsFeatures ? ["features.onnx"] : ["features.onnx", "head.onnx"];
  const names = [RUNTIME, TOUCH, "transition.onnx", ...drawing];
  const size = (name) => config.compressed_bytes[name];
  const total = names.map(size).reduce((sum, bytes) => sum + bytes);
  let loaded = 0;
  const count = (bytes) => {
    loaded += bytes;
    onProgress(Math.min(loaded, total), total);
  };
  const [runtime, touch, ...models] = await Promise.all(
    names.map((name) => loadCompressed(address(name), count)),
  );
  ort.env.wasm.wasmBinary = runtime;
  const sessions = {};
  for (const [index, model] of models.entries()) {
    const name = names[index + 2];
    sessions[name] = await ort.InferenceSession.create(model);
  }
  return new Network(config, new Float32Array(touch.buffer), sessions);
}

/** Latents and noise are Float32Arrays of `config.latent_size` values. */
class Network {
  #sessions;

  constructor(config, gradients, sessions) {
    /** The contents of lamp.json, which duralava/export/web.py writes. */
    this.config = config;
    /** How the brightness of each cell of the picture depends on the latent. */
    this.gradients = gradients;
    this.#sessions = sessions;
  }

  /** Returns the map of features of a latent: f32[S, S, C], row after row. */
  async features(latent) {
    const session = this.#sessions["features.onnx"];
    return (await session.run({ latent: row(latent) })).features.data;
  }

  /** Returns the frame of a latent: RGB, row after row, each value in [-1, 1]. */
  async generate(latent) {
    const feeds = { latent: row(latent) };
    if (!this.config.head) {
      return (await this.#sessions["generator.onnx"].run(feeds)).frame.data;
    }
    const { features } = await this.#sessions["features.onnx"].run(feeds);
    return (await this.#sessions["head.onnx"].run({ features })).frame.data;
  }

  /** Returns the latent one step later. */
  async next(latent, noise) {
    const feeds = { latent: row(latent), noise: row(noise) };
    return (await this.#sessions["transition.onnx"].run(feeds)).next_latent.data;
  }
}

function row(values) {
  return new ort.Tensor("float32", values, [1, values.length]);
}
