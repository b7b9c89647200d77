"""Distances between two sets of samples."""

import jax
import jax.numpy as jnp


def energy_distance(first: jax.Array, second: jax.Array) -> jax.Array:
    """Energy distance between two samples (Szekely & Rizzo 2013, equation 6.1).

    `2 E|x - y| - E|x - x'| - E|y - y'|` with the mean over pairs of different
    samples: unbiased, and zero in expectation only if both come from one distribution.

    Args:
      first: f32[N, ...], N at least 2.
      second: f32[M, ...], M at least 2, of the same sample shape.

    Returns:
      f32[], in the units of the samples' Euclidean norm.
    """
    x, y = first.reshape(len(first), -1), second.reshape(len(second), -1)
    return 2 * _norms(x, y).mean() - _mean_off_diagonal(x) - _mean_off_diagonal(y)


def _mean_off_diagonal(x: jax.Array) -> jax.Array:
    return jnp.sum(_norms(x, x)) / (len(x) * (len(x) - 1))


def _norms(x: jax.Array, y: jax.Array) -> jax.Array:
    return jax.lax.map(lambda row: jnp.linalg.norm(y - row, axis=-1), x)
