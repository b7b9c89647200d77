"""Pictures of a lamp: translucent wax, lit from below, in a tapered glass.

The light of a sample is that of the point where its line of sight first meets a body
of wax. It depends on the height, temperature and distance of that point, and on the
direction that the surface of this body faces: towards the viewer, and down to the
heater. Bodies that touch are darker where they share a cell, so a crease parts them.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from duralava.simulation import bodies, canvas, grid
from duralava.simulation.canvas import Canvas, Frame
from duralava.simulation.config import DEFAULT_CONFIG, LampConfig
from duralava.simulation.lamp import LampState
from duralava.simulation.themes import DEFAULT_THEME, THEMES, Theme

MIN_RESOLUTION, MAX_RESOLUTION = 32, 1024

# Distance from the surface up to which the profile of wax gives the distance.
_SURFACE_REACH_CELLS = 4.0

# Where the wax of all bodies, and of the body of which a cell holds most, is thin, that
# cell is not told apart from others. Two bodies of one field are parted by such cells,
# so moving one to another field does not change the picture.
_THIN, _DENSE = (0.5, bodies.LINKED), (0.8, 0.5)

# A surface further inside wax can only be one that lies against the front glass.
_DEEP_CELLS = 2.0

# What shape and heat add to the brightness of wax, which is 0 to 1 from the first of
# the theme's colours to the last. The light from below falls evenly to the top.
_FACING_VIEWER_LIGHT, _FACING_DOWN_LIGHT, _WARM_LIGHT = 0.42, (0.40, 0.10), 0.25
_CREASE_DIMMING, _BACK_DIMMING, _BACK_HAZE = 0.3, 0.25, 0.15
_MIN_SLOPE = 0.02

# Opacity of thin wax, and the glow around wax.
_LEAST_OPACITY, _OPAQUE_CELLS = 0.72, 2.5
_HALO, _NEAR_CELLS = 0.16, 4.0


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
      states: wax f32[N, K, Nz, Ny, Nx] and temperature f32[N, Nz, Ny, Nx].
      resolution: height and width of a picture, in pixels, 32 to 1024.
      config: of the lamp.
      theme: name of its colours, a key of `THEMES`.

    Returns:
      uint8[N, resolution, resolution, 3], row 0 at the top.

    Raises:
      ValueError: the resolution is out of range, or the theme unknown.
    """
    check(resolution, theme)
    rows, columns = states.wax.shape[-2:]
    frame = canvas.frame(resolution, rows, columns)
    strips = canvas.canvas(frame, rows, columns, THEMES[theme])
    return _shade(states, strips, frame, config.surface_cells, THEMES[theme])


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _shade(
    states: LampState, strips: Canvas, frame: Frame, surface_cells: float, theme: Theme
) -> jax.Array:
    rows, columns = states.wax.shape[-2:]
    surfaces = jax.lax.map(lambda state: _surfaces(state, surface_cells), states)

    def shade_strip(strip: Canvas) -> jax.Array:
        row_weights = _spline_weights(strip.row[:, 0], rows)
        column_weights = _spline_weights(strip.column, columns).transpose(0, 2, 1)

        def shade_one(surface: jax.Array) -> jax.Array:
            fields = row_weights @ surface.reshape(rows, -1)
            fields = fields.reshape(len(fields), -1, columns) @ column_weights
            return _to_pixels(_paint(fields, strip, theme), frame.factor)

        return jax.lax.map(shade_one, surfaces)

    return _join(jax.lax.map(shade_strip, strips), frame)


def _surfaces(state: LampState, surface_cells: float) -> jax.Array:
    """Returns the depth inside wax, in cells, and the light of its surface.

    Each cell belongs to the body of which it holds most, so the work hardly grows with
    the number of bodies.

    Returns:
      f32[Ny, 2 Nz, Nx]: the depth in all layers, then the light.
    """
    wax, temperature = state
    body, most = jnp.argmax(wax, axis=0), wax.max(axis=0)
    # A product, because XLA takes longer for a sum beside a maximum.
    total = jnp.einsum("k,kzyx->zyx", np.ones(len(wax), np.float32), wax)
    depth = _depth(most, surface_cells)
    dense = [
        jnp.clip((share - low) / (high - low), 0, 1)
        for share, low, high in zip((total, most), _THIN, _DENSE, strict=True)
    ]
    facing_viewer, facing_down = _directions(depth, body, 1 - dense[0] * dense[1])
    from_below = np.linspace(*_FACING_DOWN_LIGHT, depth.shape[1], dtype=np.float32)
    light = _FACING_VIEWER_LIGHT * facing_viewer + from_below[:, None] * facing_down
    light = light - _CREASE_DIMMING * 4 * most * (total - most)
    light = _smooth(light + _WARM_LIGHT * (temperature - 0.5))
    return jnp.concatenate([depth, light]).transpose(1, 0, 2)


