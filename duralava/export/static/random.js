// Random numbers as JAX computes them, so that a seed gives the same lamp in both.

const ROTATIONS = [[13, 15, 26, 6], [17, 29, 16, 24]];
const PARITY = 0x1bd11bda;
// Polynomials for the inverse error function, near 0 and in the tails (Giles 2010,
// "Approximating the erfinv function").
const CENTRE = [
  2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 0.00021858087,
  -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
];
const TAILS = [
  -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
  -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
];

/** Returns the key of a seed, an integer from 0 to 2^32 - 1: two words. */
export function seedKey(seed) {
  return [0, seed >>> 0];
}

/**
 * Returns another key for each number, as `jax.random.fold_in` does. `foldIn(key, i)`
 * equals `jax.random.split(key)[i]` too.
 */
export function foldIn(key, number) {
  return threefry(key, 0, number >>> 0);
}

/** Returns a Float32Array of samples of N(0, 1). */
export function normal(key, size) {
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  return Float32Array.from({ length: size }, (_, index) => {
    const [first, second] = threefry(key, 0, index);
    // 23 bits as the mantissa of a number in [1, 2), which is then scaled to (-1, 1).
    bits[0] = ((first ^ second) >>> 9) | 0x3f800000;
    const uniform = Math.max(2 * (float[0] - 1) - (1 - 2 ** -24), 2 ** -24 - 1);
    return Math.SQRT2 * inverseError(uniform);
  });
}

/**
 * Encrypts two words with a key of two words: Threefry-2x32 (Salmon et al. 2011) of
 * 20 rounds.
 */
function threefry([k0, k1], x0, x1) {
  const keys = [k0, k1, k0 ^ k1 ^ PARITY];
  x0 = (x0 + k0) | 0;
  x1 = (x1 + k1) | 0;
  for (let round = 0; round < 5; round += 1) {
    for (const by of ROTATIONS[round % 2]) {
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << by) | (x1 >>> (32 - by))) ^ x0;
    }
    x0 = (x0 + keys[(round + 1) % 3]) | 0;
    x1 = (x1 + keys[(round + 2) % 3] + round + 1) | 0;
  }
  return [x0 >>> 0, x1 >>> 0];
}

function inverseError(x) {
  const w = -Math.log1p(-x * x);
  const [coefficients, by] = w < 5 ? [CENTRE, w - 2.5] : [TAILS, Math.sqrt(w) - 3];
  return x * coefficients.reduce((sum, coefficient) => sum * by + coefficient);
}
