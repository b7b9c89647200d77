"""Slow viscous flow in a closed box, by its stream function.

Without inertia, an incompressible fluid of viscosity mu obeys the Stokes equations

  mu lap(u) - grad p + f = 0,    div u = 0.

With u = d psi / dy and v = -d psi / dx the second holds by itself, and the curl of
the first leaves one equation, which knows no pressure:

  lap(lap psi) = curl(f) / mu,    curl(f) = d f_y / dx - d f_x / dy.

On walls that let the fluid slip freely both psi and lap psi are zero, so sine waves
solve it exactly: two matrix products transform, one division solves, two transform
back (Buzbee, Golub, Nielson 1970, "On direct methods for solving Poisson's
equations", applied twice).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from duralava.simulation import grid


def curl(inner_x: jax.Array, inner_y: jax.Array, cell: float) -> jax.Array:
    """Returns d f_y / dx - d f_x / dy on the inner corners, f32[Ny - 1, Nx - 1].

    The curl of a difference of centre values is zero to rounding.

    Args:
      inner_x: f_x on the inner x faces, f32[Ny, Nx - 1].
      inner_y: f_y on the inner y faces, f32[Ny - 1, Nx].
      cell: size h of a cell.
    """
    along_x = inner_y[:, 1:] - inner_y[:, :-1]
    along_y = inner_x[1:] - inner_x[:-1]
    return (along_x - along_y) / cell


def stream_function(vorticity_source: jax.Array, cell: float) -> jax.Array:
    """Solves lap(lap psi) = source with psi = lap psi = 0 on the walls.

    Second order in the cell size.

    Args:
      vorticity_source: curl(f) / mu on the inner corners, f32[Ny - 1, Nx - 1].
      cell: size h of a cell.

    Returns:
      psi on all corners, f32[Ny + 1, Nx + 1].
    """
    rows, columns = (size + 1 for size in vorticity_source.shape)
    sine_y, sine_x, inverse = _spectral_solver(rows, columns, cell)
    dot = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
    spectrum = dot(dot(sine_y, vorticity_source), sine_x)
    return jnp.pad(dot(dot(sine_y, spectrum * inverse), sine_x), 1)


def velocity(stream: jax.Array, cell: float) -> tuple[jax.Array, jax.Array]:
    """Returns u = d psi / dy and v = -d psi / dx on the faces.

    The flow through the faces of each cell adds up to zero, to rounding.

    Args:
      stream: psi on all corners, f32[Ny + 1, Nx + 1], zero on the walls.
      cell: size h of a cell.

    Returns:
      u on x faces f32[Ny, Nx + 1] and v on y faces f32[Ny + 1, Nx].
    """
    return (
        (stream[1:] - stream[:-1]) / cell,
        -(stream[:, 1:] - stream[:, :-1]) / cell,
    )


@functools.cache
def _spectral_solver(
    rows: int, columns: int, cell: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns both sine matrices and 1 / eigenvalue of lap lap, in float32."""
    eigenvalues = (
        grid.sine_eigenvalues(rows, cell)[:, None]
        + grid.sine_eigenvalues(columns, cell)[None, :]
    )
    matrices = grid.sine_matrix(rows), grid.sine_matrix(columns), eigenvalues**-2
    return tuple(matrix.astype(np.float32) for matrix in matrices)
