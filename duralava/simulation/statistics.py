"""Statistics of the film of a simulated lamp.

A film is an array `wax f[N, Nz, Ny, Nx]`: the share of wax of all fields together, 0 to
1, in each cell of a lamp at N moments that follow each other at a steady rate. Row 0 is
at the floor. All functions use NumPy; those that are random take their generator as an
argument.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from duralava.signals.correlation import autocorrelation

# The 13 directions to the neighbours of a cell, and the share of all directions that is
# nearest to each, by the number of axes along which it goes.
_DIRECTIONS = tuple(
    step for step in itertools.product((-1, 0, 1), repeat=3) if step > (0, 0, 0)
)
_WEIGHTS = {1: 0.0457781, 2: 0.0369806, 3: 0.0351956}


def coarsen(wax: np.ndarray) -> np.ndarray:
    """Returns the means of blocks of 2 x 2 x 2 cells, in the type of f[N, Nz, Ny, Nx].

    Where the number of cells is odd, the last one counts twice in its block.
    """
    for axis in (1, 2, 3):
        even = np.arange(0, wax.shape[axis], 2)
        odd = np.minimum(even + 1, wax.shape[axis] - 1)
        wax = (wax.take(even, axis) + wax.take(odd, axis)) / 2
    return wax


def sphericity(body: np.ndarray) -> float:
    """Returns the surface of a ball with the volume of a body, over the body's own.

    1 for a ball, 0.93 for an ellipsoid twice as long as wide, 0.73 for one five times
    as long as wide. The surface is that of Cauchy and Crofton: the number of times that
    lines along 13 directions cross it (Ohser and Muecklich 2000, "Statistical analysis
    of microstructures in materials science", section 4.2). It is exact within a few
    percent for rounded bodies of a hundred cells or more; balls of 24 cells have 1.05.

    All of the surface counts, including the side that lies against a wall or another
    body. A half ball at a wall therefore has 0.84, and a flat pool less. Of a flat side
    along the axes the method misses 7 %, so that the half ball is measured as 0.89.

    Args:
      body: which cells belong to it, bool[Nz, Ny, Nx].
    """
    padded = np.pad(body, 1)
    surface = 0.0
    for step in _DIRECTIONS:
        crossings = np.count_nonzero(padded != np.roll(padded, step, (0, 1, 2)))
        squares = np.count_nonzero(step)
        # Lines that are 1 / sqrt(squares) of a cell^2 each; both senses of a direction.
        surface += 4 * _WEIGHTS[squares] * crossings / np.sqrt(squares)
    return float(np.cbrt(36 * np.pi * np.count_nonzero(body) ** 2) / surface)


def is_oblong(body: np.ndarray) -> bool:
    """Returns whether a body is long, as columns and necks are, rather than flat.

    Of the standard deviations a >= b >= c of its cells along its principal axes, the
    middle one is then closer to the smallest: b / c < a / b. A pool is flat.

    Args:
      body: which cells belong to it, bool[Nz, Ny, Nx].
    """
    cells = np.argwhere(body)
    # A cell by itself has the variance 1 / 12 along each axis.
    covariance = np.cov(cells, rowvar=False, bias=True) + np.eye(3) / 12
    smallest, middle, largest = np.linalg.eigvalsh(covariance)
    return bool(middle**2 < smallest * largest)


def wax_by_row(wax: np.ndarray) -> np.ndarray:
    """Returns the share of wax in each row, from the floor up, f64[N, Ny]."""
    return wax.mean(axis=(1, 3), dtype=np.float64)


def wax_height(by_row: np.ndarray) -> np.ndarray:
    """Returns the mean height of all wax f64[N], 0 at the floor to 1 at the top.

    Args:
      by_row: f64[N, Ny] of `wax_by_row`.
    """
    rows = by_row.shape[1]
    return by_row @ ((np.arange(rows) + 0.5) / rows) / by_row.sum(axis=1)


def rms_speed(wax: np.ndarray, flow: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the root mean square speed of the wax f64[N], in the units of `flow`.

    Args:
      wax: f[N, Nz, Ny, Nx].
      flow: velocity along z, y and x, on the faces along each.
    """
    square = np.zeros_like(wax)
    for axis, u in enumerate(flow, start=1):
        u = np.moveaxis(u, axis, -1)
        square += np.moveaxis(0.5 * (u[..., 1:] + u[..., :-1]), -1, axis) ** 2
    total = (wax * square).sum(axis=(1, 2, 3), dtype=np.float64)
    return np.sqrt(total / wax.sum(axis=(1, 2, 3), dtype=np.float64))


def moved_share(wax: np.ndarray, lag: int) -> np.ndarray:
    """Returns the share of the wax that is elsewhere `lag` moments later.

      sum |c(t + lag) - c(t)| / (2 mean over t of sum c(t))

    0 for a frozen lamp; 1 if no wax lies in a cell that had some before.

    Returns:
      f64[N - lag]; item t compares the moments t and t + lag.
    """
    moved = np.abs(wax[lag:] - wax[:-lag]).mean(axis=(1, 2, 3), dtype=np.float64)
    return moved / (2 * wax.mean(dtype=np.float64))


def wax_autocorrelation(wax: np.ndarray, max_lag: int) -> np.ndarray:
    """Returns the autocorrelation of the cells of a lamp, f64[max_lag + 1].

    All ones for a lamp in which nothing ever changes.

    Args:
      wax: f[N, Nz, Ny, Nx].
      max_lag: largest lag in moments, below N.
    """
    if (wax == wax[0]).all():
        return np.ones(max_lag + 1)
    return autocorrelation(wax.reshape(len(wax), 1, -1), max_lag)


def pair_correlations(films: np.ndarray) -> np.ndarray:
    """Returns the correlation of each pair of lamps at each moment, f64[N, P].

    The mean film, over all lamps and moments, is subtracted. Products are averaged over
    cells, and divided by the root mean square of each of the two lamps.

    Args:
      films: wax of K lamps, f[K, N, Nz, Ny, Nx].
    """
    lamps, number = films.shape[:2]
    fields = films.swapaxes(0, 1).reshape(number, lamps, -1).astype(np.float32)
    fields -= fields.mean(axis=(0, 1))
    products = np.einsum("tac,tbc->tab", fields, fields)
    scale = np.sqrt(np.diag(products.mean(axis=0)))
    first, second = np.triu_indices(lamps, 1)
    return (products / np.outer(scale, scale))[:, first, second]


def distance_ratio(films: np.ndarray, apart: int) -> float:
    """Compares distances between lamps with distances within a lamp.

    Returns the root mean square distance between two lamps at the same moment, divided
    by that between two moments of one lamp. It is below 1 if lamps do the same at the
    same time, and above 1 if each lamp keeps a state of its own.

    Args:
      films: wax of K lamps, f[K, N, Nz, Ny, Nx].
      apart: smallest number of moments between two moments of one lamp, below N.
    """
    films = films.astype(np.float32)
    lags = np.arange(apart, films.shape[1])
    between = 2 * films.var(axis=0, ddof=1).mean()
    within = [((films[:, lag:] - films[:, :-lag]) ** 2).mean() for lag in lags]
    within = np.average(within, weights=films.shape[1] - lags)
    return float(np.sqrt(between / within))


def compare_halves(
    values: np.ndarray, block: int, rng: np.random.Generator, *, shuffles: int = 4000
) -> tuple[float, float]:
    """Tests whether both halves of a series have the same distribution.

    Neighbouring moments are alike, so an ordinary test would find any two halves
    different. Blocks of moments are nearly independent. The distance between the halves
    is therefore compared with the distances after the blocks are assigned to two halves
    at random (a permutation test; Lehmann and Romano 2005, "Testing Statistical
    Hypotheses", section 15.2).

    Args:
      values: f[N]; values beyond an even number of whole blocks are not used.
      block: moments in a block.
      rng: assigns the blocks.
      shuffles: number of random assignments.

    Returns:
      The Kolmogorov-Smirnov distance between the halves, and the share of the random
      assignments with at least that distance (the p-value).

    Raises:
      ValueError: there are fewer than 4 blocks in a half.
    """
    half = len(values) // (2 * block)
    if half < 4:
        raise ValueError(f"{len(values)} values are fewer than 8 blocks of {block}")
    values = values[: 2 * half * block].astype(np.float64)
    blocks = values.reshape(2 * half, block)
    levels = np.unique(np.quantile(values, np.linspace(0, 1, 513), method="nearest"))
    # Share of each block at or below each level; the means over blocks of a half are
    # its distribution function.
    below = np.stack(
        [np.searchsorted(np.sort(part), levels, "right") / block for part in blocks]
    )
    signs = np.repeat([1.0, -1.0], half) / half
    shuffled = rng.permuted(np.tile(signs, (shuffles, 1)), axis=1)
    distance = np.abs(signs @ below).max()
    distances = np.abs(shuffled @ below).max(axis=1)
    larger = np.count_nonzero(distances >= distance - 1e-12)
    return float(distance), (1 + larger) / (1 + shuffles)
