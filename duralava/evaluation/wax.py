"""The wax of a lamp in a film, detected by its colour alone.

The following is assumed of a film. Camera and lights do not move. Wax and liquid differ
in colour. Most places of the glass hold liquid most of the time, and each place holds
liquid at some moment. Places that hold wax (or liquid) throughout the film cannot be
distinguished from the surroundings and do not count as glass.
"""

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np

from duralava.evaluation.motion import block_motion
from duralava.signals.blobs import label_blobs
from duralava.signals.blobs import measure_blobs as measure_labels

# Number of frames that the colours are fitted to, evenly spread over the film.
_FITTED = 512
# Frames projected at once.
_CHUNK = 256


@dataclasses.dataclass(frozen=True)
class WaxColour:
    """How to distinguish wax from liquid in one film.

    Attributes:
      direction: unit vector of colour, from liquid to wax, f32[3].
      background: colour of the liquid at each pixel along `direction`, f32[H, W].
      liquid: mean colour of liquid along `direction`, minus the background.
      wax: mean colour of wax along `direction`, minus the background.
      glass: pixels that hold wax at some moments and liquid at others, bool[H, W].
    """

    direction: np.ndarray
    background: np.ndarray
    liquid: float
    wax: float
    glass: np.ndarray


class BlobSizes(NamedTuple):
    """Number, places and shapes of the blobs in the picture, ordered by time.

    Attributes:
      counts: number of blobs in each frame, i64[N].
      heights: of their centroids, 0 at the bottom of the glass to 1 at its top, f64[B].
      areas: as shares of the glass, f64[B].
      roundness: of `roundness`, f64[B].
    """

    counts: np.ndarray
    heights: np.ndarray
    areas: np.ndarray
    roundness: np.ndarray


