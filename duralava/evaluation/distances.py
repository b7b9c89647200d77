"""Distances between two sets of samples."""

import jax
import jax.numpy as jnp
import numpy as np


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


def total_variation(first: np.ndarray, second: np.ndarray, edges: np.ndarray) -> float:
    """Returns half the sum of absolute differences of two samples' histograms, 0 to 1.

    The largest difference between the probabilities that the samples give to any set of
    bins (Levin, Peres & Wilmer 2009, "Markov Chains and Mixing Times", section 4.1).

    Args:
      first: values, f[N].
      second: values, f[M].
      edges: of the bins, ascending; values outside count in the first and last bin.

    Raises:
      ValueError: a sample has no values or some that are not a number, or the edges do
        not ascend.
    """
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise ValueError(f"edges of bins must ascend: {edges}")
    shares = []
    for sample in (np.asarray(first), np.asarray(second)):
        if not sample.size or np.isnan(sample).any():
            raise ValueError("a histogram needs values, all of them numbers")
        bins = np.searchsorted(edges[1:-1], sample, side="right")
        shares.append(np.bincount(bins, minlength=len(edges) - 1) / sample.size)
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _mean_off_diagonal(x: jax.Array) -> jax.Array:
    return jnp.sum(_norms(x, x)) / (len(x) * (len(x) - 1))


def _norms(x: jax.Array, y: jax.Array) -> jax.Array:
    return jax.lax.map(lambda row: jnp.linalg.norm(y - row, axis=-1), x)
