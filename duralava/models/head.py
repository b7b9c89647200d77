"""Head: colours any grid of pixels of a map of features.

Cubic B-splines interpolate the features at the centre of each pixel, and a small dense
network maps them to a colour. Edges are level sets of smooth features, so they are
sharp at any size. The network also gets the size of a pixel, so that it can smooth
edges where pixels are large, as film does.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from duralava.config import ModelConfig
from duralava.models import layers
from duralava.models.pixels import to_uint8

# What is computed together, so that its activations stay in a processor's cache.
_MOST_FRAMES = 20
_MOST_PIXELS = 20 * 64**2  # of all these frames
_MOST_COLOURED = 16_384  # pixels in the head at a time


class Window(NamedTuple):
    """Where a grid of pixels lies in a frame, in widths of the frame.

    The centre of pixel (i, j) is at (left + (j + 1/2) pixel, top + (i + 1/2) pixel).

    Attributes:
      left: f32[...], of the left edge, from that of the frame.
      top: f32[...], of the upper edge, from that of the frame.
      pixel: f32[...], width of a pixel.
    """

    left: jax.Array | float
    top: jax.Array | float
    pixel: jax.Array | float


def frames_per_group(size: int) -> int:
    """Returns how many frames of `size` pixels to compute together for display."""
    return max(1, min(_MOST_FRAMES, _MOST_PIXELS // size**2))


def whole_frame(size: int) -> Window:
    """Returns the window of a whole frame of `size` pixels."""
    return Window(0.0, 0.0, 1 / size)


class Head(nn.Module):
    """Maps interpolated features to colours, each pixel by itself."""

    config: ModelConfig

    @nn.compact
    def __call__(self, features: jax.Array, pixel: jax.Array | float) -> jax.Array:
        """Returns colours f32[..., 3] in [-1, 1].

        Args:
          features: f32[..., C].
          pixel: width of the pixels in widths of the frame, broadcasts to f32[...].
        """
        # Zero at first, so that a head that has learned from frames of `resolution`
        # alone, where the size has no effect, shows the same at other sizes.
        zeros = nn.initializers.zeros
        weights = self.param("pixel_size", zeros, features.shape[-1:])
        octaves = jnp.log2(jnp.asarray(pixel) * self.config.resolution)
        x = layers.activate(features + octaves[..., None] * weights)
        # As a list of pixels, so that gradients are plain matrix products.
        x = x.reshape(-1, x.shape[-1])
        rectified = layers.by_fan_in(2.0)
        x = layers.Dense(self.config.head_hidden, kernel_init=rectified)(x)
        x = layers.Dense(3, kernel_init=layers.by_fan_in(0.5))(layers.activate(x))
        return jnp.tanh(x).reshape(*features.shape[:-1], 3)


def colour(
    params: Any,
    features: jax.Array,
    window: Window,
    size: int,
    config: ModelConfig,
) -> jax.Array:
    """Colours a window of each map of features.

    Args:
      params: of `Head`.
      features: f32[..., S, S, C].
      window: of each map, or one for all of them.
      size: height and width of the windows in pixels.
      config: shape of the network.

    Returns:
      f32[..., size, size, 3] in [-1, 1].
    """
    columns, rows = (
        spline_matrix(pixel_centres(start, window.pixel, size), features.shape[-2])
        for start in (window.left, window.top)
    )
    x = jnp.einsum("...yt,...tsc->...ysc", rows, features)
    x = jnp.einsum("...xs,...ysc->...yxc", columns, x)
    pixel = jnp.asarray(window.pixel)[..., None, None]
    return Head(config).apply({"params": params}, x, pixel)


def colour_uint8(
    params: Any,
    features: jax.Array,
    window: Window,
    size: int,
    config: ModelConfig,
) -> jax.Array:
    """Colours a window of one map of features for display, fast and in little memory.

    The result is that of `colour`, but for rounding. Rows are interpolated from the
    four rows of the map that have a weight, a few at a time. Callers vectorise this
    function over `frames_per_group(size)` frames.

    Args:
      params: of `Head`.
      features: f32[S, S, C].
      window: of the map.
      size: height and width of the window in pixels.
      config: shape of the network.

    Returns:
      u8[size, size, 3].
    """
    columns = spline_matrix(
        pixel_centres(window.left, window.pixel, size), features.shape[-2]
    )
    spread = jnp.einsum("xs,tsc->txc", columns, features)

    def row(taps: tuple[jax.Array, jax.Array]) -> jax.Array:
        cells, weights = taps
        x = sum(spread[cells[k]] * weights[k] for k in range(4))
        return to_uint8(Head(config).apply({"params": params}, x, window.pixel))

    taps = spline_taps(
        pixel_centres(window.top, window.pixel, size), features.shape[-3]
    )
    rows = max(1, _MOST_COLOURED // (size * frames_per_group(size)))
    return jax.lax.map(row, taps, batch_size=rows)


def spline_taps(places: jax.Array, num_cells: int) -> tuple[jax.Array, jax.Array]:
    """Returns which cells a cubic B-spline takes at places along an axis.

    Args:
      places: f32[...] in widths of the axis; cell k has its centre at
        (k + 1/2) / num_cells.
      num_cells: number of cells of the axis.

    Returns:
      The four cells that have a weight i32[..., 4], and their weights f32[..., 4],
      whose sum is 1. Beyond either end of the axis, its last cell repeats.
    """
    x = jnp.clip(places, 0.0, 1.0) * num_cells - 0.5
    before = jnp.floor(x)
    t = x - before
    weights = jnp.stack(
        [
            (1 - t) ** 3,
            4 - 6 * t**2 + 3 * t**3,
            1 + 3 * t + 3 * t**2 - 3 * t**3,
            t**3,
        ],
        axis=-1,
    )
    cells = before.astype(jnp.int32)[..., None] + jnp.arange(-1, 3)
    return jnp.clip(cells, 0, num_cells - 1), weights / 6


def spline_matrix(places: jax.Array, num_cells: int) -> jax.Array:
    """Returns the weights of all cells f32[..., num_cells] at places f32[...]."""
    cells, weights = spline_taps(places, num_cells)
    return jnp.sum(jax.nn.one_hot(cells, num_cells) * weights[..., None], axis=-2)


def pixel_centres(start: jax.Array, pixel: jax.Array, size: int) -> jax.Array:
    """Returns the places f32[..., size] of pixel centres along an axis."""
    start, pixel = (jnp.asarray(value)[..., None] for value in (start, pixel))
    return start + (jnp.arange(size) + 0.5) * pixel
