// How a touch turns a latent, as in duralava/live/touch.py.

/**
 * Turns a latent so that a place of the picture becomes brighter.
 *
 * @param latent Float32Array of Z values.
 * @param gradients Float32Array [N, N, Z]: how the brightness of each cell of the
 *   picture depends on the latent.
 * @param place [x, y], each from 0 to 1.
 * @param angle by which to turn, in radians.
 * @param radius of the region that becomes brighter, in heights of the picture.
 * @param nearest angle to the direction of the brightness at which the turn ends.
 */
export function turn(latent, gradients, place, angle, { radius, nearest }) {
  const direction = meanGradient(gradients, latent.length, place, radius);
  const norms = [direction, latent].map((v) => Math.hypot(...v));
  if (!norms.every(Boolean)) return latent;
  const towards = direction.map((v) => v / norms[0]);
  const unit = Array.from(latent, (v) => v / norms[1]);
  const product = unit.reduce((sum, v, i) => sum + v * towards[i], 0);
  const cosine = Math.max(-1, Math.min(1, product));
  const before = Math.acos(cosine);
  const after = Math.max(before - angle, Math.min(before, nearest));
  const aside = unit.map((v, i) => v - cosine * towards[i]);
  const length = Math.max(Math.hypot(...aside), 1e-12);
  const [a, b] = [Math.cos(after), Math.sin(after) / length];
  return Float32Array.from(towards, (v, i) => norms[1] * (a * v + b * aside[i]));
}

function meanGradient(gradients, size, [x, y], radius) {
  const rows = Math.sqrt(gradients.length / size);
  const sum = new Array(size).fill(0);
  for (let cell = 0; cell < rows * rows; cell += 1) {
    const dx = ((cell % rows) + 0.5) / rows - x;
    const dy = (Math.floor(cell / rows) + 0.5) / rows - y;
    const weight = Math.exp(-(dx * dx + dy * dy) / (2 * radius * radius));
    for (let i = 0; i < size; i += 1) sum[i] += weight * gradients[cell * size + i];
  }
  return sum;
}
