"""Staggered grid of cubic cells, in two or three dimensions.

A field of centres is an array `f32[(Nz,) Ny, Nx]`: z from the front to the back, y from
the floor up, x from the left wall to the right one. Every function takes fields of
either number of dimensions; axes are numbered as in the array. Values are stored at
these places, with h the size of a cell:

  centres      wax, temperature, pressure; at (i + 1/2) h along every axis
  faces of a   velocity along axis a, flux along axis a; one more than cells along a
  inner faces  the same without the two walls, which block all flow; one less than cells
"""

import jax
import jax.numpy as jnp
import numpy as np


def cosine_matrix(size: int) -> np.ndarray:
    """Returns the cosine transform f64[N, N] of values at N centres.

    The type-II transform, scaled to be orthogonal; row k holds cos(pi k (i + 1/2) / N).
    """
    k, i = np.arange(size)[:, None], np.arange(size)
    scale = np.where(k == 0, np.sqrt(1 / size), np.sqrt(2 / size))
    return scale * np.cos(np.pi * k * (i + 0.5) / size)


def sine_matrix(size: int) -> np.ndarray:
    """Returns the sine transform f64[N, N - 1] of values on the inner faces of N cells.

    The type-I transform, scaled so that rows 1 to N - 1 are orthonormal; row k holds
    sin(pi k i / N), row 0 is zero, so that its rows are those of `cosine_matrix`.
    """
    k, i = np.arange(size)[:, None], np.arange(1, size)
    return np.sqrt(2 / size) * np.sin(np.pi * k * i / size)


def wave_numbers(size: int, cell: float) -> np.ndarray:
    """Returns s f64[N]: the difference of wave k is -s_k sine, of its sine s_k wave."""
    return 2 * np.sin(0.5 * np.pi * np.arange(size) / size) / cell


def shape_along(values: jax.Array, axis: int, num_axes: int) -> jax.Array:
    """Returns values [N] as an array that broadcasts along `axis` of `num_axes`."""
    return values.reshape([-1 if a == axis else 1 for a in range(num_axes)])


def part(field: jax.Array, axis: int, start: int, stop: int) -> jax.Array:
    """Returns field[start : N + stop] along `axis`."""
    return jax.lax.slice_in_dim(field, start, field.shape[axis] + stop, axis=axis)


def pad(
    field: jax.Array, axis: int, before: int, after: int, mode: str = "constant"
) -> jax.Array:
    """Returns `field` with zeros before and after it along `axis`.

    With mode "edge" these are its outermost values instead.
    """
    widths = [(0, 0)] * field.ndim
    widths[axis] = (before, after)
    return jnp.pad(field, widths, mode=mode)


def difference(field: jax.Array, axis: int, cell: float) -> jax.Array:
    """Returns (f_i+1 - f_i) / h: centres to inner faces, or faces to centres."""
    return (part(field, axis, 1, 0) - part(field, axis, 0, -1)) / cell


def mean(field: jax.Array, axis: int) -> jax.Array:
    """Returns (f_i+1 + f_i) / 2: centres to inner faces, or faces to centres."""
    return 0.5 * (part(field, axis, 1, 0) + part(field, axis, 0, -1))


def divergence(inner: tuple[jax.Array, ...], cell: float) -> jax.Array:
    """Returns the divergence, at centres, of a flux that is zero on the walls.

    What leaves a cell enters its neighbour, so the sum over all cells is zero.

    Args:
      inner: flux along each axis on the inner faces of that axis.
      cell: size h of a cell.
    """
    return sum(
        difference(pad(flux, axis, 1, 1), axis, cell) for axis, flux in enumerate(inner)
    )


def laplacian(centres: jax.Array, cell: float) -> jax.Array:
    """Returns the Laplacian from nearest neighbours, with no flux through the walls."""
    slopes = tuple(difference(centres, axis, cell) for axis in range(centres.ndim))
    return divergence(slopes, cell)


def gradient(centres: jax.Array, cell: float) -> tuple[jax.Array, ...]:
    """Returns the derivative along each axis at centres, by central differences.

    Behind a wall the value is that of the cell in front of it.
    """
    slopes = []
    for axis in range(centres.ndim):
        padded = pad(centres, axis, 1, 1, mode="edge")
        slopes.append((part(padded, axis, 2, 0) - part(padded, axis, 0, -2)) / 2 / cell)
    return tuple(slopes)