def fit_wax_colour(frames: np.ndarray) -> WaxColour:
    """Finds the colours of wax and liquid in a film.

    Colours are projected on the direction of their largest variation over time: the
    first principal component of all pixels minus their means over time. The glass is
    where the range of the projection over time exceeds Otsu's threshold. The sign of
    the direction is such that pixels of the glass are most of the time closer to the
    liquid. The background is the 1 % quantile of each pixel over time, so that a light
    behind the liquid does not count as wax. Values minus the background, in the glass,
    are divided into liquid and wax by Otsu's threshold; `liquid` and `wax` are the
    means of both classes (Otsu 1979).

    Args:
      frames: u8[N, H, W, 3] of one camera. A few hundred of them, evenly spread, are
        used.

    Raises:
      ValueError: nothing changes in the film.
    """
    colours = frames[:: -(-len(frames) // _FITTED)].astype(np.float32)
    deviations = (colours - colours.mean(axis=0)).reshape(-1, 3)
    if not deviations.any():
        raise ValueError("nothing changes in the film: it shows no wax")
    direction = np.linalg.eigh(deviations.T @ deviations)[1][:, -1]
    projection = colours @ direction
    low, high = np.quantile(projection, [0.01, 0.99], axis=0).astype(np.float32)
    glass = high - low > otsu_threshold(high - low)
    middle = (low + high) / 2
    if ((projection - middle) / (high - low + 1e-6))[:, glass].mean() > 0:
        direction, projection, low = -direction, -projection, -high
    values = (projection - low)[:, glass]
    threshold = otsu_threshold(values)
    liquid = float(values[values <= threshold].mean())
    wax = float(values[values > threshold].mean())
    return WaxColour(direction, low, liquid, wax, glass)


def otsu_threshold(values: np.ndarray, num_bins: int = 256) -> float:
    """Returns the threshold that best divides values into two classes (Otsu 1979).

    It is the edge between two bins of a histogram that maximises the variance between
    the classes, and so minimises the variance within them.

    Args:
      values: of any shape, not all equal.
      num_bins: bins from the smallest to the largest value.
    """
    counts, edges = np.histogram(values, num_bins)
    centres = (edges[:-1] + edges[1:]) / 2
    below, sums = np.cumsum(counts)[:-1], np.cumsum(counts * centres)
    above = values.size - below
    between = (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    return float(edges[1:-1][np.argmax(below * above * between)])


def wax_map(frames: np.ndarray, colour: WaxColour) -> np.ndarray:
    """Returns the share of wax in each pixel, 0 to 1; 0 outside the glass.

    The colour is scaled linearly between the means of the two classes. A pixel on an
    edge therefore counts in part, and a blurred blob keeps its area. The value 1/2 is
    halfway between the means, at Otsu's threshold.

    Args:
      frames: u8[..., H, W, 3].
      colour: of the same camera and size.

    Returns:
      f32[..., H, W].

    Raises:
      ValueError: the frames differ in size from those that `colour` was fitted to.
    """
    if frames.shape[-3:-1] != colour.glass.shape:
        raise ValueError(
            f"frames of {frames.shape[-3:-1]} pixels, but the wax colour is of "
            f"{colour.glass.shape}"
        )
    flat = frames.reshape(-1, *frames.shape[-3:])
    shares = np.empty(flat.shape[:-1], np.float32)
    for start in range(0, len(flat), _CHUNK):
        part = flat[start : start + _CHUNK].astype(np.float32) @ colour.direction
        part -= colour.background + colour.liquid
        part /= colour.wax - colour.liquid
        shares[start : start + _CHUNK] = np.clip(part, 0, 1) * colour.glass
    return shares.reshape(frames.shape[:-1])


def wax_share(frames: np.ndarray, colour: WaxColour) -> np.ndarray:
    """Returns the share of the glass that is wax, f64[N], of frames u8[N, H, W, 3].

    Raises:
      ValueError: as `wax_map`.
    """
    wax = wax_map(frames, colour).sum(axis=(1, 2), dtype=np.float64)
    return wax / np.count_nonzero(colour.glass)


def measure_blobs(frames: np.ndarray, colour: WaxColour, min_area: float) -> BlobSizes:
    """Measures the blobs of each frame: connected pixels closer to wax than to liquid.

    Args:
      frames: u8[N, H, W, 3].
      colour: of the same camera and size.
      min_area: of the smallest blob, as a share of the glass; anything smaller is
        spray.

    Raises:
      ValueError: as `wax_map`.
    """
    area = np.count_nonzero(colour.glass)
    (rows,) = np.nonzero(colour.glass.any(axis=1))
    foot, top = rows[-1] + 1, rows[0]
    from_below = wax_map(frames, colour)[:, None, top:foot][:, :, ::-1]
    labels = label_blobs(from_below, int(np.ceil(min_area * area)))
    blobs = measure_labels(labels)
    heights = (blobs.row + 0.5) / (foot - top)
    return BlobSizes(
        blobs.counts(), heights, blobs.cells / area, roundness(labels[:, 0])
    )


def roundness(labels: np.ndarray) -> np.ndarray:
    """Returns how round each blob is: 1 for a disc, less for any other shape.

    It is the polar moment of area of a disc with the blob's area, over that of the blob
    about its centroid: A^2 / (2 pi J) (the shape index of Li, Goodchild & Church 2013).
    An ellipse of axes a and b has 2ab / (a^2 + b^2), two equal discs that touch 2/3. A
    pixel counts as a square of area 1.

    Args:
      labels: number of the blob of each pixel, i[N, H, W], 0 for none.

    Returns:
      f64[B], of blobs 1 to B, each of at least one pixel.
    """
    flat = labels.ravel()
    areas = np.bincount(flat)[1:]
    moments = areas / 6  # of the squares about their own centres
    for place in np.indices(labels.shape, np.int32)[1:]:
        place = place.ravel()
        total, squares = (np.bincount(flat, place**n)[1:] for n in (1, 2))
        moments += squares - total**2 / areas
    return areas**2 / (2 * np.pi * moments)


def rise_speeds(
    frames: np.ndarray,
    colour: WaxColour,
    seconds: float,
    *,
    block: int = 8,
    search: int = 4,
) -> np.ndarray:
    """Measures how fast wax rises, wherever the motion of its edge is reliable.

    Frames are matched in blocks. A block counts if it contains both wax and liquid and
    its motion is reliable.

    Args:
      frames: clips of consecutive frames, u8[T, N, H, W, 3].
      colour: of the same camera and size.
      seconds: time from frame to frame, in which wax should move by less than `search`
        pixels.
      block: height and width of a block in pixels.
      search: largest displacement that is searched, in pixels.

    Returns:
      Speeds f64[M] of all blocks that count, in heights of the frame per second,
      positive upwards.

    Raises:
      ValueError: as `wax_map` and `block_motion`.
    """
    speeds = [np.empty(0)]
    for first, second in itertools.pairwise(frames):
        moved, reliable = block_motion(first, second, block=block, search=search)
        number, rows, columns = reliable.shape
        blocks = wax_map(first, colour).reshape(number, rows, block, columns, block)
        has_edge = np.ptp(blocks, axis=(2, 4)) > 0.5
        speeds.append(-np.asarray(moved, np.float64)[reliable & has_edge, 0])
    return np.concatenate(speeds) / (frames.shape[2] * seconds)
