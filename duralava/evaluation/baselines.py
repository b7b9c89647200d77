"""What a learned lamp has to beat: two classic models of moving texture.

Both take film as continuous segments u8[N, H, W, 3] at the rate of a model's steps.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.special

# Largest singular value of a linear texture's transition: it forgets within some ten
# thousand steps, and is surely stable.
_LARGEST_GAIN = 1 - 1e-4
# Directions beyond the rank, and repetitions, of the randomised principal components.
_OVERSAMPLING = 16
_REPETITIONS = 3
# Of film's pixels, in which a video texture compares frames.
_COMPARED = 64
# The 4-tap binomial kernel of a video texture and the frames that it takes.
_TAPS = np.array([1, 3, 3, 1]) / 8
_OFFSETS = np.arange(-2, 2)
# Jumps kept of each frame, and what a cost counts a step later.
_JUMPS = 16
_DISCOUNT = 0.995
# Rows of the matrix of distances computed at once.
_ROWS = 256


@dataclasses.dataclass(frozen=True)
class LinearTexture:
    """The linear system of Doretto et al. (2003), in whitened coordinates z.

      z' = transition z + noise v,  v ~ N(0, I);  frame = mean + sum_k z_k patterns_k

    Attributes:
      mean: frame f32[H, W, 3].
      patterns: principal components, each times the standard deviation of the film
        along it, f32[R, H, W, 3].
      transition: f64[R, R], largest singular value below 1.
      noise: symmetric f64[R, R]; its square is I less transition times its transpose.
    """

    mean: np.ndarray
    patterns: np.ndarray
    transition: np.ndarray
    noise: np.ndarray


def fit_linear_texture(segments: Sequence[np.ndarray], rank: int = 64) -> LinearTexture:
    """Fits a stable linear system to film (Doretto, Chiuso, Wu & Soatto 2003).

    In coordinates in which the film has the covariance I, the transition is that of
    least squares, its singular values cut off just below 1: of all matrices that shrink
    every vector, the nearest. So it is stable, which is all that Siddiqi, Boots &
    Gordon (2007) want by their constraints, and there is a noise that keeps the
    stationary covariance I: the film neither fades nor grows. What lies outside the
    principal components is left out, as is the noise of single pixels.

    Args:
      segments: continuous pieces of film, u8[N, H, W, 3] each.
      rank: number of principal components; fewer where the film has no more.

    Raises:
      ValueError: there is no segment of two frames, or segments differ in size.
    """
    frames, starts = _join(segments)
    mean, components, coordinates = _principal_components(frames, rank)
    scale = coordinates.std(axis=0)
    whitened = coordinates / scale
    last = np.zeros(len(frames), bool)
    last[starts[1:] - 1] = True
    before, after = whitened[~last], whitened[np.roll(~last, 1)]
    if not len(before):
        raise ValueError("film needs a segment of at least two frames")
    transition = np.linalg.lstsq(before, after, rcond=None)[0].T
    left, gains, right = np.linalg.svd(transition)
    gains = np.minimum(gains, _LARGEST_GAIN)
    shape = frames.shape[1:]
    return LinearTexture(
        mean=mean.reshape(shape),
        patterns=(scale[:, None] * components).astype(np.float32).reshape(-1, *shape),
        transition=left * gains @ right,
        noise=left * np.sqrt(1 - gains**2) @ left.T,
    )


def sample_linear_texture(
    texture: LinearTexture,
    num_clips: int,
    clip_length: int,
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns clips u8[clip_length, num_clips, H, W, 3].

    Each starts from a draw of its own from the stationary distribution, N(0, I).
    """
    rank, *shape = texture.patterns.shape
    patterns = texture.patterns.reshape(rank, texture.mean.size)
    clips = np.empty((clip_length, num_clips, *shape), np.uint8)
    state = rng.standard_normal((num_clips, rank))
    for frames in clips:
        pixels = texture.mean.ravel() + state.astype(np.float32) @ patterns
        frames[:] = np.clip(np.round(pixels), 0, 255).reshape(frames.shape)
        noise = rng.standard_normal(state.shape) @ texture.noise
        state = state @ texture.transition.T + noise
    return clips


@dataclasses.dataclass(frozen=True)
class VideoTexture:
    """Film that is played with jumps (Schoedl, Szeliski, Salesin & Essa 2000).

    Attributes:
      frames: the film, u8[N, H, W, 3].
      playable: which of the frames may be played, i64[P].
      successors: what may follow each of them, as indices into `playable`, i64[P, J].
        Column 0 is the next frame of the film.
      probabilities: of the successors, f64[P, J]; rows sum to 1.
    """

    frames: np.ndarray
    playable: np.ndarray
    successors: np.ndarray
    probabilities: np.ndarray


