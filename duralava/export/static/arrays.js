// Arrays in the memory of WebAssembly, and their matrix products.

const SCRATCH = 2 ** 25; // bytes for the outputs of layers
const PAGE = 2 ** 16; // bytes

/** Arrays in one memory. They are never freed. */
export class Arena {
  #buffer;
  #used = 0; // bytes
  #product;

  /**
   * Compiles the products.
   *
   * @param code of duralava/export/product.wat.
   * @param numBytes of all parameters.
   */
  static async open(code, numBytes) {
    const pages = Math.ceil((numBytes + SCRATCH) / PAGE);
    const memory = new WebAssembly.Memory({ initial: pages });
    const { instance } = await WebAssembly.instantiate(code, { lamp: { memory } });
    const arena = new Arena();
    arena.#buffer = memory.buffer;
    arena.#product = instance.exports.addProduct;
    return arena;
  }

  /** Returns a new Float32Array of zeros. */
  array(size) {
    const array = new Float32Array(this.#buffer, this.#used, size);
    this.#used += 16 * Math.ceil(size / 4); // at a vector of four
    return array;
  }

  /**
   * Adds the product of f32[rows, depth] and f32[depth, columns] to `sum`.
   *
   * All are arrays of this arena. `columns` is a multiple of four. The rows of the first
   * factor begin `stride` values apart.
   */
  addProduct(first, second, sum, { rows, depth, columns, stride = depth }) {
    const addresses = [second, sum].map((array) => array.byteOffset);
    this.#product(first.byteOffset, 4 * stride, ...addresses, rows, depth, columns);
  }
}

/**
 * Returns arrays of an arena as a tree of their names. Each has its `shape`.
 *
 * @param described [{name, shape, half}, ...] in the order of the bytes: whether values
 *   are in half precision, or in single precision.
 */
export function readArrays(arena, bytes, described) {
  const table = Float32Array.from({ length: 2 ** 16 }, (_, bits) => ofHalf(bits));
  const tree = {};
  let start = 0;
  for (const { name, shape, half } of described) {
    const size = count(shape);
    const end = start + size * (half ? 2 : 4);
    const stored = bytes.slice(start, end).buffer;
    const array = Object.assign(arena.array(size), { shape });
    if (half) new Uint16Array(stored).forEach((bits, i) => { array[i] = table[bits]; });
    else array.set(new Float32Array(stored));
    start = end;
    const path = name.split("/");
    const last = path.pop();
    path.reduce((inner, key) => (inner[key] ??= {}), tree)[last] = array;
  }
  return tree;
}

/** Returns the number of values of all arrays together. */
export function countValues(described) {
  return described.reduce((sum, { shape }) => sum + count(shape), 0);
}

/** Returns an entry along the first axis of an array, or of all arrays of a tree. */
export function entry(tree, index) {
  if (!(tree instanceof Float32Array)) {
    const parts = Object.entries(tree).map(([name, part]) => [name, entry(part, index)]);
    return Object.fromEntries(parts);
  }
  const shape = tree.shape.slice(1);
  const start = index * count(shape);
  return Object.assign(tree.subarray(start, start + count(shape)), { shape });
}

function count(shape) {
  return shape.reduce((product, length) => product * length, 1);
}

/** Returns the value of a finite number in half precision. */
function ofHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = (bits & 0x3ff) / 0x400;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
}
