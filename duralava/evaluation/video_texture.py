"""A baseline of a learned lamp: its film, played with jumps that are hard to see."""

import dataclasses

import numpy as np
import scipy.special

from duralava.evaluation.principal_components import principal_components
from duralava.evaluation.samples import Segments, join_segments

# Number of principal components in which frames are compared.
_COMPARED = 64
# The 4-tap binomial kernel along time, and the offsets of its frames.
_TAPS = np.array([1, 3, 3, 1]) / 8
_OFFSETS = np.arange(-2, 2)
# Number of jumps kept for each frame, and the discount of a cost per step.
_JUMPS = 16
_DISCOUNT = 0.995
# Rows of the distance matrix that are computed together.
_ROWS = 256


@dataclasses.dataclass(frozen=True)
class VideoTexture:
    """Film that is played with random jumps (Schoedl, Szeliski, Salesin & Essa 2000).

    Attributes:
      frames: the film, u8[N, H, W, 3].
      playable: indices of the frames that may be played, i64[P].
      successors: frames that may follow each of them, as indices into `playable`,
        i64[P, J]. Column 0 is the next frame of the film.
      probabilities: of the successors, f64[P, J]; rows sum to 1.
    """

    frames: np.ndarray
    playable: np.ndarray
    successors: np.ndarray
    probabilities: np.ndarray


def fit_video_texture(segments: Segments, *, sigma: float = 0.02) -> VideoTexture:
    """Finds jumps in a film that are hard to see (Schoedl et al. 2000).

    Distances between frames are computed in 64 principal components and filtered along
    time by the 4-tap binomial kernel (as the root of the weighted mean square), so that
    motion is compared too. From frame i only jumps to those frames j are kept whose
    distance from frame i + 1 is a local minimum along the segment of j (section 3.3;
    jumps to their neighbours would stutter), and of these the 16 nearest. Memory hence
    grows with the number of frames, not with its square. From the last playable frame
    of a segment, jumps to the start of each segment are allowed too. With the distance
    D between i + 1 and j, the cost of j after i is

      C(i, j) = D^2 + discount min_k C(j, k)

    by value iteration (the paper's equation for the anticipated future cost), and the
    probability of j after i is proportional to exp(-C(i, j) / scale). Frames without
    all neighbours of the kernel are not played; the end of a film costs as much as the
    jump away from it.

    Args:
      segments: the film, one frame per model step.
      sigma: `scale` as a share of the mean D^2 of any two frames. Larger values give
        more and rougher jumps. At 0.02, simulated lamps jump about once in a hundred
        steps of 0.4 s.

    Raises:
      ValueError: no segment has 6 frames, or segments differ in size.
    """
    frames, starts = join_segments(segments)
    _, _, coordinates = principal_components(frames, _COMPARED)
    compared, ends = _compared_frames(starts)
    windows = coordinates[compared[:, None] + _OFFSETS] * np.sqrt(_TAPS)[:, None]
    targets, costs = _nearest_jumps(windows.reshape(len(compared), -1), ends)
    playable, successors, costs = _successors(targets, costs, ends)
    anticipated = _anticipate(costs, successors)
    scale = sigma * 2 * (windows**2).sum(axis=(1, 2)).mean()
    logits = -(costs + _DISCOUNT * anticipated[successors]) / max(scale, 1e-9)
    return VideoTexture(
        frames, compared[playable], successors, scipy.special.softmax(logits, axis=1)
    )