def fit_video_texture(
    segments: Sequence[np.ndarray], *, sigma: float = 0.02
) -> VideoTexture:
    """Finds where film may jump without being seen to (Schoedl et al. 2000).

    Distances of frames are taken in 64 principal components and filtered along time by
    the 4-tap binomial kernel (as the root of the weighted mean square), so that motion
    is compared as well. Only some jumps from frame i are kept: to those frames j whose
    distance from frame i + 1 is a local minimum along the segment of j (section 3.3;
    jumps to the frames right beside would be a stutter), and of these the 16 nearest.
    So memory grows with the number of frames, not with its square. From the last
    playable frame of a segment a jump to the start of each segment is allowed too.
    With the distance D of i + 1 from j, the cost of j after i is

      C(i, j) = D^2 + discount min_k C(j, k)

    by value iteration (the paper's equation for the anticipated future cost), and the
    probability of j after i is proportional to exp(-C(i, j) / scale). Frames that lack
    neighbours to be compared with are not played: a film's end costs what the jump
    away from it costs.

    Args:
      segments: continuous pieces of film, u8[N, H, W, 3] each.
      sigma: `scale` as a share of the mean D^2 of any two frames. The larger, the more
        and the rougher jumps; simulated lamps jump once in about a hundred steps of
        0.4 s at 0.02.

    Raises:
      ValueError: no segment has 6 frames, or segments differ in size.
    """
    frames, starts = _join(segments)
    _, _, coordinates = _principal_components(frames, _COMPARED)
    first, last = starts[:-1] - _OFFSETS[0], starts[1:] - _OFFSETS[-1]
    long = last - first >= 3
    if not long.any():
        raise ValueError("a video texture needs a segment of at least 6 frames")
    # The film cut down to the frames that have all taps, in segments [first, last).
    spans = [np.arange(*span) for span in zip(first[long], last[long], strict=True)]
    compared = np.concatenate(spans)
    windows = coordinates[compared[:, None] + _OFFSETS] * np.sqrt(_TAPS)[:, None]
    ends = np.cumsum([len(span) for span in spans])
    targets, costs = _nearest_jumps(windows.reshape(len(compared), -1), ends)

    is_last = np.zeros(len(compared), bool)
    is_last[ends - 1] = True
    playable = np.flatnonzero(~is_last)
    following = playable + 1
    successors = np.column_stack([following, targets[following]])
    costs = np.column_stack([np.zeros(len(playable)), costs[following]])
    costs[is_last[following], 0] = np.inf
    successors = np.where(np.isfinite(costs), successors, 0)
    successors = (np.cumsum(~is_last) - 1)[successors]

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

    They are cut, one after the other, from one long playback that begins anywhere.
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


def _join(segments: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns all frames u8[N, H, W, 3], and where segments start and the last ends."""
    if not segments or len({segment.shape[1:] for segment in segments}) > 1:
        raise ValueError("film needs segments of frames of one size")
    starts = np.cumsum([0, *map(len, segments)])
    return np.concatenate(segments), starts


def _principal_components(
    frames: np.ndarray, rank: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the mean f32[D], components f32[R, D] and coordinates f64[N, R].

    By subspace iteration from random directions (Halko, Martinsson & Tropp 2011,
    algorithm 4.4), which reads the film a few times. R is `rank`, or less where the
    film does not vary in so many directions.
    """
    pixels = frames.reshape(len(frames), -1).astype(np.float32)
    mean = pixels.mean(axis=0, dtype=np.float64).astype(np.float32)
    pixels -= mean
    size = min(rank + _OVERSAMPLING, *pixels.shape)
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((pixels.shape[1], size), np.float32)
    for _ in range(_REPETITIONS):
        basis = np.linalg.qr(pixels @ basis)[0]
        basis = np.linalg.qr(pixels.T @ basis)[0]
    _, lengths, turn = np.linalg.svd(pixels @ basis, full_matrices=False)
    components = turn[:rank][lengths[:rank] > 1e-5 * lengths[0]] @ basis.T
    return mean, components, (pixels @ components.T).astype(np.float64)


def _nearest_jumps(
    windows: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the frames nearest to each frame that are local minima of the distance.

    The last frame of a segment is no target: nothing follows it.

    Args:
      windows: f64[N, F], whose squared differences are compared.
      ends: of the segments; the first starts at 0.

    Returns:
      Indices i64[N, J] and squared distances f64[N, J], infinite where there is none.
      For the last frame of a segment they include the starts of all segments.
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


def _anticipate(costs: np.ndarray, successors: np.ndarray) -> np.ndarray:
    """Returns the least discounted cost from each state on, f64[P].

    The fixed point of v_i = min_j (costs_ij + discount v_j), by value iteration.
    """
    values = np.zeros(len(costs))
    while True:
        previous = values
        values = np.min(costs + _DISCOUNT * previous[successors], axis=1)
        if np.abs(values - previous).max() <= 1e-6 * values.max():
            return values
