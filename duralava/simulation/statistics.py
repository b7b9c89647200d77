"""What can be counted and measured on the film of a simulated lamp.

A film is an array `wax f[N, Nz, Ny, Nx]`: the share of wax, 0 to 1, in the cells of a
lamp at N moments that follow each other at a steady rate. Row 0 is at the floor.
Everything here is NumPy; what is random takes its generator as an argument.
"""

from collections.abc import Sequence

import numpy as np
import scipy.ndimage

from duralava.signals.correlation import autocorrelation


def coarsen(wax: np.ndarray) -> np.ndarray:
    """Returns the means of blocks of 2 x 2 x 2 cells, in the type of f[N, Nz, Ny, Nx].

    Where the number of cells is odd, the last one stands for both of its block.
    """
    for axis in (1, 2, 3):
        even = np.arange(0, wax.shape[axis], 2)
        odd = np.minimum(even + 1, wax.shape[axis] - 1)
        wax = (wax.take(even, axis) + wax.take(odd, axis)) / 2
    return wax


def levels(wax: np.ndarray) -> np.ndarray:
    """Returns the share of wax in each row, from the floor up, f64[N, Ny]."""
    return wax.mean(axis=(1, 3), dtype=np.float64)


def wax_height(levels: np.ndarray) -> np.ndarray:
    """Returns the mean height of all wax f64[N], 0 at the floor to 1 at the top."""
    rows = levels.shape[1]
    return levels @ ((np.arange(rows) + 0.5) / rows) / levels.sum(axis=1)


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

    0 for a frozen lamp, 1 where no wax lies in a cell that had some.

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


