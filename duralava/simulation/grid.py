"""Staggered grid of square cells: differences, means, sine transforms.

Fields are arrays `f32[Ny, Nx]`; row 0 is at the floor, column 0 at the left wall.
Where values live, in units of the cell size h:

  centres  [Ny, Nx]            wax, temperature, potential; at (i + 1/2, j + 1/2)
  x faces  [Ny, Nx + 1]        horizontal velocity, horizontal fluxes
  y faces  [Ny + 1, Nx]        vertical velocity, vertical fluxes
  corners  [Ny + 1, Nx + 1]    stream function, vorticity

Functions named `inner_` leave out the faces or corners that lie on the walls.
"""

import jax
import jax.numpy as jnp
import numpy as np


def sine_matrix(size: int) -> np.ndarray:
    """Returns the discrete sine transform of `size - 1` inner nodes as a matrix.

    The type-I transform, scaled to be orthogonal: symmetric and its own inverse. Its
    column k is an eigenvector of the second difference with zeros on both walls.

    Args:
      size: number of cells N between the two walls.

    Returns:
      f64[N - 1, N - 1].
    """
    k = np.arange(1, size)
    return np.sqrt(2 / size) * np.sin(np.pi * np.outer(k, k) / size)


def sine_eigenvalues(size: int, cell: float) -> np.ndarray:
    """Returns the eigenvalues f64[N - 1] of minus the second difference.

    Args:
      size: number of cells N between the two walls.
      cell: size h of a cell.
    """
    k = np.arange(1, size)
    return (2 - 2 * np.cos(np.pi * k / size)) / cell**2


def inner_difference_x(centres: jax.Array, cell: float) -> jax.Array:
    """Returns d/dx on the inner x faces, f32[Ny, Nx - 1]."""
    return (centres[:, 1:] - centres[:, :-1]) / cell


def inner_difference_y(centres: jax.Array, cell: float) -> jax.Array:
    """Returns d/dy on the inner y faces, f32[Ny - 1, Nx]."""
    return (centres[1:] - centres[:-1]) / cell


def inner_mean_x(centres: jax.Array) -> jax.Array:
    """Returns the mean of both neighbours on the inner x faces, f32[Ny, Nx - 1]."""
    return 0.5 * (centres[:, 1:] + centres[:, :-1])


def inner_mean_y(centres: jax.Array) -> jax.Array:
    """Returns the mean of both neighbours on the inner y faces, f32[Ny - 1, Nx]."""
    return 0.5 * (centres[1:] + centres[:-1])


def divergence(inner_x: jax.Array, inner_y: jax.Array, cell: float) -> jax.Array:
    """Returns the divergence f32[Ny, Nx] of a flux that is zero on the walls.

    What leaves one cell enters its neighbour, so the sum over all cells is zero.

    Args:
      inner_x: flux through the inner x faces, f32[Ny, Nx - 1].
      inner_y: flux through the inner y faces, f32[Ny - 1, Nx].
      cell: size h of a cell.
    """
    across = jnp.pad(inner_x, ((0, 0), (1, 1)))
    along = jnp.pad(inner_y, ((1, 1), (0, 0)))
    return (across[:, 1:] - across[:, :-1] + along[1:] - along[:-1]) / cell


def laplacian(centres: jax.Array, cell: float) -> jax.Array:
    """Returns the five-point Laplacian f32[Ny, Nx] with no flux through the walls."""
    return divergence(
        inner_difference_x(centres, cell), inner_difference_y(centres, cell), cell
    )


def gradient(centres: jax.Array, cell: float) -> tuple[jax.Array, jax.Array]:
    """Returns d/dx and d/dy, f32[Ny, Nx] each, by central differences.

    Behind a wall the value is that of the cell in front of it.
    """
    padded = jnp.pad(centres, 1, mode="edge")
    return (
        (padded[1:-1, 2:] - padded[1:-1, :-2]) / (2 * cell),
        (padded[2:, 1:-1] - padded[:-2, 1:-1]) / (2 * cell),
    )
