"""A baseline of a learned lamp: a linear model of a dynamic texture."""

import dataclasses

import numpy as np

from duralava.evaluation.principal_components import principal_components
from duralava.evaluation.samples import Segments, join_segments

# Largest singular value of a linear texture's transition. Below 1 it is stable; at this
# value its memory is about ten thousand steps.
_LARGEST_GAIN = 1 - 1e-4


@dataclasses.dataclass(frozen=True)
class LinearTexture:
    """The linear system of Doretto et al. (2003) in whitened coordinates z.

      z' = transition z + noise v,  v ~ N(0, I);  frame = mean + sum_k z_k patterns_k

    Attributes:
      mean: frame f32[H, W, 3].
      patterns: principal components, each multiplied by the standard deviation of the
        film along it, f32[R, H, W, 3].
      transition: f64[R, R], largest singular value below 1.
      noise: symmetric f64[R, R]; its square is I - transition transition^T.
    """

    mean: np.ndarray
    patterns: np.ndarray
    transition: np.ndarray
    noise: np.ndarray


def fit_linear_texture(segments: Segments, rank: int = 64) -> LinearTexture:
    """Fits a stable linear system to film (Doretto, Chiuso, Wu & Soatto 2003).

    In coordinates in which the film has the covariance I, the transition is the least
    squares solution with singular values clipped just below 1: the nearest matrix that
    shrinks every vector. Hence it is stable (which Siddiqi, Boots & Gordon 2007 obtain
    by constraints), and there is a noise for which the stationary covariance is I: the
    contrast of the film does not change over time. Variation outside the principal
    components is left out, as is the noise of single pixels.

    Args:
      segments: the film, one frame per model step.
      rank: number of principal components; fewer if the film has no more.

    Raises:
      ValueError: there is no segment of two frames, or segments differ in size.
    """
    frames, starts = join_segments(segments)
    mean, components, coordinates = principal_components(frames, rank)
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

    Each clip starts from an independent draw of the stationary distribution, N(0, I).
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
