"""The wax of a lamp as it is seen in film, by colour alone.

What is assumed of a film: the camera and the lights stand still, wax and liquid differ
in colour, most places of the glass hold liquid most of the time, and each is seen to
hold liquid at some moment at least. Places that hold wax (or liquid) throughout the
film are not told from the surroundings and do not count as glass.
"""

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np

from duralava.evaluation.motion import block_motion
from duralava.signals import blobs

# Frames that a colour is fitted to, evenly spread over the film.
_FITTED = 512
# Frames projected at once.
_CHUNK = 256


@dataclasses.dataclass(frozen=True)
class WaxColour:
    """How wax and liquid are told apart in one film.

    Attributes:
      direction: of colour, from liquid to wax, of length 1, f32[3].
      background: colour of the liquid at each pixel along `direction`, f32[H, W].
      liquid: mean colour of liquid along `direction`, over the background.
      wax: mean colour of wax along `direction`, over the background.
      glass: pixels that hold wax at some moments and liquid at others, bool[H, W].
    """

    direction: np.ndarray
    background: np.ndarray
    liquid: float
    wax: float
    glass: np.ndarray


class Blobs(NamedTuple):
    """The blobs of a film, in order of time.

    Attributes:
      counts: number of blobs of each frame, i64[N].
      heights: of their centroids, 0 at the bottom of the glass to 1 at its top, f64[B].
      areas: shares of the glass, f64[B].
    """

    counts: np.ndarray
    heights: np.ndarray
    areas: np.ndarray


def fit_wax_colour(frames: np.ndarray) -> WaxColour:
    """Finds the colour of what moves in a film, against what rests.

    Colours are projected on the direction that they vary along most over time (the
    first principal component of all pixels less their means over time). The glass is
    where the range over time of that projection is large, by Otsu's threshold; the
    sign is such that pixels of the glass spend most of their time on the liquid's side.
    The background is the 1% quantile of a pixel over time: a light behind the liquid is
    no wax. What is over it in the glass is parted into liquid and wax by Otsu's
    threshold, and the means of both are kept (Otsu 1979).

    Args:
      frames: u8[N, H, W, 3] of one camera; some hundreds of them, evenly spread, are
        looked at.

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
    """Returns the threshold that parts values best into two classes (Otsu 1979).

    It is the edge between bins of a histogram that makes the variance between the
    classes largest, and so the variance within them smallest.

    Args:
      values: of any shape, not all equal.
      num_bins: bins from the least to the largest value.
    """
    counts, edges = np.histogram(values, num_bins)
    centres = (edges[:-1] + edges[1:]) / 2
    below, sums = np.cumsum(counts)[:-1], np.cumsum(counts * centres)
    above = values.size - below
    between = (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    return float(edges[1:-1][np.argmax(below * above * between)])


def wax_map(frames: np.ndarray, colour: WaxColour) -> np.ndarray:
    """Returns how far each pixel is from liquid, 0, to wax, 1; 0 outside the glass.

    The colour is scaled linearly between the means of the two classes, so that an edge
    that a pixel lies on counts in part, and a blurred blob keeps its area. 1/2 is where
    Otsu's threshold lies: halfway between the means.

    Args:
      frames: u8[..., H, W, 3].
      colour: of the same camera and size.

    Returns:
      f32[..., H, W].

    Raises:
      ValueError: the frames are of another size than those that the colour is of.
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


def find_blobs(frames: np.ndarray, colour: WaxColour, min_area: float) -> Blobs:
    """Finds the blobs of each frame: pixels nearer to wax than to liquid that touch.

    Args:
      frames: u8[N, H, W, 3].
      colour: of the same camera and size.
      min_area: of the smallest blob, as a share of the glass; less is spray.

    Raises:
      ValueError: as `wax_map`.
    """
    area = np.count_nonzero(colour.glass)
    (rows,) = np.nonzero(colour.glass.any(axis=1))
    foot, top = rows[-1] + 1, rows[0]
    from_below = wax_map(frames, colour)[:, None, top:foot][:, :, ::-1]
    found = blobs.find_blobs(from_below, int(np.ceil(min_area * area)))
    heights = (found.row + 0.5) / (foot - top)
    return Blobs(found.counts(), heights, found.cells / area)


def rise_speeds(
    frames: np.ndarray,
    colour: WaxColour,
    seconds: float,
    *,
    block: int = 8,
    search: int = 4,
) -> np.ndarray:
    """Measures how fast wax rises, wherever its edge is seen well enough to tell.

    Frames are matched in blocks. A block counts where it holds both wax and liquid and
    its motion is reliable.

    Args:
      frames: clips u8[T, N, H, W, 3] of frames that follow each other.
      colour: of the same camera and size.
      seconds: time from frame to frame; wax should move by less than `search` pixels.
      block: height and width of a block in pixels.
      search: largest displacement looked for, in pixels.

    Returns:
      Speeds f64[M] in heights of the frame a second, positive upwards, of all blocks
      that count.

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
