// The networks of a lamp, as duralava/models has them.
//
// Each function here takes the parameters of a layer or a network, and returns it as a
// function of arrays. duralava/export/web_arrays.py has the layout of the parameters.

import { entry } from "./arrays.js";

const SLOPE = 0.2; // of `activate`, for negative values
const SMALLEST = 4; // height and width of the first map of a trunk

/** Returns f32[Z] -> f32[Z]: one step of the lamp without noise. */
export const TRANSITIONS = { rotation, mlp };

function rotation(arena, { basis, turn }) {
  const size = basis.shape[1];
  const layers = layersOf(basis, turn).map(({ basis, params }) => ({
    bases: basesOf(arena, basis),
    angles: [0, 1].map((half) => perceptron(arena, entry(params, half), size / 4)),
  }));
  const z = arena.array(size);
  const change = arena.array(size);
  return (latent) => {
    z.set(latent);
    for (const { bases, angles } of layers) {
      const [a, b] = halves(bases.enter(z));
      const [changeA, changeB] = halves(change);
      setPairChanges(changeA, a, angles[0](b));
      add(a, changeA);
      setPairChanges(changeB, b, angles[1](a));
      add(z, bases.leave(change));
    }
    // The norm is kept but for rounding, which is corrected here.
    const lost = latent.reduce((sum, value, i) => sum + (value - z[i]) * (value + z[i]), 0);
    const square = z.reduce((sum, value) => sum + value * value, 0);
    const scale = 1 + lost / (2 * Math.max(square, 1e-30));
    return z.map((value) => value * scale);
  };
}

/** Sets the change of x when the planes (x[i], x[i + n]) turn by tanh(outputs[i]). */
function setPairChanges(change, x, outputs) {
  const n = outputs.length;
  for (let i = 0; i < n; i += 1) {
    const half = Math.tanh(outputs[i]) / 2;
    const [sine, cosine] = [Math.sin(half), Math.cos(half)];
    change[i] = 2 * sine * (-sine * x[i] - cosine * x[i + n]);
    change[i + n] = 2 * sine * (cosine * x[i] - sine * x[i + n]);
  }
}

function mlp(arena, params) {
  const last = `Dense_${Object.keys(params).length - 1}`;
  const size = params[last].bias.length;
  const z = arena.array(size);
  const network = perceptron(arena, params, size);
  const longest = Math.sqrt(size) + 5; // as `longest_latent` of the transition
  return (latent) => {
    z.set(latent);
    add(z, network(z));
    const scale = Math.min(1, longest / Math.hypot(...z));
    return z.map((value) => value * scale);
  };
}

/** Returns f32[Z] -> f32[Z]: from latents to the codes that a trunk takes. */
export function flow(arena, { basis, coupling }) {
  const size = basis.shape[1];
  const layers = layersOf(basis, coupling).map(({ basis, params }) => ({
    bases: basesOf(arena, basis),
    couplings: [0, 1].map((half) => perceptron(arena, entry(params, half), size)),
  }));
  return (latent) => {
    let x = latent;
    for (const { bases, couplings } of layers) {
      const inside = bases.enter(x);
      const [a, b] = halves(inside);
      couple(a, couplings[0](b));
      couple(b, couplings[1](a));
      x = bases.leave(inside);
    }
    return x;
  };
}

function couple(x, outputs) {
  const [scale, shift] = halves(outputs);
  x.forEach((value, i) => { x[i] = value * Math.exp(Math.tanh(scale[i])) + shift[i]; });
}

/** Returns f32[Z] -> f32[S, S, C]: the map of features of a code. */
export function trunk(arena, params, { pixelNorm }) {
  const named = (kind) => Object.keys(params).filter((name) => name.startsWith(kind));
  const first = named("Dense").map((_, i) => dense(arena, params[`Dense_${i}`]));
  let size = SMALLEST;
  const upsampling = named("Upsample").map((_, i) => {
    const layer = upsample(arena, params[`Upsample_${i}`], size);
    size = layer.side;
    return layer;
  });
  return (code) => {
    let x = code;
    first.forEach((layer, i) => { x = layer(i ? activate(x) : x); });
    for (const { apply, channels } of upsampling) {
      if (pixelNorm) normalise(x, channels);
      x = apply(activate(x));
    }
    return params.background ? add(x, params.background) : x;
  };
}

/**
 * Returns f32[S, S, C] -> f32[size, size, 3] in [-1, 1]: a head's frames of one size.
 *
 * @param spline f32[size, S], how pixels interpolate the map.
 * @param octaves by which the pixels are smaller than those of the training frames.
 */