def place_tracers(wax: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Returns places z, y, x in the wax of one moment f[Nz, Ny, Nx], f64[number, 3].

    They are in cells from the front, the floor and the left wall, spread evenly over
    the wax.
    """
    share = np.clip(wax.ravel().astype(np.float64), 0, None)
    cells = rng.choice(share.size, number, p=share / share.sum())
    return np.stack(np.unravel_index(cells, wax.shape), 1) + rng.random((number, 3))


def follow_tracers(
    places: np.ndarray,
    wax: np.ndarray,
    flow: Sequence[np.ndarray],
    cells_per_moment: float,
    rng: np.random.Generator,
    *,
    substeps: int = 2,
) -> tuple[np.ndarray, np.ndarray]:
    """Lets specks drift with the flow, from the first moment to the last.

    By the midpoint rule, in a velocity that is linear between faces and between
    moments. A speck that has come out of the wax (share below 0.1) is put somewhere
    else into it.

    Args:
      places: at the first moment, f64[M, 3], as `place_tracers` returns them.
      wax: f[N, Nz, Ny, Nx].
      flow: velocity along z, y and x, on the faces along each, at the N moments.
      cells_per_moment: how many cells a speed of 1 crosses from moment to moment.
      rng: of the new places.
      substeps: steps from moment to moment.

    Returns:
      The places at the last moment, and the heights at all moments but the first,
      f64[N - 1, M], 0 at the floor to 1 at the top and NaN where the speck was lost.
    """
    shape = np.array(wax.shape[1:])
    step = cells_per_moment / substeps
    heights = np.empty((len(wax) - 1, len(places)))
    for index in range(len(heights)):
        for moment in index + np.arange(substeps) / substeps:
            half = places + 0.5 * step * _velocity(flow, moment, places)
            middle = moment + 0.5 / substeps
            places = places + step * _velocity(flow, middle, half)
            places = np.clip(places, 0, shape)
        cells = np.minimum(places.astype(int), shape - 1)
        lost = wax[index + 1][tuple(cells.T)] < 0.1
        heights[index] = np.where(lost, np.nan, places[:, 1] / shape[1])
        if lost.any():
            places[lost] = place_tracers(wax[index + 1], np.count_nonzero(lost), rng)
    return places, heights


def ascent_times(heights: np.ndarray) -> np.ndarray:
    """Returns how long wax takes from foot to top, f64[A], in moments.

    An ascent begins when a speck of wax leaves the lowest quarter for the last time
    before it enters the highest quarter, and ends as it enters. Its time is doubled,
    from half the height to the whole.

    Args:
      heights: of M specks, 0 to 1, NaN where one speck is replaced by another,
        f[N, M].
    """
    left = np.full(heights.shape[1], np.nan)
    times = []
    for moment, height in enumerate(heights):
        left[np.isnan(height)] = np.nan
        left[height < 0.25] = moment
        arrived = (height > 0.75) & ~np.isnan(left)
        # Half a moment too early and half a moment too late, on average.
        times.append(2 * (moment - left[arrived] - 1))
        left[arrived] = np.nan
    return np.concatenate(times)


def correlations(films: np.ndarray) -> np.ndarray:
    """Correlates lamps of different seeds at the same moment, all pairs of them.

    The mean film, over all lamps and moments, is taken off. Products are averaged over
    cells and divided by what they usually are of one lamp with itself.

    Args:
      films: wax of K lamps, f[K, N, Nz, Ny, Nx].

    Returns:
      f64[N, P] of the P pairs.
    """
    lamps, number = films.shape[:2]
    fields = films.swapaxes(0, 1).reshape(number, lamps, -1).astype(np.float32)
    fields -= fields.mean(axis=(0, 1))
    products = np.einsum("tac,tbc->tab", fields, fields)
    scale = np.sqrt(np.diag(products.mean(axis=0)))
    first, second = np.triu_indices(lamps, 1)
    return (products / np.outer(scale, scale))[:, first, second]


def distance_ratio(films: np.ndarray, apart: int) -> float:
    """Compares how far lamps are from each other and from themselves at other times.

    Returns the root mean square distance between two lamps at one moment over that
    between moments of one lamp. Below 1 where lamps do the same at the same time, above
    1 where each lamp keeps something of its own.

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


def distribution(values: np.ndarray) -> dict[str, float]:
    """Returns mean, standard deviation and quantiles of f[N], NaN where N is 0."""
    if not len(values):
        values = np.array([np.nan])
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    quantiles = zip(shares, np.quantile(values, shares), strict=True)
    return {
        "mean": float(np.mean(values)),
        "std": float(np.std(values)),
        **{f"{share:.0%}": float(value) for share, value in quantiles},
    }


def compare_halves(
    values: np.ndarray, block: int, rng: np.random.Generator, *, shuffles: int = 4000
) -> tuple[float, float]:
    """Tests whether both halves of a series are of one distribution.

    Neighbouring moments are alike, so an ordinary test would find any two halves
    different. Blocks of moments are nearly independent: how far apart the halves are is
    compared with how far apart they are when the blocks are dealt to two halves at
    random (a permutation test; Lehmann and Romano 2005, "Testing Statistical
    Hypotheses", section 15.2).

    Args:
      values: f[N]; what is left over by an even number of blocks is not used.
      block: moments in a block.
      rng: deals the blocks.
      shuffles: number of times that they are dealt.

    Returns:
      The distance of Kolmogorov and Smirnov between the halves, and the share of the
      shuffles that are as far apart or farther (the p-value).

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
    dealt = rng.permuted(np.tile(signs, (shuffles, 1)), axis=1)
    distance = np.abs(signs @ below).max()
    distances = np.abs(dealt @ below).max(axis=1)
    larger = np.count_nonzero(distances >= distance - 1e-12)
    return float(distance), (1 + larger) / (1 + shuffles)


def _velocity(
    flow: Sequence[np.ndarray], moment: float, places: np.ndarray
) -> np.ndarray:
    """Returns the velocity f64[M, 3] at places in cells, between moments of a film."""
    when = np.full((1, len(places)), moment)
    along = [
        scipy.ndimage.map_coordinates(
            # Faces along an axis lie at 0, 1, ... of it and at 1/2, 3/2, ... of others.
            u,
            np.concatenate([when, (places - 0.5 * (np.arange(3) != axis)).T]),
            np.float64,
            order=1,
            mode="nearest",
        )
        for axis, u in enumerate(flow)
    ]
    return np.stack(along, axis=1)
