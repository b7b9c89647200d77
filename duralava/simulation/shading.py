"""Pictures of a lamp: glass, foot and cap, wax lit from below, glowing liquid.

The picture is a unit square, x to the right from -1/2 to 1/2, y up from 0 to 1. Every
part of the lamp but its wax is mirror-symmetric, so mirrored film is film of a lamp.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from duralava.simulation import grid, lamp
from duralava.simulation.lamp import LampConfig, LampState

# Wax is brighter near the foot, where it is warm, on its underside, and in its middle.
_FOOT_LIGHT, _FOOT_LIGHT_REACH = 0.55, 0.2
_WARM_LIGHT = 0.5
_UNDERSIDE_LIGHT = 0.12
_MIDDLE_LIGHT, _MIDDLE_DEPTH_CELLS = 0.15, 5.0
_WARM_LIQUID = (0.25, 0.02, 0.06)

# Outline of the lamp: heights, and half the width at each.
_GLASS_FOOT, _GLASS_TOP = 0.08, 0.94
_OUTLINE_Y = (0.02, 0.08, 0.20, 0.94, 0.98)
_OUTLINE_HALF_WIDTH = (0.29, 0.315, 0.355, 0.225, 0.19)

# Colours, RGB in [0, 1]. Wax runs through its colours as it gets brighter.
_WAX_BRIGHTNESS = (0.0, 0.35, 0.65, 1.0)
_WAX = ((0.82, 0.10, 0.12), (1.0, 0.27, 0.16), (1.0, 0.52, 0.17), (1.0, 0.90, 0.25))
_LIQUID_MIDDLE = (0.24, 0.03, 0.28)
_LIQUID_SIDE = (0.34, 0.06, 0.55)
_LIQUID_FOOT = (0.90, 0.25, 0.45)
_METAL = (0.16, 0.13, 0.15)


class _Canvas(NamedTuple):
    """What does not change from frame to frame, for each of P pixels.

    Attributes:
      corners: i32[4, P], flat indices of the cells around a pixel.
      weights: f32[4, P], bilinear weights of those cells.
      cells_per_pixel: size of a pixel in cells, on average.
      height: f32[P], 0 at the floor of the glass to 1 at its top.
      glass: f32[P, 1], share of the pixel that is glass.
      liquid: f32[P, 3], colour of the cold liquid.
      metal: f32[P, 3], colour of foot and cap, over black.
    """

    corners: np.ndarray
    weights: np.ndarray
    cells_per_pixel: float
    height: np.ndarray
    glass: np.ndarray
    liquid: np.ndarray
    metal: np.ndarray


@functools.partial(jax.jit, static_argnames=("resolution", "config"))
def shade(
    states: LampState, resolution: int, config: LampConfig = lamp.DEFAULT_CONFIG
) -> jax.Array:
    """Draws lamps, one after the other, so that memory stays that of one picture.

    Args:
      states: wax f32[N, K, Ny, Nx] and temperature f32[N, Ny, Nx].
      resolution: height and width of a picture, in pixels.
      config: the lamp that the states are of.

    Returns:
      uint8[N, resolution, resolution, 3], row 0 at the top.
    """
    canvas = _canvas(resolution, config.rows, config.columns)
    draw = functools.partial(_draw, canvas=canvas, config=config)
    pictures = jax.lax.map(draw, states)
    return pictures.reshape(-1, resolution, resolution, 3)


def _draw(state: LampState, canvas: _Canvas, config: LampConfig) -> jax.Array:
    """Returns one picture, uint8[P, 3]."""
    depth = _depth(state.wax, config)
    _, facing_down = grid.gradient(jnp.clip(depth, -4, 4), 1.0)
    depth, facing_down, temperature = (
        jnp.sum(field.ravel()[canvas.corners] * canvas.weights, axis=0)
        for field in (depth, facing_down, state.temperature)
    )
    wax = jnp.clip(0.5 + depth / canvas.cells_per_pixel, 0, 1)[:, None]
    brightness = (
        _FOOT_LIGHT * jnp.exp(-canvas.height / _FOOT_LIGHT_REACH)
        + _WARM_LIGHT * temperature
        + _UNDERSIDE_LIGHT * facing_down
        + _MIDDLE_LIGHT * jnp.clip(depth / _MIDDLE_DEPTH_CELLS, 0, 1)
    )
    wax_colour = jnp.stack(
        [
            jnp.interp(brightness, np.array(_WAX_BRIGHTNESS), np.array(channel))
            for channel in zip(*_WAX, strict=True)
        ],
        axis=-1,
    )
    liquid = canvas.liquid + temperature[:, None] * np.float32(_WARM_LIQUID)
    inside = wax * wax_colour + (1 - wax) * liquid
    picture = canvas.glass * inside + canvas.metal
    return jnp.round(255 * jnp.clip(picture, 0, 1)).astype(jnp.uint8)


def _depth(wax: jax.Array, config: LampConfig) -> jax.Array:
    """Returns how deep inside wax each cell lies, f32[Ny, Nx], in cells.

    Negative outside. The tanh profile of the surface is a distance in disguise, which
    stays sharp when it is drawn larger than the grid.
    """
    outside = jnp.prod(1 - jnp.clip(wax, 1e-4, 1 - 1e-4), axis=0)
    return config.surface_cells * (jnp.log1p(-outside) - jnp.log(outside))


@functools.cache
def _canvas(resolution: int, rows: int, columns: int) -> _Canvas:
    centres = (np.arange(resolution) + 0.5) / resolution
    x, y = np.meshgrid(centres - 0.5, centres[::-1])
    x, y = x.ravel(), y.ravel()
    half_width = np.interp(y, _OUTLINE_Y, _OUTLINE_HALF_WIDTH)
    covered = _covered(half_width - np.abs(x), resolution)
    glass = covered * _between(y, _GLASS_FOOT, _GLASS_TOP, resolution)
    metal = covered * _between(y, _OUTLINE_Y[0], _OUTLINE_Y[-1], resolution) - glass

    height = (y - _GLASS_FOOT) / (_GLASS_TOP - _GLASS_FOOT)
    across = x / half_width
    corners, weights = _bilinear(
        (0.5 + 0.5 * across) * columns - 0.5, height * rows - 0.5, rows, columns
    )
    side = np.clip(across**2, 0, 1)[:, None]
    foot = np.exp(-np.clip(height, 0, 1) / 0.12)[:, None]
    liquid = (1 - side) * _LIQUID_MIDDLE + side * np.array(_LIQUID_SIDE)
    liquid = (1 - 0.7 * foot) * liquid + 0.7 * foot * np.array(_LIQUID_FOOT)
    shine = 0.5 + 0.5 * np.exp(-((across / 0.4) ** 2))
    return _Canvas(
        corners=corners,
        weights=weights,
        cells_per_pixel=rows / (_GLASS_TOP - _GLASS_FOOT) / resolution,
        height=np.clip(height, 0, 1).astype(np.float32),
        glass=glass[:, None].astype(np.float32),
        liquid=liquid.astype(np.float32),
        metal=((metal * shine)[:, None] * _METAL).astype(np.float32),
    )


def _bilinear(
    column: np.ndarray, row: np.ndarray, rows: int, columns: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns flat indices i32[4, P] and weights f32[4, P] of bilinear sampling."""
    column, row = np.clip(column, 0, columns - 1), np.clip(row, 0, rows - 1)
    left = np.minimum(column.astype(np.int32), columns - 2)
    below = np.minimum(row.astype(np.int32), rows - 2)
    right_share, upper_share = column - left, row - below
    first = below * columns + left
    corners = np.stack([first, first + 1, first + columns, first + columns + 1])
    weights = np.stack(
        [
            (1 - upper_share) * (1 - right_share),
            (1 - upper_share) * right_share,
            upper_share * (1 - right_share),
            upper_share * right_share,
        ]
    )
    return corners, weights.astype(np.float32)


def _covered(distance: np.ndarray, resolution: int) -> np.ndarray:
    """Returns the share of a pixel inside an edge, `distance` away from its middle."""
    return np.clip(0.5 + distance * resolution, 0, 1)


def _between(y: np.ndarray, low: float, high: float, resolution: int) -> np.ndarray:
    return _covered(y - low, resolution) * _covered(high - y, resolution)
