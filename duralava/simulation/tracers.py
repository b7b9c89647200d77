"""Tracers that drift with the wax of a simulated lamp, and how long they rise.

A film is an array `wax f[N, Nz, Ny, Nx]`, the share of wax, 0 to 1, in each cell at N
moments. Places are z, y, x in cells, from the front, the floor and the left wall.
"""

from collections.abc import Sequence

import numpy as np
import scipy.ndimage

# Share of wax in its cell below which a tracer has left the wax.
_LEAST_WAX = 0.1
# Heights between which a tracer is timed.
_LOW, _HIGH = 0.25, 0.75


def place_tracers(wax: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Returns random places, spread evenly over the wax, f64[number, 3].

    Args:
      wax: of one moment, f[Nz, Ny, Nx].
      number: of tracers.
      rng: source of randomness.
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
    """Moves tracers with the flow, from the first moment to the last.

    The midpoint rule is used, with a velocity that is linear between faces and between
    moments. A tracer that has left the wax is moved to a random place in the wax.

    Args:
      places: at the first moment, f64[M, 3], as `place_tracers` returns them.
      wax: f[N, Nz, Ny, Nx].
      flow: velocity along z, y and x, on the faces along each, at the N moments.
      cells_per_moment: cells that a tracer of speed 1 crosses between two moments.
      rng: of the new places.
      substeps: steps from moment to moment.

    Returns:
      The places at the last moment, and the heights at all moments but the first,
      f64[N - 1, M], 0 at the floor to 1 at the top, NaN where a tracer had left the
      wax.
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
        lost = wax[index + 1][tuple(cells.T)] < _LEAST_WAX
        heights[index] = np.where(lost, np.nan, places[:, 1] / shape[1])
        if lost.any():
            places[lost] = place_tracers(wax[index + 1], np.count_nonzero(lost), rng)
    return places, heights


def ascent_times(heights: np.ndarray) -> np.ndarray:
    """Returns how long wax takes from the floor to the top, f64[A], in moments.

    An ascent begins when a tracer leaves the lowest quarter for the last time before it
    enters the highest quarter, and ends when it enters. Its time is doubled, from half
    the height to the whole height.

    Args:
      heights: f[N, M] of M tracers, 0 to 1, NaN where a tracer had left the wax.
    """
    left = np.full(heights.shape[1], np.nan)
    times = []
    for moment, height in enumerate(heights):
        left[np.isnan(height)] = np.nan
        left[height < _LOW] = moment
        arrived = (height > _HIGH) & ~np.isnan(left)
        # On average, `left` is half a moment early and `moment` half a moment late.
        times.append(2 * (moment - left[arrived] - 1))
        left[arrived] = np.nan
    return np.concatenate(times)


def _velocity(
    flow: Sequence[np.ndarray], moment: float, places: np.ndarray
) -> np.ndarray:
    """Returns the velocity f64[M, 3] at places, at a moment that may be fractional."""
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
