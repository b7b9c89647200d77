"""Transport of wax and heat by the flow, and the surface of the wax.

All changes are fluxes through faces, so that wax and heat are conserved. The share of
wax c in a cell is 1 inside, 0 outside, and across a surface at rest

  c(s) = (1 + tanh(s / 2 epsilon)) / 2,    epsilon dc/ds = c (1 - c),

with s the distance from the surface and epsilon its width. Fields are those of `grid`,
in two or three dimensions.
"""

import itertools

import jax
import jax.numpy as jnp

from duralava.simulation import grid


def advect(
    field: jax.Array,
    velocity: tuple[jax.Array, ...],
    time_step: jax.Array | float,
    cell: float,
) -> jax.Array:
    """Carries `field` with the flow for one time step, one axis after the other.

    Second order in the cell size where the field is smooth, with the limiter of van
    Leer 1974, "Towards the ultimate conservative difference scheme II". Along a single
    axis the flow compresses the fluid. A field of ones is therefore carried as well,
    and the ratio to it is advected, so that a constant field stays constant. The sum of
    `field` is conserved to rounding.

    Args:
      field: centres.
      velocity: along each axis on the faces of that axis, zero on the walls.
      time_step: at most cell / max|velocity|; no new extremes up to half of that.
      cell: size h of a cell.

    Returns:
      The field after the step.
    """
    ratio = time_step / cell
    ones = jnp.ones_like(field)
    for axis in reversed(range(field.ndim)):
        u = velocity[axis]
        flux = _upwind_flux(field / ones, u, ratio, axis)
        field = field - time_step * grid.difference(flux, axis, cell)
        ones = ones - time_step * grid.difference(u, axis, cell)
    return field


def sharpen(
    wax: jax.Array,
    speed: jax.Array | float,
    width: float,
    time_step: jax.Array | float,
    cell: float,
) -> jax.Array:
    """Pulls smeared surfaces back to their tanh profile, in conservative form.

    With the K fields of wax and the liquid as phases c_a that sum to one,

      dc_a/dt = speed div(epsilon grad c_a - sum_b c_a c_b n_ab)
      n_ab = (c_b grad c_a - c_a grad c_b) / |c_b grad c_a - c_a grad c_b|

    Mirjalili and Mani 2024, "A conservative second order phase field model for
    simulation of N-phase flows". For a single field this is Chiu and Lin 2011, "A
    conservative phase field method for solving incompressible two-phase flows". It does
    not move a surface, and as a flux out of a phase vanishes with it, no phase, so not
    the liquid either, becomes negative: fields do not overlap.

    Args:
      wax: share of wax of each field, centres, f32[K, ...].
      speed: that of the flow that smears the surfaces.
      width: epsilon.
      time_step: at most cell^2 / (2 d epsilon speed) in d dimensions.
      cell: size h of a cell.

    Returns:
      The fields after the step, each with the same sum.
    """
    phases = [*wax, 1 - sum(wax)]
    slopes = [grid.gradient(phase, cell) for phase in phases]
    # Far from a surface n is noise. It is faded out where the slope across it is below
    # a hundredth of its largest value, 1 / (4 epsilon).
    floor = (0.01 / (4 * width)) ** 2
    pulls: list[list[jax.Array]] = [[] for _ in phases]
    for a, b in itertools.combinations(range(len(phases)), 2):
        across = [
            phases[b] * first - phases[a] * second
            for first, second in zip(slopes[a], slopes[b], strict=True)
        ]
        length = jax.lax.rsqrt(sum(s**2 for s in across) + floor)
        pull = jnp.stack(across) * (phases[a] * phases[b] * length)
        pulls[a].append(pull)
        pulls[b].append(-pull)
    fields = []
    for phase, pull in zip(wax, pulls, strict=False):
        fluxes = tuple(
            width * grid.difference(phase, axis, cell) - grid.mean(part, axis)
            for axis, part in enumerate(sum(pull))
        )
        fields.append(phase + time_step * speed * grid.divergence(fluxes, cell))
    return jnp.stack(fields)


def chemical_potential(
    wax: jax.Array,
    width: float,
    cell: float,
    *,
    wall_contact: float = 0.0,
    top_contact: float = 0.0,
    floor_contact: float = 0.0,
) -> jax.Array:
    """Returns the derivative of the surface energy by c, for unit surface tension.

      q = 6 (c (1 - c)(1 - 2c) / epsilon - epsilon lap c)

    Zero across a flat surface at rest, the (summed) curvature on a round one; q grad c
    is the force of surface tension (Jacqmin 1999, "Calculation of two-phase
    Navier-Stokes flows using phase-field modeling"). At walls, whose outward normal is
    n, epsilon dc/dn = cos(angle) c (1 - c).

    Args:
      wax: share of wax c, centres.
      width: epsilon.
      cell: size h of a cell.
      wall_contact: cosine of the angle at which wax meets the side walls: 1 where wax
        spreads on them, -1 where the liquid does.
      top_contact: the same for the top.
      floor_contact: the same for the floor.

    Returns:
      q at centres.
    """
    mixed = wax * (1 - wax)
    wall = mixed / (width * cell)
    curvature = grid.laplacian(wax, cell)
    for axis in range(wax.ndim):
        is_upright = axis == wax.ndim - 2
        cosines = (floor_contact, top_contact) if is_upright else (wall_contact,) * 2
        for end, cosine in zip((0, -1), cosines, strict=True):
            here = (slice(None),) * axis + (end,)
            curvature = curvature.at[here].add(cosine * wall[here])
    return 6 * (mixed * (1 - 2 * wax) / width - width * curvature)


def surface_force(
    wax: jax.Array, potential: jax.Array, cell: float
) -> tuple[jax.Array, ...]:
    """Returns q grad c along each axis, on the inner faces of that axis."""
    return tuple(
        grid.mean(potential, axis) * grid.difference(wax, axis, cell)
        for axis in range(wax.ndim)
    )


def _upwind_flux(
    field: jax.Array, u: jax.Array, ratio: jax.Array | float, axis: int
) -> jax.Array:
    """Returns the flux of `field` through the faces of an axis.

    Args:
      field: centres.
      u: velocity on the faces.
      ratio: time step over cell size.
      axis: the axis.
    """
    step = grid.pad(grid.difference(field, axis, 1.0), axis, 1, 1)
    before, after = grid.part(step, axis, 0, -1), grid.part(step, axis, 1, 0)
    product = before * after
    # Van Leer's harmonic mean of both slopes, zero at an extreme.
    slope = jnp.where(product > 0, 2 * product / (before + after), 0.0)
    courant = ratio * u
    from_below = grid.pad(field, axis, 1, 0) + 0.5 * (1 - courant) * grid.pad(
        slope, axis, 1, 0
    )
    from_above = grid.pad(field, axis, 0, 1) - 0.5 * (1 + courant) * grid.pad(
        slope, axis, 0, 1
    )
    return u * jnp.where(u > 0, from_below, from_above)
