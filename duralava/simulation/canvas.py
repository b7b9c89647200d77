"""The parts of a picture that do not change: glass, liquid, heater and metal.

The picture is a unit square, x to the right from -1/2 to 1/2, y up from 0 to 1. The
straight box of the simulation is bent into the glass: where the glass is w wide, a
cell is w / Nx wide and as high, so that a round blob is drawn round at every height.
All parts are mirror-symmetric, so a mirrored film is also the film of a lamp.
"""

import functools
from typing import NamedTuple

import numpy as np

from duralava.simulation.themes import BLACK, Colour, Theme

# The lamp: heights and widths in pictures, roundness and taper of the glass. The floor
# is lower in the middle than at the sides, as if seen from slightly above.
_FLOOR, _FLOOR_SAG, _GLASS_HEIGHT, _MAX_GLASS_WIDTH = 0.065, 0.022, 0.88, 0.9
_FOOT_TO_TOP_WIDTH, _ROUND_SHARE, _ROUND_DEPTH = 1.4, 0.16, 0.14
_METAL_HEIGHT, _METAL_INSET = 0.03, 0.004

# Pictures smaller than this are drawn larger and averaged: cells are finer than pixels.
_MIN_SAMPLES = 64

# Samples that are drawn at once, so that all their layers fit in the processor's cache.
_MAX_STRIP = 8192

# Brightness of wax, 0 to 1 from the first of the theme's colours to the last.
_LEAST_LIGHT, _LOW_LIGHT = 0.04, 0.18
_HEATER_LIGHT, _HEATER_REACH, _HEATER_FLATNESS = 0.75, 0.14, 0.3

# The glow of the heater: its share at the middle of the floor, its reach to the sides,
# in half widths, and up, in heights.
_GLOW, _GLOW_WIDTH, _GLOW_HEIGHT = 0.95, 1.05, 0.058

# The light that the glass reflects, and its place and width, in half widths.
_HIGHLIGHT, _HIGHLIGHT_PLACE, _HIGHLIGHT_WIDTH = 0.13, 0.88, 0.035

# The share of the lamp's light that the foot and the cap reflect.
_FOOT_REFLECTION, _CAP_REFLECTION = 0.5, 0.12


class Frame(NamedTuple):
    """Where the samples of a picture lie; the black around the lamp has none.

    Attributes:
      resolution: height and width of the picture, in pixels.
      factor: samples per pixel, along each side.
      top: rows of pixels above the samples.
      rows: rows of pixels with samples.
      left: columns of pixels left, and right, of the samples.
      strips: number of equal strips into which the rows are divided; the last strip
        may reach below the last row.
    """

    resolution: int
    factor: int
    top: int
    rows: int
    left: int
    strips: int


class Canvas(NamedTuple):
    """What stays the same from frame to frame, in S strips of H x W samples.

    Attributes:
      row: of each row of samples, in rows of cells, f32[S, H, 1].
      column: of each sample, in columns of cells, f32[S, H, W].
      sharpness: samples per cell, f32[S, H, 1].
      light: brightness of wax without shape or heat, f32[S, H, W].
      liquid: colour of the liquid, f32[S, 3, H, W].
      clear: share with which the content of the glass is seen, f32[S, H, W].
      over: colour that is added to it: the heater's glow, the highlight of the glass,
        foot and cap, f32[S, 3, H, W].
    """

    row: np.ndarray
    column: np.ndarray
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


class _Places(NamedTuple):
    """Where H x W samples lie.

    Attributes:
      x: distance to the right of the middle, in pictures, f64[W].
      half_width: of the glass at each row of samples, in pictures, f64[H, 1].
      across: from -1 at the left wall to 1 at the right wall, f64[H, W].
      height: from 0 at the floor to 1 at the top, f64[H, 1].
      above_floor: distance from the curved floor, in pictures, f64[H, W].
      below_top: distance from the top, in pictures, f64[H, 1].
    """

    x: np.ndarray
    half_width: np.ndarray
    across: np.ndarray
    height: np.ndarray
    above_floor: np.ndarray
    below_top: np.ndarray