export function colour(arena, { head, spline }, octaves) {
  const [size, cells] = spline.shape;
  const channels = head.pixel_size.length;
  const spread = arena.array(cells * size * channels);
  const row = arena.array(size * channels);
  const offset = head.pixel_size.map((value) => -octaves * value);
  const layers = [dense(arena, head.Dense_0, size), dense(arena, head.Dense_1, size)];
  return (features) => {
    spread.fill(0);
    for (let y = 0; y < cells; y += 1) {
      arena.addProduct(
        spline,
        features.subarray(y * cells * channels),
        spread.subarray(y * size * channels),
        { rows: size, depth: cells, columns: channels },
      );
    }
    const frame = new Float32Array(size * size * 3);
    for (let y = 0; y < size; y += 1) {
      tile(row, offset);
      const weights = spline.subarray(y * cells);
      const columns = size * channels;
      arena.addProduct(weights, spread, row, { rows: 1, depth: cells, columns });
      const rgb = layers.reduce((x, layer) => layer(activate(x)), row);
      for (let i = 0; i < 3 * size; i += 1) {
        frame[3 * y * size + i] = Math.tanh(rgb[4 * Math.floor(i / 3) + (i % 3)]);
      }
    }
    return frame;
  };
}

function perceptron(arena, params, features) {
  const layers = Object.keys(params).map((_, i) => dense(arena, params[`Dense_${i}`]));
  return (input) => {
    let x = input;
    layers.forEach((layer, i) => { x = layer(i ? activate(x) : x); });
    return x.subarray(0, features);
  };
}

function dense(arena, { kernel, bias }, rows = 1) {
  const [depth, columns] = kernel.shape;
  const output = arena.array(rows * columns);
  return (input) => {
    if (bias) tile(output, bias);
    else output.fill(0);
    arena.addProduct(input, kernel, output, { rows, depth, columns });
    return output;
  };
}

/**
 * Enlarges maps by a transposed convolution of stride s, in blocks of s x s pixels.
 *
 * Blocks begin half a block before the first pixel, so that each depends on the four
 * pixels of the input around it.
 */
function upsample(arena, { kernel, bias }, size) {
  const [, depth, columns] = kernel.shape; // values of two pixels, and of a block
  const [channels, features] = [depth / 2, bias.length];
  const stride = Math.sqrt(columns / features);
  const side = size * stride;
  const padded = arena.array((size + 2) ** 2 * channels);
  const blocks = arena.array((size + 1) ** 2 * columns);
  const output = arena.array(side ** 2 * features);
  const width = (size + 2) * channels;
  const kernels = [entry(kernel, 0), entry(kernel, 1)];

  function apply(input) {
    for (let y = 0; y < size; y += 1) {
      const row = input.subarray(y * size * channels, (y + 1) * size * channels);
      padded.set(row, (y + 1) * width + channels);
    }
    tile(blocks, bias);
    for (let y = 0; y <= size; y += 1) {
      const sum = blocks.subarray(y * (size + 1) * columns);
      const shape = { rows: size + 1, depth, columns, stride: channels };
      kernels.forEach((part, tap) => {
        arena.addProduct(padded.subarray((y + tap) * width), part, sum, shape);
      });
    }
    for (let y = 0; y < side; y += 1) {
      for (let x = 0; x < side; x += 1) {
        const from = pixelOfBlocks(y + stride / 2, x + stride / 2) * features;
        const pixel = blocks.subarray(from, from + features);
        output.set(pixel, (y * side + x) * features);
      }
    }
    return output;
  }

  function pixelOfBlocks(y, x) {
    const block = Math.floor(y / stride) * (size + 1) + Math.floor(x / stride);
    return (block * stride + (y % stride)) * stride + (x % stride);
  }

  return { apply, channels, side };
}

/** Returns the basis f32[Z, Z] and the parameters of each layer. */
function layersOf(bases, params) {
  const indices = [...Array(bases.shape[0]).keys()];
  return indices.map((i) => ({ basis: entry(bases, i), params: entry(params, i) }));
}

/** Returns the products with an orthonormal basis, and with its transpose. */
function basesOf(arena, basis) {
  const [size] = basis.shape;
  const transposed = arena.array(size * size);
  basis.forEach((value, i) => { transposed[(i % size) * size + Math.floor(i / size)] = value; });
  transposed.shape = basis.shape;
  return {
    enter: dense(arena, { kernel: basis }),
    leave: dense(arena, { kernel: transposed }),
  };
}

/** Scales the channels of each pixel to unit mean square. */
function normalise(x, channels) {
  for (let start = 0; start < x.length; start += channels) {
    let square = 0;
    for (let i = start; i < start + channels; i += 1) square += x[i] * x[i];
    const scale = 1 / Math.sqrt(square / channels + 1e-6);
    for (let i = start; i < start + channels; i += 1) x[i] *= scale;
  }
}

function activate(x) {
  for (let i = 0; i < x.length; i += 1) if (x[i] < 0) x[i] *= SLOPE;
  return x;
}

function add(x, others) {
  for (let i = 0; i < x.length; i += 1) x[i] += others[i];
  return x;
}

function halves(x) {
  return [x.subarray(0, x.length / 2), x.subarray(x.length / 2)];
}

/** Fills an array with copies of another one. */
function tile(array, part) {
  for (let start = 0; start < array.length; start += part.length) array.set(part, start);
}
