"""Distances between two sets of samples."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.spatial
import scipy.stats


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


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A value and the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Frechet distance of the normal distributions with the samples' moments.

    `|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))` (Dowson & Landau 1982; of features,
    Heusel et al. 2017). The bias of finite samples is in it: compare only what was had
    from equally many.

    Args:
      first: features f[N, D], N at least 2.
      second: features f[M, D], M as well.

    Returns:
      The squared distance, in units of the features' square.

    Raises:
      ValueError: a sample has fewer rows.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError("a Frechet distance needs two rows or more of each sample")
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    # The nuclear norm of X'Y is the trace of (S1 S2)^(1/2), with no root of a matrix
    # that rounding has made indefinite.
    centred = [(z - z.mean(axis=0)) / math.sqrt(len(z) - 1) for z in (x, y)]
    factors = [np.linalg.qr(z, mode="r") for z in centred]
    root = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    spread = sum(np.square(z).sum() for z in centred)
    return float(np.square(x.mean(axis=0) - y.mean(axis=0)).sum() + spread - 2 * root)


def kernel_distance(
    first: np.ndarray, second: np.ndarray, *, num_groups: int = 20
) -> Estimate:
    """Squared maximum mean discrepancy under a normal kernel (Gretton et al. 2012).

    The unbiased estimate, zero in expectation if both come from one distribution; the
    kernel is as wide as the median distance of two of the second sample (the root mean
    square where that is 0). The interval is that of the jackknife which leaves out one
    group of neighbouring rows of each sample at a time, so that rows from neighbouring
    moments of a film do not make it narrower than it is.

    Args:
      first: features f[N, D], N at least twice `num_groups`.
      second: features f[M, D], M as well.
      num_groups: of the jackknife.

    Raises:
      ValueError: there are too few rows, or all of the second sample are the same.
    """
    fewest = min(len(first), len(second))
    if fewest < 2 * num_groups:
        raise ValueError(f"{fewest} rows are too few for {num_groups} groups")
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    within_y = _square_distances(y, y)
    pairs = within_y[np.triu_indices(len(y), 1)]
    width = np.median(pairs) or pairs.mean()
    if width == 0:
        raise ValueError("all rows of the second sample are the same")
    kernels = [np.exp(-d / width) for d in (_square_distances(x, x), within_y)]
    across = np.exp(-_square_distances(x, y) / width)
    ends = [np.linspace(0, len(z), num_groups + 1).astype(int) for z in (x, y)]

    def group_sums(matrix: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> Any:
        sums = np.add.reduceat(matrix, rows[:-1], axis=0)
        return np.add.reduceat(sums, columns[:-1], axis=1)

    for kernel in kernels:
        np.fill_diagonal(kernel, 0)
    sums = [group_sums(k, e, e) for k, e in zip(kernels, ends, strict=True)]
    cross = group_sums(across, *ends)
    sizes = [np.diff(e) for e in ends]

    def value(kept: np.ndarray) -> float:
        n, m = (size[kept].sum() for size in sizes)
        inner = [s[np.ix_(kept, kept)].sum() for s in sums]
        between = cross[np.ix_(kept, kept)].sum()
        return (
            inner[0] / (n * (n - 1)) + inner[1] / (m * (m - 1)) - 2 * between / (n * m)
        )

    groups = np.arange(num_groups)
    whole = value(groups)
    parts = np.array([value(np.delete(groups, g)) for g in groups])
    variance = (num_groups - 1) * np.mean(np.square(parts - parts.mean()))
    reach = scipy.stats.t.ppf(0.975, num_groups - 1) * math.sqrt(variance)
    return Estimate(float(whole), float(whole - reach), float(whole + reach))


def density_and_coverage(
    generated: np.ndarray, real: np.ndarray, *, neighbours: int = 5
) -> tuple[float, float]:
    """Density and coverage (Naeem et al. 2020, equations 4 and 5).

    Around each real row lies a ball that reaches its k-th neighbour among the real
    rows. Density is the mean number of balls that a generated row lies in, over k;
    coverage the share of balls with a generated row in them.

    Args:
      generated: features f[N, D].
      real: features f[M, D], M above `neighbours`.
      neighbours: k.

    Raises:
      ValueError: there are too few real rows.
    """
    if len(real) <= neighbours:
        raise ValueError(f"{len(real)} real rows have no {neighbours} neighbours each")
    among_real = _square_distances(real, real)
    np.fill_diagonal(among_real, np.inf)
    radius = np.partition(among_real, neighbours - 1, axis=1)[:, neighbours - 1]
    inside = _square_distances(generated, real) <= radius
    density = inside.sum(axis=1).mean() / neighbours
    return float(density), float(inside.any(axis=0).mean())


def _square_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return scipy.spatial.distance.cdist(x, y, "sqeuclidean")
