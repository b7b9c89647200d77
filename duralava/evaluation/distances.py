"""Distances between two samples of a distribution."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import scipy.spatial
import scipy.stats


def energy_distance(first: jax.Array, second: jax.Array) -> jax.Array:
    """Energy distance between two samples (Szekely & Rizzo 2013, equation 6.1).

    `2 E|x - y| - E|x - x'| - E|y - y'|` with the mean over pairs of different
    elements: unbiased, and zero in expectation only if both distributions are equal.

    Args:
      first: f32[N, ...], N at least 2.
      second: f32[M, ...], M at least 2; its elements have the same shape.

    Returns:
      f32[], in units of the Euclidean norm.
    """
    x, y = first.reshape(len(first), -1), second.reshape(len(second), -1)
    return 2 * _norms(x, y).mean() - _mean_off_diagonal(x) - _mean_off_diagonal(y)


def total_variation(first: np.ndarray, second: np.ndarray, edges: np.ndarray) -> float:
    """Returns half the sum of absolute differences of two samples' histograms, 0 to 1.

    It is the largest difference between the probabilities of any set of bins (Levin,
    Peres & Wilmer 2009, "Markov Chains and Mixing Times", section 4.1).

    Args:
      first: values, f[N].
      second: values, f[M].
      edges: of the bins, ascending; values outside count in the first and last bin.

    Raises:
      ValueError: a sample is empty or contains NaN, or the edges do not ascend.
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


@dataclasses.dataclass(frozen=True)
class Untested:
    """The reason why something is not measured."""

    untested: str


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Frechet distance of the normal distributions with the samples' moments.

    `|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))` (Dowson & Landau 1982; of features,
    Heusel et al. 2017). Finite samples give it a bias: compare only distances between
    samples of the same size.

    Args:
      first: features f[N, D], N at least 2.
      second: features f[M, D], M as well.

    Returns:
      The squared distance, in units of the squared features.

    Raises:
      ValueError: a sample has fewer rows.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError("a Frechet distance needs two rows or more of each sample")
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    # The nuclear norm of X'Y is the trace of (S1 S2)^(1/2). It needs no root of a
    # matrix that rounding has made indefinite.
    centred = [(z - z.mean(axis=0)) / math.sqrt(len(z) - 1) for z in (x, y)]
    factors = [np.linalg.qr(z, mode="r") for z in centred]
    root = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    spread = sum(np.square(z).sum() for z in centred)
    return float(np.square(x.mean(axis=0) - y.mean(axis=0)).sum() + spread - 2 * root)


def kernel_distance(
    first: np.ndarray, second: np.ndarray, *, num_groups: int = 20
) -> Estimate:
    """Squared maximum mean discrepancy with a Gaussian kernel (Gretton et al. 2012).

    The estimate is unbiased: zero in expectation if both distributions are equal. The
    width of the kernel is the median distance between two rows of the second sample
    (the root mean square distance if the median is 0). The interval is a jackknife that
    leaves out one group of neighbouring rows of each sample at a time, so that
    correlated rows, of neighbouring moments of a film, do not make it too narrow.

    Args:
      first: features f[N, D], N at least twice `num_groups`.
      second: features f[M, D], M as well.
      num_groups: of the jackknife.

    Raises:
      ValueError: there are too few rows, or all rows of the second sample are equal.
    """
    fewest = min(len(first), len(second))
    if fewest < 2 * num_groups:
        raise ValueError(f"{fewest} rows are too few for {num_groups} groups")
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    ends = [np.linspace(0, len(z), num_groups + 1).astype(int) for z in (x, y)]
    grids = (ends[0], ends[0]), (ends[1], ends[1]), (ends[0], ends[1])
    sums = [
        _sums_of_blocks(kernel, *grid)
        for kernel, grid in zip(_kernels(x, y), grids, strict=True)
    ]
    sizes = [np.diff(e) for e in ends]

    def discrepancy(kept: np.ndarray) -> float:
        n, m = (size[kept].sum() for size in sizes)
        xx, yy, xy = (s[np.ix_(kept, kept)].sum() for s in sums)
        return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)

    groups = np.arange(num_groups)
    whole = discrepancy(groups)
    parts = np.array([discrepancy(np.delete(groups, g)) for g in groups])
    variance = (num_groups - 1) * np.mean(np.square(parts - parts.mean()))
    reach = scipy.stats.t.ppf(0.975, num_groups - 1) * math.sqrt(variance)
    return Estimate(float(whole), float(whole - reach), float(whole + reach))


def _kernels(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the Gaussian kernel between rows of x, of y, and of x and y.

    It is 0 between a row and itself.
    """
    within_y = _square_distances(y, y)
    pairs = within_y[np.triu_indices(len(y), 1)]
    width = np.median(pairs) or pairs.mean()
    if width == 0:
        raise ValueError("all rows of the second sample are the same")
    xx, yy, xy = (
        np.exp(-squares / width)
        for squares in (_square_distances(x, x), within_y, _square_distances(x, y))
    )
    np.fill_diagonal(xx, 0)
    np.fill_diagonal(yy, 0)
    return xx, yy, xy


def _sums_of_blocks(
    matrix: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Returns the sums of the blocks of a matrix, which begin and end at these rows."""
    sums = np.add.reduceat(matrix, rows[:-1], axis=0)
    return np.add.reduceat(sums, columns[:-1], axis=1)


def density_and_coverage(
    generated: np.ndarray, real: np.ndarray, *, neighbours: int = 5
) -> tuple[float, float]:
    """Density and coverage (Naeem et al. 2020, equations 4 and 5).

    Each real row is the centre of a ball that reaches its k-th neighbour among the real
    rows. Density is the mean number of balls that contain a generated row, divided by
    k. Coverage is the share of balls that contain a generated row.

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


@dataclasses.dataclass(frozen=True)
class FeatureDistances:
    """All distances between the features of two sets of clips.

    Attributes:
      frechet: `frechet_distance`.
      kernel: `kernel_distance`, with its 95 % interval.
      density: of `density_and_coverage`.
      coverage: of `density_and_coverage`.
    """

    frechet: float
    kernel: Estimate
    density: float
    coverage: float


def feature_distances(found: np.ndarray, real: np.ndarray) -> FeatureDistances:
    """Returns all distances between generated and real features f64[N, D]."""
    density, coverage = density_and_coverage(found, real)
    return FeatureDistances(
        frechet=frechet_distance(found, real),
        kernel=kernel_distance(found, real),
        density=density,
        coverage=coverage,
    )


def _square_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return scipy.spatial.distance.cdist(x, y, "sqeuclidean")
