"""Pictures of a lamp: translucent wax, lit from below, in a tapered glass.

The picture is a unit square, x to the right from -1/2 to 1/2, y up from 0 to 1. The
straight box of the simulation is bent into the glass: where the glass is w wide, a
cell is w / Nx wide and as high, so that a round blob is drawn round at every height.
Every part of the lamp except its wax is mirror-symmetric, so a mirrored film is also
the film of a lamp.

The light of a sample is that of the point where its line of sight first meets wax. It
depends on the height, temperature and distance of that point, and on the direction that
the surface faces.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from duralava.simulation import grid
from duralava.simulation.config import DEFAULT_CONFIG, LampConfig
from duralava.simulation.lamp import LampState
from duralava.simulation.themes import BLACK, DEFAULT_THEME, THEMES, Colour, Theme

MIN_RESOLUTION, MAX_RESOLUTION = 32, 512

# The lamp: heights and widths in pictures, roundness and taper of the glass. The floor
# is lower in the middle than at the sides, as if seen from slightly above.
_FLOOR, _FLOOR_SAG, _GLASS_HEIGHT, _MAX_GLASS_WIDTH = 0.065, 0.022, 0.88, 0.9
_FOOT_TO_TOP_WIDTH, _ROUND_SHARE, _ROUND_DEPTH = 1.4, 0.16, 0.14
_METAL_HEIGHT, _METAL_INSET = 0.03, 0.004

# Pictures smaller than this are drawn larger and averaged: cells are finer than pixels.
_MIN_SAMPLES = 64

# Distance from the surface up to which the profile of wax gives the distance.
_SURFACE_REACH_CELLS = 4.0

# Brightness of wax, 0 to 1 from the first of the theme's colours to the last.
_LEAST_LIGHT, _LOW_LIGHT = 0.02, 0.16
_HEATER_LIGHT, _HEATER_REACH, _HEATER_FLATNESS = 0.65, 0.13, 0.35
_FACING_US_LIGHT, _FACING_DOWN_LIGHT, _WARM_LIGHT = 0.42, 0.16, 0.25
_MIN_SLOPE = 0.05
_BACK_DIMMING, _BACK_HAZE = 0.22, 0.15

# Opacity of thin wax, and the glow around wax.
_LEAST_OPACITY, _OPAQUE_CELLS = 0.72, 2.5
_HALO, _NEAR_CELLS = 0.16, 4.0


class _Canvas(NamedTuple):
    """What stays the same from frame to frame, at H x W samples around the lamp.

    Attributes:
      factor: samples per pixel, along each side.
      top: rows of pixels above the samples.
      left: columns of pixels left, and right, of the samples.
      row_weights: f32[H, Ny], of each row of cells for each row of samples.
      column_weights: f32[H, Nx, W], of each column of cells for each sample of a row.
      sharpness: f32[H, 1], samples per cell.
      light: f32[H, W], brightness of wax without shape or heat.
      liquid: f32[3, H, W], colour of the liquid.
      clear: f32[H, W], share with which the content of the glass is seen.
      over: f32[3, H, W], colour that is added to it: the heater's glow, foot and cap.
    """

    factor: int
    top: int
    left: int
    row_weights: np.ndarray
    column_weights: np.ndarray
    sharpness: np.ndarray
    light: np.ndarray
    liquid: np.ndarray
    clear: np.ndarray
    over: np.ndarray


class _Outline(NamedTuple):
    """The shape of the glass, in pictures, at P heights.

    Attributes:
      height: f64[P], from the floor to the top.
      half_width: of the glass, f64[P].
      rows_below: rows of cells below each height, f64[P].
    """

    height: np.ndarray
    half_width: np.ndarray
    rows_below: np.ndarray


def check(resolution: int, theme: str = DEFAULT_THEME) -> None:
    """Raises ValueError for a size out of range, in pixels, or an unknown theme."""
    if not MIN_RESOLUTION <= resolution <= MAX_RESOLUTION:
        raise ValueError(
            f"resolution is {resolution}, not {MIN_RESOLUTION} to {MAX_RESOLUTION}"
        )
    if theme not in THEMES:
        raise ValueError(f"no theme {theme!r}; there are {', '.join(THEMES)}")


def shade(
    states: LampState,
    resolution: int,
    config: LampConfig = DEFAULT_CONFIG,
    theme: str = DEFAULT_THEME,
) -> jax.Array:
    """Draws lamps one after the other, so that memory holds a single picture.

    Args:
      states: wax and temperature f32[N, Nz, Ny, Nx].
      resolution: height and width of a picture, in pixels, 32 to 512.
      config: of the lamp.
      theme: name of its colours, a key of `THEMES`.

    Returns:
      uint8[N, resolution, resolution, 3], row 0 at the top.

    Raises:
      ValueError: the resolution is out of range, or the theme unknown.
    """
    check(resolution, theme)
    return _shade(states, resolution, config.surface_cells, theme)


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def _shade(
    states: LampState, resolution: int, surface_cells: float, theme: str
) -> jax.Array:
    canvas = _canvas(resolution, *states.wax.shape[-2:], theme)

    def shade_one(state: LampState) -> jax.Array:
        depth, light = _resample(state, canvas, surface_cells)
        picture = _paint(depth, light, canvas, THEMES[theme])
        return _to_pixels(picture, resolution, canvas)

    return jax.lax.map(shade_one, states)


def _resample(
    state: LampState, canvas: _Canvas, surface_cells: float
) -> tuple[jax.Array, jax.Array]:
    """Returns the depth inside wax, in cells, and its light, f32[Nz, H, W] each."""
    depth = _depth(state.wax, surface_cells)
    fields = jnp.concatenate([depth, _surface_light(depth, state.temperature)])
    fields = jnp.einsum("hy,fyx->hfx", canvas.row_weights, fields)
    fields = fields @ canvas.column_weights
    depth, light = jnp.split(fields.transpose(1, 0, 2), 2)
    return depth, light


def _paint(
    depth: jax.Array, light: jax.Array, canvas: _Canvas, theme: Theme
) -> jax.Array:
    """Returns the samples' colours f32[3, H, W], looking from the front to the back."""
    cover = jnp.clip(0.5 + depth * canvas.sharpness, 0, 1)
    light, distance = _at_surface(depth, light)
    covered, light, distance = _first_seen(cover, light, distance)

    halo = np.array(theme.wax[1], np.float32)[:, None, None]
    near = (1 + jnp.clip(depth.max(axis=0) / _NEAR_CELLS, -1, 0)) ** 2
    picture = canvas.liquid + _HALO * near * (halo - canvas.liquid)
    colour = _wax_colour(canvas.light + light - _BACK_DIMMING * distance, theme)
    colour = colour + _BACK_HAZE * distance * (canvas.liquid - colour)
    thickness = jnp.sum(cover, axis=0)
    opacity = 1 - (1 - _LEAST_OPACITY) * jnp.exp(-thickness / _OPAQUE_CELLS)
    picture = picture + opacity * covered * (colour - picture)
    return canvas.clear * picture + canvas.over