@functools.cache
def frame(resolution: int, rows: int, columns: int) -> Frame:
    """Returns where the samples of a lamp of that many rows and columns lie."""
    outline = _outline(rows, columns)
    factor = -(-_MIN_SAMPLES // resolution)
    margin = _METAL_HEIGHT + 1 / resolution
    first = max(0, int((1 - outline.height[-1] - margin) * resolution))
    last = 1 - outline.height[0] + _FLOOR_SAG + margin
    last = min(resolution, int(np.ceil(last * resolution)))
    left = int((0.5 - outline.half_width.max()) * resolution) - 1
    samples = (last - first) * (resolution - 2 * left) * factor**2
    strips = -(-samples // _MAX_STRIP)
    return Frame(resolution, factor, first, last - first, left, strips)


@functools.lru_cache(maxsize=8)
def canvas(frame: Frame, rows: int, columns: int, theme: Theme) -> Canvas:
    """Draws the lamp without wax."""
    outline = _outline(rows, columns)
    factor, size = frame.factor, frame.factor * frame.resolution
    strip_rows = factor * -(-frame.rows // frame.strips)
    first, left = factor * frame.top, factor * frame.left
    y = 1 - (first + np.arange(strip_rows * frame.strips)[:, None] + 0.5) / size
    places = _places((np.arange(left, size - left) + 0.5) / size - 0.5, y, outline)

    glass = _inside(places, size)
    glow = np.hypot(places.across / _GLOW_WIDTH, places.height / _GLOW_HEIGHT)
    glow = _GLOW * np.exp(-(glow**2.5))
    over = glow * glass * _mix(theme.wax[1], theme.glow, glow**0.7)
    over = over + _mix(BLACK, theme.highlight, glass * _highlight(places))
    over = over + _metal(places, glass, size, theme)
    fields = Canvas(
        row=np.interp(y, outline.height, outline.rows_below) - 0.5,
        column=(0.5 + 0.5 * places.across) * columns - 0.5,
        sharpness=2 * size * places.half_width / columns,
        light=_heater_light(places, outline),
        liquid=_liquid_colour(places, theme),
        clear=(1 - glow) * glass,
        over=over,
    )
    strips = (np.split(field, frame.strips, axis=-2) for field in fields)
    return Canvas(*(np.stack(strip).astype(np.float32) for strip in strips))


def _places(x: np.ndarray, y: np.ndarray, outline: _Outline) -> _Places:
    floor, top = outline.height[0], outline.height[-1]
    half_width = np.interp(y, outline.height, outline.half_width)
    across = x / half_width
    sag = _FLOOR_SAG * np.clip(1 - across**2, 0, 1)
    height = np.clip((y - floor) / (top - floor), 0, 1)
    return _Places(x, half_width, across, height, y - floor + sag, top - y)


def _inside(
    places: _Places, size: int, inset: float = 0.0, beyond: float = 0.0
) -> np.ndarray:
    """Returns the share of each sample that lies in the glass, f64[H, W].

    Args:
      places: of the samples.
      size: samples per picture.
      inset: by which the glass is narrowed on each side, in pictures.
      beyond: by which it is extended at the foot and at the top, in pictures.
    """
    from_wall = places.half_width - inset - np.abs(places.x)
    edges = from_wall, places.above_floor + beyond, places.below_top + beyond
    share = [np.clip(0.5 + size * edge, 0, 1) for edge in edges]
    return share[0] * share[1] * share[2]


def _metal(places: _Places, glass: np.ndarray, size: int, theme: Theme) -> np.ndarray:
    """Returns the colour of foot and cap, f32[3, H, W]; black elsewhere."""
    metal = _inside(places, size, _METAL_INSET, _METAL_HEIGHT)
    metal = np.clip(metal - glass, 0, 1)
    bright = 0.5 * _bump(places.across, 0, 0.5)
    bright = bright + 0.5 * _bump(np.abs(places.across), 0.8, 0.1)
    from_foot, from_cap = (
        np.exp(-np.abs(distance) / (0.3 * _METAL_HEIGHT))
        for distance in (places.above_floor, places.below_top)
    )
    reflected = _FOOT_REFLECTION * from_foot + _CAP_REFLECTION * from_cap
    reflected = reflected * _bump(places.across, 0, 0.75)
    colour = _mix(BLACK, theme.metal, metal * (0.3 + bright))
    return colour + _mix(BLACK, theme.wax[2], metal * reflected)


def _highlight(places: _Places) -> np.ndarray:
    """Returns how much the glass reflects, f64[H, W]: a streak on each side."""
    streak = _bump(np.abs(places.across), _HIGHLIGHT_PLACE, _HIGHLIGHT_WIDTH)
    along = np.clip((places.height - 0.1) / 0.9, 0, 1)
    return _HIGHLIGHT * streak * np.sin(np.pi * along) ** 0.7


def _liquid_colour(places: _Places, theme: Theme) -> np.ndarray:
    """Returns the colour of the liquid f32[3, H, W]."""
    to_side = np.clip(np.abs(places.across), 0, 1) ** 6
    liquid = _mix(theme.liquid, theme.side, to_side)
    above_foot = np.exp(-(np.hypot(0.6 * places.across, places.height / 0.22) ** 1.5))
    return _mix(liquid, theme.foot, 0.85 * above_foot)


def _heater_light(places: _Places, outline: _Outline) -> np.ndarray:
    """Returns the brightness of wax, without its shape and heat, f64[H, W]."""
    aside = places.x / outline.half_width.max()
    from_heater = np.hypot(_HEATER_FLATNESS * aside, places.height)
    light = _LEAST_LIGHT + _LOW_LIGHT * (1 - places.height)
    return light + _HEATER_LIGHT * np.exp(-from_heater / _HEATER_REACH)


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


def _bump(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Returns 1 at the centre, falling to 1/e at `width` from it."""
    return np.exp(-(((values - centre) / width) ** 2))


def _mix(first: Colour | np.ndarray, second: Colour, share: np.ndarray) -> np.ndarray:
    """Returns f32[3, H, W]: `share` f[H, W] of the second, the rest of the first."""
    if isinstance(first, tuple):
        first = np.array(first)[:, None, None]
    second = np.array(second)[:, None, None]
    return ((1 - share) * first + share * second).astype(np.float32)
