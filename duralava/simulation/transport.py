"""How wax and heat are carried, and how the surface of the wax is kept sharp.

Everything is written as fluxes through faces, so that no wax and no heat is made or
lost. The share of wax c in a cell is 1 inside, 0 outside, and across a surface at rest

  c(s) = (1 + tanh(s / 2 epsilon)) / 2,    epsilon dc/ds = c (1 - c),

with s the distance from the surface and epsilon its width.
"""

import jax
import jax.numpy as jnp

from duralava.simulation import grid


def advect(
    field: jax.Array, u: jax.Array, v: jax.Array, time_step: float, cell: float
) -> jax.Array:
    """Carries `field` with the flow for one time step, x first, then y.

    Second order where the field is smooth, with the limiter of van Leer 1974,
    "Towards the ultimate conservative difference scheme II". Each sweep carries a field
    of ones as well and divides by it, so that a constant stays constant although a
    single sweep squeezes the fluid; the sum of `field` is kept to rounding.

    Args:
      field: f32[Ny, Nx].
      u: horizontal velocity on x faces, f32[Ny, Nx + 1], zero on the walls.
      v: vertical velocity on y faces, f32[Ny + 1, Nx], zero on the walls.
      time_step: at most cell / max|velocity|, half of it for no new extremes.
      cell: size h of a cell.

    Returns:
      f32[Ny, Nx].
    """
    ratio = time_step / cell
    squeezed = 1 - ratio * (u[:, 1:] - u[:, :-1])
    flux = _upwind_flux(field, u, ratio)
    moved = field - ratio * (flux[:, 1:] - flux[:, :-1])
    flux = _upwind_flux((moved / squeezed).T, v.T, ratio).T
    return moved - ratio * (flux[1:] - flux[:-1])


def sharpen(
    wax: jax.Array, speed: jax.Array, width: float, time_step: float, cell: float
) -> jax.Array:
    """Pulls a smeared surface back to its tanh profile, in conservative form.

      dc/dt = speed div(epsilon grad c - c (1 - c) n),    n = grad c / |grad c|

    Chiu and Lin 2011, "A conservative phase field method for solving incompressible
    two-phase flows", equation 11. The surface does not move by it.

    Args:
      wax: share of wax c, f32[Ny, Nx].
      speed: f32[], as large as the flow that smears.
      width: epsilon.
      time_step: at most cell^2 / (4 epsilon speed).
      cell: size h of a cell.

    Returns:
      f32[Ny, Nx] with the same sum.
    """
    slope_x, slope_y = grid.gradient(wax, cell)
    # Far from a surface n is noise: faded out where |grad c| is a hundredth of its
    # largest value, 1 / (4 epsilon).
    pull = (
        wax * (1 - wax) * jax.lax.rsqrt(slope_x**2 + slope_y**2 + (0.0025 / width) ** 2)
    )
    flux_x = width * grid.inner_difference_x(wax, cell) - grid.inner_mean_x(
        pull * slope_x
    )
    flux_y = width * grid.inner_difference_y(wax, cell) - grid.inner_mean_y(
        pull * slope_y
    )
    return wax + time_step * speed * grid.divergence(flux_x, flux_y, cell)


def chemical_potential(
    wax: jax.Array,
    width: float,
    cell: float,
    *,
    wall_contact: float = 0.0,
    floor_contact: float = 0.0,
) -> jax.Array:
    """Returns the derivative of the surface energy by c, for unit surface tension.

      q = 6 (c (1 - c)(1 - 2c) / epsilon - epsilon lap c)

    Zero across a flat surface at rest, the curvature on a round one; q grad c is the
    force of surface tension (Jacqmin 1999, "Calculation of two-phase Navier-Stokes
    flows using phase-field modeling"). At walls epsilon dc/dn = cos(angle) c (1 - c).

    Args:
      wax: share of wax c, f32[Ny, Nx].
      width: epsilon.
      cell: size h of a cell.
      wall_contact: cosine of the angle at which wax meets the top and the side walls:
        1 where wax spreads on them, -1 where the liquid does.
      floor_contact: the same of the floor.

    Returns:
      f32[Ny, Nx].
    """
    mixed = wax * (1 - wax)
    wall = mixed / (width * cell)
    curvature = grid.laplacian(wax, cell)
    curvature = curvature.at[0].add(floor_contact * wall[0])
    curvature = curvature.at[-1].add(wall_contact * wall[-1])
    curvature = curvature.at[:, 0].add(wall_contact * wall[:, 0])
    curvature = curvature.at[:, -1].add(wall_contact * wall[:, -1])
    return 6 * (mixed * (1 - 2 * wax) / width - width * curvature)


def restore_volume(wax: jax.Array, volume: float) -> jax.Array:
    """Moves the whole surface in or out until the mean of `wax` is `volume`.

    The Lagrange multiplier of Brassel and Bretin 2011, "A modified phase field
    approximation for mean curvature flow with conservation of the volume": only cells
    of the surface change, in proportion to c (1 - c), which keeps them in [0, 1].

    Args:
      wax: share of wax c in [0, 1], f32[Ny, Nx].
      volume: mean of c that is asked for.

    Returns:
      f32[Ny, Nx].
    """
    mixed = wax * (1 - wax)
    return wax + (volume - jnp.mean(wax)) / jnp.mean(mixed) * mixed


def _upwind_flux(field: jax.Array, u: jax.Array, ratio: float) -> jax.Array:
    """Returns the flux f32[Ny, Nx + 1] of `field` through x faces.

    Args:
      field: f32[Ny, Nx].
      u: velocity f32[Ny, Nx + 1].
      ratio: time step over cell size.
    """
    step = jnp.pad(field[:, 1:] - field[:, :-1], ((0, 0), (1, 1)))
    before, after = step[:, :-1], step[:, 1:]
    product = before * after
    slope = jnp.where(product > 0, 2 * product / (before + after), 0.0)
    courant = ratio * u
    from_left = jnp.pad(field, ((0, 0), (1, 0))) + 0.5 * (1 - courant) * jnp.pad(
        slope, ((0, 0), (1, 0))
    )
    from_right = jnp.pad(field, ((0, 0), (0, 1))) - 0.5 * (1 + courant) * jnp.pad(
        slope, ((0, 0), (0, 1))
    )
    return u * jnp.where(u > 0, from_left, from_right)
