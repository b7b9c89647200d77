"""Orthogonal matrices, by Cayley's transform."""

import jax
import jax.numpy as jnp
import numpy as np

_SIGNS = 100  # choices of signs that are compared


def cayley(skew: jax.Array) -> jax.Array:
    """Returns (I - S)^-1 (I + S), which is orthogonal if S is skew-symmetric.

    It does not call LAPACK: on a CPU, the threads of that library wait for the next
    call in a busy loop and take processor time from other computations.

    Args:
      skew: f32[..., N, N], skew-symmetric.

    Returns:
      f32[..., N, N].
    """
    identity = jnp.eye(skew.shape[-1])
    return 2 * _inverse(identity - skew) - identity


def orthonormal_bases(free: jax.Array) -> jax.Array:
    """Returns the orthonormal basis f32[N, N] of each matrix of free parameters.

    Args:
      free: f32[..., N, N]; what of it is symmetric has no effect.
    """
    return cayley(free - jnp.swapaxes(free, -1, -2))


def free_parameters(basis: np.ndarray) -> np.ndarray:
    """Returns parameters whose basis is a given one, but for the signs of its columns.

    Cayley's transform has no matrix that turns a direction by half a turn, and is
    inaccurate near those. Of some choices of signs, the one that is furthest from them
    is taken.

    Args:
      basis: f[N, N], orthonormal.

    Returns:
      f[N, N], for `orthonormal_bases`.
    """
    rng = np.random.default_rng(0)
    size = len(basis)

    def distance(turned: np.ndarray) -> float:
        return np.abs(np.linalg.eigvals(turned) + 1).min()

    choices = [basis * rng.choice([-1.0, 1.0], size) for _ in range(_SIGNS)]
    turned = max(choices, key=distance)
    identity = np.eye(size)
    return np.linalg.solve((turned + identity).T, (turned - identity).T).T / 2


@jax.custom_jvp
def _inverse(a: jax.Array) -> jax.Array:
    """Inverse of matrices f32[..., N, N] whose symmetric part is positive definite.

    Gauss-Jordan elimination in place, a rank-one update for each pivot. No pivot is
    zero: such a matrix needs no pivoting (Golub and Van Loan 2013, section 4.3).
    """
    identity = jnp.eye(a.shape[-1])

    def eliminate(k: jax.Array, a: jax.Array) -> jax.Array:
        row = jax.lax.dynamic_index_in_dim(a, k, -2)
        column = jax.lax.dynamic_index_in_dim(a, k, -1)
        pivot = jax.lax.dynamic_index_in_dim(row, k, -1)
        unit = identity[k]
        return a - (column - unit[:, None]) * ((row + unit) / pivot)

    inverse = jax.lax.fori_loop(0, a.shape[-1], eliminate, a)
    # One step of Newton's method removes the accumulated rounding error.
    return inverse + _product(inverse, identity - _product(a, inverse))


@_inverse.defjvp
def _inverse_jvp(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    inverse = _inverse(*primals)
    return inverse, -_product(_product(inverse, *tangents), inverse)


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.matmul(a, b, precision="highest")