def sample_video_texture(
    texture: VideoTexture,
    num_clips: int,
    clip_length: int,
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns clips u8[clip_length, num_clips, H, W, 3].

    They are consecutive pieces of one long playback with a random first frame.
    """
    played = play(texture, num_clips * clip_length, rng=rng)
    return texture.frames[played.reshape(num_clips, clip_length).T]


def play(
    texture: VideoTexture, num_frames: int, *, rng: np.random.Generator
) -> np.ndarray:
    """Returns the indices of the frames of a playback, i64[num_frames]."""
    thresholds = np.cumsum(texture.probabilities, axis=1)
    thresholds[:, -1] = 1
    state = rng.integers(len(texture.playable))
    played = np.empty(num_frames, np.int64)
    for index, chance in enumerate(rng.random(num_frames)):
        played[index] = texture.playable[state]
        choice = np.searchsorted(thresholds[state], chance, side="right")
        state = texture.successors[state, choice]
    return played


def _compared_frames(starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the frames that have all taps, i64[N], and where their segments end.

    Args:
      starts: where the segments of the film start and the last one ends.
    """
    first, last = starts[:-1] - _OFFSETS[0], starts[1:] - _OFFSETS[-1]
    long = last - first >= 3
    if not long.any():
        raise ValueError("a video texture needs a segment of at least 6 frames")
    spans = [np.arange(*span) for span in zip(first[long], last[long], strict=True)]
    return np.concatenate(spans), np.cumsum([len(span) for span in spans])


def _nearest_jumps(
    windows: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the frames nearest to each frame that are local minima of the distance.

    The last frame of a segment is not a target, because no frame follows it.

    Args:
      windows: f64[N, F], whose squared differences are compared.
      ends: of the segments; the first segment starts at 0.

    Returns:
      Indices i64[N, J] and squared distances f64[N, J]; an infinite distance marks an
      unused entry. For the last frame of a segment they include the starts of all
      segments.
    """
    starts = np.concatenate([[0], ends[:-1]])
    norms = (windows**2).sum(axis=1)
    number = min(max(_JUMPS, len(starts)), len(windows))
    targets = np.empty((len(windows), number), np.int64)
    costs = np.empty((len(windows), number))
    for row in range(0, len(windows), _ROWS):
        rows = np.arange(row, min(row + _ROWS, len(windows)))
        products = windows[rows] @ windows.T
        squares = np.maximum(norms[rows, None] + norms - 2 * products, 0)
        squares[np.arange(len(rows)), rows] = 0
        left = np.insert(squares, 0, np.inf, axis=1)[:, :-1]
        right = np.append(squares, np.full((len(rows), 1), np.inf), axis=1)[:, 1:]
        left[:, starts], right[:, ends - 1] = np.inf, np.inf
        candidate = (squares <= left) & (squares <= right)
        candidate[np.arange(len(rows)), rows] = False
        candidate[:, ends - 1] = False
        candidate[np.ix_(np.isin(rows, ends - 1), starts)] = True
        squares[~candidate] = np.inf
        nearest = np.argpartition(squares, number - 1, axis=1)[:, :number]
        targets[rows] = nearest
        costs[rows] = np.take_along_axis(squares, nearest, axis=1)
    return targets, costs


def _successors(
    targets: np.ndarray, costs: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the playable frames, their successors and the costs of these.

    All but the last frames of the segments are playable. The successors of a frame are
    the next frame, at no cost, and the frames that are similar to the next frame.

    Args:
      targets: frames similar to each of N frames, i64[N, J].
      costs: squared distances to them, f64[N, J].
      ends: of the segments.

    Returns:
      Indices i64[P], successors i64[P, J + 1] as indices into these, and their costs
      f64[P, J + 1], infinite for an unused entry.
    """
    is_last = np.zeros(len(targets), bool)
    is_last[ends - 1] = True
    playable = np.flatnonzero(~is_last)
    following = playable + 1
    successors = np.column_stack([following, targets[following]])
    costs = np.column_stack([np.zeros(len(playable)), costs[following]])
    costs[is_last[following], 0] = np.inf
    successors = np.where(np.isfinite(costs), successors, 0)
    return playable, (np.cumsum(~is_last) - 1)[successors], costs


def _anticipate(costs: np.ndarray, successors: np.ndarray) -> np.ndarray:
    """Returns the least discounted future cost of each state, f64[P].

    The fixed point of v_i = min_j (costs_ij + discount v_j), by value iteration.
    """
    values = np.zeros(len(costs))
    while True:
        previous = values
        values = np.min(costs + _DISCOUNT * previous[successors], axis=1)
        if np.abs(values - previous).max() <= 1e-6 * values.max():
            return values