def _depth(wax: jax.Array, surface_cells: float) -> jax.Array:
    """Returns how deep inside wax each cell lies, in cells; negative outside.

    It is found by inverting the tanh profile of the surface. Unlike the profile, it
    stays sharp when it is interpolated between cells.
    """
    least = 1 / (1 + np.exp(_SURFACE_REACH_CELLS / surface_cells))
    wax = jnp.clip(wax, least, 1 - least)
    return surface_cells * jnp.log(wax / (1 - wax))


def _directions(
    depth: jax.Array, body: jax.Array, thin: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns how much the surface at each cell faces the viewer, and how much down.

    It is the direction in which the depth decreases, from differences between cells of
    the same body: wax of another body nearby does not turn it. Towards the viewer, the
    larger of both differences counts, so that thin drops are as bright as thick ones.
    The front glass cuts bodies off: wax that lies against it faces the viewer.

    Args:
      depth: inside the body, in cells, f32[Nz, Ny, Nx].
      body: to which each cell belongs, i32[Nz, Ny, Nx].
      thin: 1 where bodies are not told apart, 0 where they are, f32[Nz, Ny, Nx].

    Returns:
      Cosines f32[Nz, Ny, Nx], 0 to 1 and -1 to 1.
    """
    at_glass = jnp.maximum(depth[:1] + 0.5, 0)
    front = 2 * depth[:1] - depth[1:2] - at_glass
    beside = (0, 0), (1, 1), (1, 1)
    padded = jnp.pad(jnp.concatenate([front, depth, depth[-1:]]), beside)
    # Behind the other walls there is no body: not even thin wax is joined to it.
    others = jnp.concatenate([body[:1], body, jnp.full_like(body[:1], -1)])
    others = jnp.pad(others, beside, constant_values=-1)
    around = jnp.concatenate([thin[:1], thin, jnp.full_like(thin[:1], -1)])
    around = jnp.pad(around, beside, constant_values=-1)
    # Padding in the loop that takes the differences would double its time.
    padded, others, around = jax.lax.optimization_barrier((padded, others, around))

    def joined(axis: int, by: int) -> jax.Array:
        """Returns how much the next cell, or the last one, is of the same body."""
        is_same = _shifted(others, axis, by) == body
        return jnp.where(is_same, 1, jnp.clip(thin + _shifted(around, axis, by), 0, 1))

    def rise(axis: int, by: int) -> jax.Array:
        return by * joined(axis, by) * (_shifted(padded, axis, by) - depth)

    def slope(axis: int) -> jax.Array:
        """Returns the mean of both differences, or the only one within the body."""
        before = rise(axis, -1) * (1 - 0.5 * joined(axis, 1))
        return before + rise(axis, 1) * (1 - 0.5 * joined(axis, -1))

    to_back = jnp.maximum(jnp.maximum(rise(0, -1), rise(0, 1)), 0)
    to_back = to_back + jnp.maximum(depth - _DEEP_CELLS, 0)
    up, right = slope(1), slope(2)
    length = jax.lax.rsqrt(to_back**2 + up**2 + right**2 + _MIN_SLOPE)
    return to_back * length, up * length


def _shifted(padded: jax.Array, axis: int, by: int) -> jax.Array:
    """Returns the next cell along `axis`, or the last one, for each without padding."""
    for i in range(padded.ndim):
        offset = by if i == axis else 0
        padded = grid.part(padded, i, 1 + offset, offset - 1)
    return padded


def _smooth(field: jax.Array) -> jax.Array:
    """Returns the mean with both neighbours, weighted 1 : 2 : 1, from front to back."""
    padded = jnp.concatenate([field[:1], field, field[-1:]])
    # Else the field would be computed three times.
    padded = jax.lax.optimization_barrier(padded)
    return 0.25 * (padded[:-2] + padded[2:]) + 0.5 * padded[1:-1]


def _paint(fields: jax.Array, strip: Canvas, theme: Theme) -> jax.Array:
    """Returns the colours f32[3, H, W] of samples.

    Args:
      fields: depth and light of all layers, f32[H, 2 Nz, W].
      strip: the canvas of these samples.
      theme: the colours.
    """
    layers = fields.shape[1] // 2
    depth, light = fields[:, :layers], fields[:, layers:]
    covered, light, distance = _first_seen(depth, light, strip.sharpness)
    halo = np.array(theme.wax[1], np.float32)[:, None, None]
    near = (1 + jnp.clip(depth.max(axis=1) / _NEAR_CELLS, -1, 0)) ** 2
    picture = strip.liquid + _HALO * near * (halo - strip.liquid)
    colour = _wax_colour(strip.light + light - _BACK_DIMMING * distance, theme)
    colour = colour + _BACK_HAZE * distance * (strip.liquid - colour)
    thickness = jnp.clip(0.5 + depth * strip.sharpness[..., None], 0, 1).sum(axis=1)
    opacity = 1 - (1 - _LEAST_OPACITY) * jnp.exp(-thickness / _OPAQUE_CELLS)
    picture = picture + opacity * covered * (colour - picture)
    return strip.clear * picture + strip.over


def _first_seen(
    depth: jax.Array, light: jax.Array, sharpness: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Looks through the layers of depth and light f32[H, Nz, W], from front to back.

    The surface lies between a layer outside the wax and the next one inside it.

    Returns:
      The share of each sample that wax covers, and the mean light and distance (0 in
      front, 1 at the back) of the wax that is seen first, f32[H, W] each.
    """
    layers = depth.shape[1]
    covered, seen_light, seen_distance = 0.0, 0.0, 0.0
    for layer in range(layers):
        here, before = depth[:, layer], depth[:, max(layer - 1, 0)]
        light_here, light_before = light[:, layer], light[:, max(layer - 1, 0)]
        share = jnp.clip(-before / jnp.maximum(here - before, 1e-6), 0, 1)
        cover = jnp.clip(0.5 + here * sharpness, 0, 1)
        newly_covered = jnp.maximum(cover - covered, 0)
        surface_light = light_before + share * (light_here - light_before)
        seen_light = seen_light + newly_covered * surface_light
        if layer > 0:
            seen_distance = seen_distance + newly_covered * (layer - 1 + share)
        covered = covered + newly_covered
    weight = jnp.maximum(covered, 1e-6)
    return covered, seen_light / weight, seen_distance / weight / (layers - 1)


def _to_pixels(picture: jax.Array, factor: int) -> jax.Array:
    """Returns uint8[3, H / k, W / k]: the means of k x k samples f32[3, H, W]."""
    _, height, width = picture.shape
    squares = (3, height // factor, factor, width // factor, factor)
    picture = picture.reshape(squares).mean(axis=(2, 4))
    return jnp.round(255 * jnp.clip(picture, 0, 1)).astype(jnp.uint8)


def _join(strips: jax.Array, frame: Frame) -> jax.Array:
    """Returns pictures uint8[N, R, R, 3] from strips uint8[S, N, 3, H, W]."""
    _, count, _, _, width = strips.shape
    pictures = strips.transpose(1, 0, 3, 4, 2).reshape(count, -1, width, 3)
    bottom = frame.resolution - frame.top - frame.rows
    margins = (0, 0), (frame.top, bottom), (frame.left, frame.left), (0, 0)
    return jnp.pad(pictures[:, : frame.rows], margins)


def _wax_colour(brightness: jax.Array, theme: Theme) -> jax.Array:
    """Returns f32[3, H, W]: the theme's colours, interpolated smoothly by parabolas."""
    wax = np.array(theme.wax, np.float32)[:, :, None, None]
    colour = wax[0]
    for i, rise in enumerate(wax[1:] - wax[:-1]):
        share = jnp.clip((len(wax) - 1) * brightness - i + 0.5, 0, 2)
        colour = colour + (0.5 * share**2 - jnp.clip(share - 1, 0, 1) ** 2) * rise
    return colour


def _spline_weights(position: jax.Array, cells: int) -> jax.Array:
    """Returns weights f32[..., cells] of a cubic B-spline at positions in cells.

    The spline is smooth to the second derivative, so that large pictures do not show
    the grid. Behind a wall the value is that of the cell in front of it.
    """
    position = jnp.clip(position, -0.5, cells - 0.5)
    away = jnp.abs(position[..., None] - np.arange(-2, cells + 2))
    inner = 2 / 3 - away**2 + away**3 / 2
    outer = jnp.clip(2 - away, 0, None) ** 3 / 6
    weights = jnp.where(away < 1, inner, outer)
    behind = weights[..., :2].sum(-1), weights[..., -2:].sum(-1)
    weights = weights[..., 2:-2]
    return weights.at[..., 0].add(behind[0]).at[..., -1].add(behind[1])
