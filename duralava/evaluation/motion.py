"""Block matching: how far the parts of a frame move until the next frame."""

import functools

import jax
import jax.numpy as jnp
import numpy as np


@functools.partial(jax.jit, static_argnames=("block", "search"))
def block_motion(
    first: jax.Array,
    second: jax.Array,
    *,
    block: int = 8,
    search: int = 4,
    min_texture: float = 64.0,
) -> tuple[jax.Array, jax.Array]:
    """Finds each block of one frame in the next, by full search (Jain & Jain 1981).

    The sum of squared differences of a block is computed at every whole displacement
    of up to `search` pixels down and right. Frames are padded with their border pixels.
    If the picture is linear between pixels, the sum near its minimum is a paraboloid of
    the displacement, whose minimum is the displacement to a fraction of a pixel (Lucas
    & Kanade 1981; slopes are the means of both frames). Unlike a parabola through the
    neighbouring sums, it gives exactly zero for still film.

    A block is unreliable if

    - the picture has too little slope along some direction: it has no texture, or an
      edge whose motion along itself is invisible (Shi & Tomasi 1994);
    - the minimum is at the border of the search or outside the frame, or the minimum of
      the paraboloid is more than a pixel away from it.

    Args:
      first: u8[N, H, W, C], any number of channels.
      second: u8[N, H, W, C], the frames after `first`.
      block: height and width of a block in pixels.
      search: largest displacement in pixels, at least 1.
      min_texture: least mean squared slope of a reliable block along any direction,
        summed over channels, in squared levels (0 to 255) per pixel.

    Returns:
      displacement f32[N, H / block, W / block, 2] in pixels (down, right), and
      reliable bool[N, H / block, W / block].

    Raises:
      ValueError: the frames differ in shape or cannot be cut into blocks.
    """
    number, height, width, _ = first.shape
    if first.shape != second.shape or height % block or width % block:
        raise ValueError(
            f"frames of {first.shape} and {second.shape} cannot be compared in blocks "
            f"of {block} pixels"
        )
    grid = number, height // block, width // block
    # Planes of one channel: sums run along rows of pixels.
    first, second = (
        jnp.moveaxis(frames, -1, 0).astype(jnp.float32) for frames in (first, second)
    )
    whole = _whole_displacement(first, second, block=block, search=search)
    corner = whole + block * np.stack(np.indices(grid)[1:], axis=-1)
    inside = (jnp.abs(whole) < search) & (corner >= 0)
    inside &= corner <= np.array([height - block, width - block])

    index = np.broadcast_to(np.arange(number)[:, None, None], grid)
    here = _cut(first, index, corner - whole, block=block, margin=1)
    there = _cut(second, index, corner, block=block, margin=search + 1)
    offset, textured = _offset(here, there, min_texture)
    reliable = textured & (inside & (jnp.abs(offset) <= 1)).all(axis=-1)
    return whole + jnp.where(reliable[..., None], offset, 0.0), reliable


def _offset(
    here: jax.Array, there: jax.Array, min_texture: float
) -> tuple[jax.Array, jax.Array]:
    """Returns how far blocks still move after their whole displacement.

    Args:
      here: blocks of the first frame with a rim, f32[N, rows, columns, C, b+2, b+2].
      there: blocks of the second frame, of the same shape.
      min_texture: as of `block_motion`.

    Returns:
      Offset f32[N, rows, columns, 2] in pixels, and whether a block has texture along
      all directions, bool[N, rows, columns].
    """
    area = (here.shape[-1] - 2) ** 2
    change = (there - here)[..., 1:-1, 1:-1]
    mean = (here + there) / 2
    down = (mean[..., 2:, 1:-1] - mean[..., :-2, 1:-1]) / 2
    right = (mean[..., 1:-1, 2:] - mean[..., 1:-1, :-2]) / 2

    def over_block(values: jax.Array) -> jax.Array:
        return values.sum(axis=(3, 4, 5)) / area

    dd, rr, dr = (
        over_block(a * b) for a, b in ((down,) * 2, (right,) * 2, (down, right))
    )
    weakest = (dd + rr - jnp.hypot(dd - rr, 2 * dr)) / 2
    textured = weakest >= min_texture
    determinant = jnp.where(textured, dd * rr - dr**2, 1.0)
    pull_down, pull_right = over_block(down * change), over_block(right * change)
    offset = jnp.stack(
        [dr * pull_right - rr * pull_down, dr * pull_down - dd * pull_right], axis=-1
    )
    return offset / determinant[..., None], textured


def _whole_displacement(
    first: jax.Array, second: jax.Array, *, block: int, search: int
) -> jax.Array:
    """Returns the best whole displacement of each block, i32[N, rows, columns, 2].

    Displacements are tried one after the other.

    Args:
      first: f32[C, N, H, W].
      second: f32[C, N, H, W].
      block: height and width of a block in pixels.
      search: largest displacement in pixels.
    """
    _, number, height, width = first.shape
    margin = (search, search)
    padded = jnp.pad(second, ((0, 0), (0, 0), margin, margin), mode="edge")
    grid = number, height // block, width // block

    def try_shift(
        best: tuple[jax.Array, jax.Array], shift: jax.Array
    ) -> tuple[tuple[jax.Array, jax.Array], None]:
        least, whole = best
        start = (0, 0, shift[0] + search, shift[1] + search)
        squares = (jax.lax.dynamic_slice(padded, start, first.shape) - first) ** 2
        # Not `sum`: XLA's CPU compiler merges it with the next sum into a slow loop.
        squares = functools.reduce(jnp.add, squares)
        squares = squares.reshape(number, -1, block, width).sum(axis=2)
        sums = squares.reshape(*grid, block).sum(axis=3)
        better = sums < least
        whole = jnp.where(better[..., None], shift, whole)
        return (jnp.where(better, sums, least), whole), None

    start = jnp.full(grid, jnp.inf), jnp.zeros((*grid, 2), jnp.int32)
    side = np.arange(-search, search + 1, dtype=np.int32)
    shifts = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    # Of displacements with equal sums, the smallest wins.
    shifts = shifts[np.argsort((shifts**2).sum(axis=1), kind="stable")]
    (_, whole), _ = jax.lax.scan(try_shift, start, shifts)
    return whole


def _cut(
    planes: jax.Array, index: np.ndarray, corner: jax.Array, *, block: int, margin: int
) -> jax.Array:
    """Cuts out blocks with a rim of a pixel, f32[N, rows, columns, C, b + 2, b + 2].

    Args:
      planes: f32[C, N, H, W], padded with their border pixels.
      index: frame of each block, [N, rows, columns].
      corner: of each block, down and right, [N, rows, columns, 2].
      block: height and width b of a block.
      margin: number of pixels that a block with its rim may extend out of the frame.
    """
    around = (margin, margin)
    padded = jnp.pad(planes, ((0, 0), (0, 0), around, around), mode="edge")
    size = (planes.shape[0], 1, block + 2, block + 2)

    def cut(index: jax.Array, corner: jax.Array) -> jax.Array:
        start = (0, index, *(corner + margin - 1))
        return jax.lax.dynamic_slice(padded, start, size)[:, 0]

    for _ in range(3):
        cut = jax.vmap(cut)
    return cut(index, corner)