def _at_surface(depth: jax.Array, light: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns light, and distance from 0 in front to 1 at the back, at the surface.

    The surface lies between a layer outside the wax and the next one inside it. All
    arrays are f32[Nz, H, W].
    """
    before = jnp.concatenate([depth[:1], depth[:-1]])
    share = jnp.clip(-before / jnp.maximum(depth - before, 1e-6), 0, 1)
    share = jnp.where(before < 0, share, 1.0)
    light_before = jnp.concatenate([light[:1], light[:-1]])
    light = light_before + share * (light - light_before)
    layers = len(depth)
    return light, (jnp.arange(layers)[:, None, None] - 1 + share) / (layers - 1)


def _first_seen(
    cover: jax.Array, light: jax.Array, distance: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Looks through the layers f32[Nz, H, W] from the front to the back.

    Returns:
      The share of each sample that wax covers, and the mean light and distance of the
      wax that is seen first, f32[H, W] each.
    """
    covered, seen_light, seen_distance = 0.0, 0.0, 0.0
    for layer in range(len(cover)):
        newly_covered = jnp.maximum(cover[layer] - covered, 0)
        seen_light = seen_light + newly_covered * light[layer]
        seen_distance = seen_distance + newly_covered * distance[layer]
        covered = covered + newly_covered
    weight = jnp.maximum(covered, 1e-6)
    return covered, seen_light / weight, seen_distance / weight


def _to_pixels(picture: jax.Array, resolution: int, canvas: _Canvas) -> jax.Array:
    """Returns uint8[R, R, 3]: the mean of each pixel's samples, and black around."""
    _, height, width = picture.shape
    k = canvas.factor
    picture = picture.reshape(3, height // k, k, width // k, k).mean(axis=(2, 4))
    picture = jnp.round(255 * jnp.clip(picture, 0, 1)).astype(jnp.uint8)
    bottom = resolution - canvas.top - height // k
    margins = ((canvas.top, bottom), (canvas.left, canvas.left), (0, 0))
    return jnp.pad(picture.transpose(1, 2, 0), margins)


def _wax_colour(brightness: jax.Array, theme: Theme) -> jax.Array:
    """Returns f32[3, H, W]: the theme's colours, interpolated smoothly by parabolas."""
    wax = np.array(theme.wax, np.float32)[:, :, None, None]
    colour = wax[0]
    for i, rise in enumerate(wax[1:] - wax[:-1]):
        share = jnp.clip((len(wax) - 1) * brightness - i + 0.5, 0, 2)
        colour = colour + (0.5 * share**2 - jnp.clip(share - 1, 0, 1) ** 2) * rise
    return colour


def _depth(wax: jax.Array, surface_cells: float) -> jax.Array:
    """Returns how deep inside wax each cell lies, in cells; negative outside.

    It is found by inverting the tanh profile of the surface. Unlike the profile, it
    stays sharp when it is interpolated between cells.
    """
    least = 1 / (1 + np.exp(_SURFACE_REACH_CELLS / surface_cells))
    wax = jnp.clip(wax, least, 1 - least)
    return surface_cells * (jnp.log(wax) - jnp.log1p(-wax))


def _surface_light(depth: jax.Array, temperature: jax.Array) -> jax.Array:
    """Returns the light of wax by its shape and its heat, f32[Nz, Ny, Nx]."""
    to_back, up, right = grid.gradient(_smooth(depth), 1.0)
    length = jnp.sqrt(to_back**2 + up**2 + right**2 + _MIN_SLOPE)
    return (
        _FACING_US_LIGHT * jnp.maximum(to_back, 0) / length
        + _FACING_DOWN_LIGHT * up / length
        + _WARM_LIGHT * temperature
    )


def _smooth(field: jax.Array) -> jax.Array:
    """Returns the mean with both neighbours, weighted 1 : 2 : 1, along every axis."""
    for axis in range(field.ndim):
        padded = grid.pad(field, axis, 1, 1, mode="edge")
        field = grid.mean(grid.mean(padded, axis), axis)
    return field


@functools.cache
def _canvas(resolution: int, rows: int, columns: int, theme_name: str) -> _Canvas:
    outline = _outline(rows, columns)
    factor, top, left, x, y = _sample_places(resolution, outline)
    floor, ceiling = outline.height[0], outline.height[-1]
    half_width = np.interp(y, outline.height, outline.half_width)
    across = x / half_width
    height = np.clip((y - floor) / (ceiling - floor), 0, 1)
    row = np.interp(y, outline.height, outline.rows_below)[:, 0] - 0.5
    column = (0.5 + 0.5 * across) * columns - 0.5

    def body(inset: float, beyond: float) -> np.ndarray:
        """Returns the share of each sample in the glass, drawn narrower and taller."""
        bottom = floor - _FLOOR_SAG * np.clip(1 - across**2, 0, 1) - beyond
        edges = (half_width - inset - np.abs(x), y - bottom, ceiling + beyond - y)
        share = [np.clip(0.5 + factor * resolution * edge, 0, 1) for edge in edges]
        return share[0] * share[1] * share[2]

    theme = THEMES[theme_name]
    glass = body(0.0, 0.0)
    metal = np.clip(body(_METAL_INSET, _METAL_HEIGHT) - glass, 0, 1)
    metal = metal * (0.4 + 0.6 * np.exp(-((across / 0.5) ** 2)))
    glow = 0.95 * np.exp(-(np.hypot(across / 0.85, height / 0.065) ** 2))
    glow_colour = _mix(theme.wax[1], theme.glow, glow**0.7)
    return _Canvas(
        factor=factor,
        top=top,
        left=left,
        row_weights=_spline_weights(row, rows),
        column_weights=_spline_weights(column, columns).transpose(0, 2, 1).copy(),
        sharpness=(2 * factor * resolution * half_width / columns).astype(np.float32),
        light=_heater_light(x, outline.half_width.max(), height),
        liquid=_liquid_colour(across, height, theme),
        clear=((1 - glow) * glass).astype(np.float32),
        over=glow * glass * glow_colour + _mix(BLACK, theme.metal, metal),
    )


def _sample_places(
    resolution: int, outline: _Outline
) -> tuple[int, int, int, np.ndarray, np.ndarray]:
    """Returns where samples lie; the black around the lamp has none.

    Returns:
      Samples of a pixel along each side, rows of pixels above the samples, columns of
      pixels left of them, x f64[W] and y f64[H, 1].
    """
    factor = -(-_MIN_SAMPLES // resolution)
    size = factor * resolution
    margin = _METAL_HEIGHT + 1 / resolution
    first = max(0, int((1 - outline.height[-1] - margin) * resolution))
    last = 1 - outline.height[0] + _FLOOR_SAG + margin
    last = min(resolution, int(np.ceil(last * resolution)))
    left = int((0.5 - outline.half_width.max()) * resolution) - 1
    y = 1 - (np.arange(factor * first, factor * last)[:, None] + 0.5) / size
    x = (np.arange(factor * left, factor * (resolution - left)) + 0.5) / size - 0.5
    return factor, first, left, x, y


def _liquid_colour(across: np.ndarray, height: np.ndarray, theme: Theme) -> np.ndarray:
    """Returns the colour of the liquid f32[3, H, W].

    Args:
      across: from -1 at the left wall to 1 at the right wall, f[H, W].
      height: from 0 at the floor to 1 at the top, f[H, 1].
      theme: the colours.
    """
    liquid = _mix(theme.liquid, theme.side, np.clip(np.abs(across), 0, 1) ** 4)
    above_foot = np.exp(-(np.hypot(0.6 * across, height / 0.22) ** 1.5))
    return _mix(liquid, theme.foot, 0.85 * above_foot)


def _heater_light(x: np.ndarray, half_width: float, height: np.ndarray) -> np.ndarray:
    """Returns the brightness of wax, without its shape and heat, f32[H, W].

    Args:
      x: distance from the middle, f[W].
      half_width: of the glass, in the unit of `x`.
      height: from 0 at the floor to 1 at the top, f[H, 1].
    """
    from_heater = np.hypot(_HEATER_FLATNESS * x / half_width, height)
    light = _LEAST_LIGHT + _LOW_LIGHT * (1 - height)
    light = light + _HEATER_LIGHT * np.exp(-from_heater / _HEATER_REACH)
    return (light - 0.5 * _WARM_LIGHT).astype(np.float32)


def _outline(rows: int, columns: int) -> _Outline:
    """Returns the shape of the glass, filled by that many rows and columns of cells."""
    height = np.linspace(0, 1, 513)
    width = _FOOT_TO_TOP_WIDTH + (1 - _FOOT_TO_TOP_WIDTH) * height
    rounding = np.clip(1 - height / _ROUND_SHARE, 0, 1) ** 2
    width = width * (1 - _ROUND_DEPTH * rounding)
    # Cells are square: d row / d y = columns / width.
    steps = 0.5 * (1 / width[1:] + 1 / width[:-1]) * np.diff(height)
    travelled = np.concatenate([[0], np.cumsum(steps)])
    width = width * travelled[-1] * columns / rows
    scale = min(_GLASS_HEIGHT, _MAX_GLASS_WIDTH / width.max())
    rows_below = rows * travelled / travelled[-1]
    return _Outline(_FLOOR + scale * height, 0.5 * scale * width, rows_below)


def _spline_weights(position: np.ndarray, cells: int) -> np.ndarray:
    """Returns weights f32[..., cells] of a cubic B-spline at positions in cells.

    The spline is smooth to the second derivative, so that large pictures do not show
    the grid. Behind a wall the value is that of the cell in front of it.
    """
    position = np.clip(position, -0.5, cells - 0.5)
    weights = np.zeros((*position.shape, cells), np.float32)
    for cell in range(-2, cells + 2):
        away = np.abs(position - cell)
        inner = 2 / 3 - away**2 + away**3 / 2
        outer = np.clip(2 - away, 0, None) ** 3 / 6
        weights[..., np.clip(cell, 0, cells - 1)] += np.where(away < 1, inner, outer)
    return weights


def _mix(first: Colour | np.ndarray, second: Colour, share: np.ndarray) -> np.ndarray:
    """Returns f32[3, H, W]: `share` f[H, W] of the second, the rest of the first."""
    if isinstance(first, tuple):
        first = np.array(first)[:, None, None]
    second = np.array(second)[:, None, None]
    return ((1 - share) * first + share * second).astype(np.float32)
