"""What can be counted and measured on the film of a simulated lamp.

A film is an array `wax f[N, Nz, Ny, Nx]`: the share of wax, 0 to 1, in the cells of a
lamp at N moments that follow each other at a steady rate. Row 0 is at the floor.
Everything here is NumPy; what is random takes its generator as an argument.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.sparse.csgraph

# Cells whose series are transformed at once: an hour of film needs little more memory.
_BLOCK = 256


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


def autocorrelation(wax: np.ndarray, max_lag: int) -> np.ndarray:
    """Correlates a lamp with itself some moments later.

    The mean over time is taken off every cell. The products of both moments are
    averaged over cells and over the N - lag pairs of moments (so that a periodic film
    does not fade), and divided by the value at lag 0.

    Args:
      wax: f[N, Nz, Ny, Nx].
      max_lag: largest lag in moments, below N.

    Returns:
      f64[max_lag + 1]; all ones for a lamp in which nothing ever changes.
    """
    number = len(wax)
    cells = wax.reshape(number, -1)
    size = scipy.fft.next_fast_len(number + max_lag, real=True)
    power = np.zeros(size // 2 + 1)
    for start in range(0, cells.shape[1], _BLOCK):
        part = cells[:, start : start + _BLOCK].T.astype(np.float64)
        part -= part.mean(axis=1, keepdims=True)
        power += (np.abs(scipy.fft.rfft(part, size)) ** 2).sum(axis=0)
    covariance = scipy.fft.irfft(power, size)[: max_lag + 1]
    covariance /= number - np.arange(max_lag + 1)
    if covariance[0] <= 1e-12 * cells.shape[1]:
        return np.ones(max_lag + 1)
    return covariance / covariance[0]


def fall_and_peak(correlation: np.ndarray, level: float) -> tuple[float, float]:
    """Returns the first index of f[L] under `level`, and the largest value from there.

    Infinity and 1 where it never falls: a film that does not forget is no better than a
    periodic one.
    """
    below = np.flatnonzero(correlation < level)
    if not below.size:
        return np.inf, 1.0
    return float(below[0]), float(correlation[below[0] :].max())


@dataclasses.dataclass(frozen=True)
class Blobs:
    """All blobs of a film, in order of time, and which of them overlap.

    Attributes:
      moment: index of the moment that a blob is seen at, i64[B].
      cells: its volume in cells, i64[B].
      row: mean row of its cells, f64[B].
      height: rows that it spans, i64[B].
      width: columns or layers that it spans, whichever are more, i64[B].
      links: pairs (blob, blob of the next moment) that overlap, i64[L, 2].
      overlap: cells that the pairs share, i64[L].
      num_moments: N.
    """

    moment: np.ndarray
    cells: np.ndarray
    row: np.ndarray
    height: np.ndarray
    width: np.ndarray
    links: np.ndarray
    overlap: np.ndarray
    num_moments: int

    def counts(self) -> np.ndarray:
        """Returns the number of blobs of each moment, i64[N]."""
        return np.bincount(self.moment, minlength=self.num_moments)


def find_blobs(wax: np.ndarray, min_cells: int) -> Blobs:
    """Finds the blobs of each moment.

    A blob is a set of cells with wax > 1/2 that are joined by their faces, `min_cells`
    of them or more. For the blobs of the lamp as it is seen from the front, pass
    `wax.max(axis=1, keepdims=True)`.

    Args:
      wax: f[N, Nz, Ny, Nx].
      min_cells: volume of the smallest blob; less is spray.
    """
    joined = np.zeros((3, 3, 3, 3), bool)
    joined[1] = scipy.ndimage.generate_binary_structure(3, 1)
    labels, number = scipy.ndimage.label(wax > 0.5, joined)
    cells = np.bincount(labels.ravel(), minlength=number + 1)
    large = cells >= min_cells
    large[0] = False
    labels = np.where(large, np.cumsum(large), 0)[labels]
    rows = np.indices(labels.shape, np.int32, sparse=True)[2]
    row = np.bincount(labels.ravel(), np.broadcast_to(rows, labels.shape).ravel())
    row = row[1:] / cells[large]
    boxes = [
        (moment.start, *(side.stop - side.start for side in sides))
        for moment, *sides in scipy.ndimage.find_objects(labels)
    ]
    moment, depth, height, width = np.array(boxes, np.int64).reshape(-1, 4).T
    links, overlap = _overlaps(labels)
    width = np.maximum(width, depth)
    return Blobs(moment, cells[large], row, height, width, links, overlap, len(wax))


def join_blobs(parts: Sequence[Blobs]) -> Blobs:
    """Joins the parts of a film; each begins with the last moment of the one before."""
    columns, moments, number = [], 0, 0
    for part in parts:
        known = np.count_nonzero(part.moment == 0) if columns else 0
        own = (part.moment + moments, part.cells, part.row, part.height, part.width)
        links = part.links + number - known
        columns.append((*(values[known:] for values in own), links, part.overlap))
        moments += part.num_moments - 1
        number += len(part.moment) - known
    return Blobs(*map(np.concatenate, zip(*columns, strict=True)), moments + 1)


def partings_and_mergings(
    blobs: Blobs, min_moments: int = 1, min_overlap: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """Finds when blobs part and when they merge.

    Blobs of consecutive moments belong together where they share `min_overlap` of the
    smaller one: less is one blob in the place that another has just left. A blob and
    its successor are the pair in which each is the largest overlap of the other; a life
    is a chain of them. A life that begins inside an earlier blob is a parting, a life
    that ends inside a later one a merging. Lives shorter than `min_moments` count as
    neither: that is a neck at the threshold, which closes and opens again. Lives that
    the film cuts off are taken as long.

    Returns:
      The moments after each parting, i64[P], and after each merging, i64[M], in order.
    """
    number = len(blobs.moment)
    smaller = blobs.cells[blobs.links].min(axis=1)
    belongs = blobs.overlap >= min_overlap * smaller
    (earlier, later), overlap = blobs.links[belongs].T, blobs.overlap[belongs]
    main = _is_largest(earlier, overlap) & _is_largest(later, overlap)
    graph = scipy.sparse.coo_array(
        (np.ones(main.sum()), (earlier[main], later[main])), (number, number)
    )
    num_lives, life = scipy.sparse.csgraph.connected_components(graph, directed=False)
    begin = np.full(num_lives, blobs.num_moments)
    np.minimum.at(begin, life, blobs.moment)
    end = np.full(num_lives, -1)
    np.maximum.at(end, life, blobs.moment)
    long = (end - begin + 1 >= min_moments) | (begin == 0)
    long |= end == blobs.num_moments - 1

    begins_here = np.ones(number, bool)
    begins_here[later[main]] = False
    ends_here = np.ones(number, bool)
    ends_here[earlier[main]] = False
    parted = np.unique(later[begins_here[later] & long[life[later]]])
    merged = np.unique(earlier[ends_here[earlier] & long[life[earlier]]])
    return blobs.moment[parted], blobs.moment[merged] + 1


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


def _overlaps(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns pairs (earlier blob, later blob) and the cells they share."""
    earlier, later = labels[:-1].ravel(), labels[1:].ravel()
    both = (earlier > 0) & (later > 0)
    size = int(labels.max()) + 1
    pair, shared = np.unique(earlier[both] * size + later[both], return_counts=True)
    return np.stack(np.divmod(pair, size), axis=1) - 1, shared


def _is_largest(keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Marks for each key the one item of the largest value, the first of equals."""
    order = np.lexsort((-values, keys))
    largest = np.zeros(len(keys), bool)
    largest[order[np.unique(keys[order], return_index=True)[1]]] = True
    return largest


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
