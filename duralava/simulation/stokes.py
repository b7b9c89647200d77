"""Slow viscous flow in a closed box.

Without inertia, an incompressible fluid of viscosity mu obeys the Stokes equations

  mu lap u - grad p + f = 0,    div u = 0.

Walls let the fluid slip freely, so on a staggered grid every velocity is a sum of sines
along its own axis and of cosines along the others, and the pressure of cosines. These
waves are eigenvectors of the differences of `grid`, hence wave by wave

  u = (f - s (s . f) / |s|^2) / (mu |s|^2),

with s the wave numbers: the pressure removes the part that would compress the fluid,
and viscosity divides the rest. Transforms are matrix products, which are fast on every
machine for the sizes used here (Buzbee, Golub, Nielson 1970, "On direct methods for
solving Poisson's equations"; Harlow and Welch 1965, "Numerical calculation of
time-dependent viscous incompressible flow of fluid with free surface", for the grid).
In two dimensions this is the flow whose stream function psi solves
lap lap psi = curl f / mu.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from duralava.simulation import grid


def velocity(force: tuple[jax.Array, ...], cell: float) -> tuple[jax.Array, ...]:
    """Returns the flow that a force drives, for a viscosity of 1.

    It is of second order in the cell size, and free of divergence to rounding.

    Args:
      force: f along each axis on the inner faces of that axis, one f32 array for each
        of 2 or 3 axes.
      cell: size h of a cell.

    Returns:
      u along each axis on all faces of that axis, zero on the walls.
    """
    axes = range(len(force))
    shape = tuple(
        size + (axis == len(force) - 1) for axis, size in enumerate(force[-1].shape)
    )
    numbers, inverse = _waves(shape, cell)
    spectrum = [
        _transform(force[a], [_matrix(shape[b], a == b) for b in axes]) for a in axes
    ]
    compression = inverse * sum(s * f for s, f in zip(numbers, spectrum, strict=True))
    flow = []
    for a in axes:
        waves = inverse * (spectrum[a] - numbers[a] * compression)
        inner = _transform(waves, [_matrix(shape[b], a == b).T for b in axes])
        flow.append(grid.pad(inner, a, 1, 1))
    return tuple(flow)


def _transform(field: jax.Array, matrices: list[np.ndarray]) -> jax.Array:
    """Multiplies each axis of `field` by its matrix."""
    for axis, matrix in enumerate(matrices):
        product = jnp.tensordot(
            matrix, field, (1, axis), precision=jax.lax.Precision.HIGHEST
        )
        field = jnp.moveaxis(product, 0, axis)
    return field


@functools.cache
def _matrix(size: int, is_sine: bool) -> np.ndarray:
    matrix = grid.sine_matrix(size) if is_sine else grid.cosine_matrix(size)
    return matrix.astype(np.float32)


@functools.cache
def _waves(
    shape: tuple[int, ...], cell: float
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Returns the wave numbers s along each axis, and 1 / |s|^2 (0 where s is 0)."""
    numbers = tuple(
        grid.shape_along(grid.wave_numbers(size, cell), axis, len(shape))
        for axis, size in enumerate(shape)
    )
    square = sum(number**2 for number in numbers)
    inverse = np.divide(1, square, out=np.zeros(shape), where=square > 0)
    return tuple(n.astype(np.float32) for n in numbers), inverse.astype(np.float32)
