"""The codes that an encoder gives to a film, and how they look."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from duralava import models
from duralava.datasets import clips
from duralava.lamp import Lamp

_GRID = 16  # height and width of the small frames, pixels
_SAMPLES = 96  # codes at which Jacobians are computed
_STEP = 0.1  # of their differences
_ENCODED = 512  # frames, at a time
_MOST_ENCODED = 50_000  # frames of a film, if each start of a step can be left out
_CODES, _CLIPS = 512, 48  # in a batch
_ROLLOUT = 20  # steps, or fewer of a short film


class Batch(NamedTuple):
    """Codes f32[N, Z] of any frames, and of clips f32[T, B, Z]."""

    codes: jax.Array
    clips: jax.Array


def encode_film(
    lamp: Lamp, film: clips.Film, *, mirrored: bool, least: int = 1
) -> np.ndarray:
    """Returns the mean codes of segments f32[S, T, Z], a model step apart.

    Args:
      lamp: whose encoder is used.
      film: of the size of the lamp's training frames. Each segment is encoded once for
        each of the frames that a step can start at, or for some of them if it is long.
      mirrored: whether the same segments follow mirrored.
      least: smallest T.

    Raises:
      ValueError: the segments are too short.
    """
    stride = max(1, round(film.fps / lamp.steps_per_second))
    num_steps = min(len(segment) for segment in film.segments()) // stride
    if num_steps < least:
        raise ValueError(f"segments have {num_steps} steps; {least} are needed")

    kept = max(1, min(stride, _MOST_ENCODED // (num_steps * len(film.segments()))))
    starts = np.linspace(0, stride, kept, endpoint=False).astype(int)

    def encode(frames: np.ndarray) -> np.ndarray:
        groups = range(0, len(frames), _ENCODED)
        return np.concatenate([lamp.encode(frames[g : g + _ENCODED]) for g in groups])

    return np.stack(
        [
            encode(segment[start::stride][:num_steps, :, ::side])
            for side in ((1, -1) if mirrored else (1,))
            for segment in film.segments()
            for start in starts
        ]
    )


def picture_metric(lamp: Lamp, codes: np.ndarray) -> jax.Array:
    """Returns f32[Z, Z]: differences of codes times it have lengths in grey levels.

    Lengths are root mean squares over the values of small frames, to first order: the
    result times its transpose is the mean of J^T J, with J the Jacobian of the
    generator.

    Args:
      lamp: whose generator draws the frames.
      codes: f32[..., Z] of film.
    """
    flat = codes.reshape(-1, codes.shape[-1])
    chosen = flat[:: -(-len(flat) // _SAMPLES)]

    def small_frames(codes: jax.Array) -> jax.Array:
        frames = models.generate(lamp.params["generator"], codes, config=lamp.config)
        return 127.5 * models.shrink(frames, _GRID).reshape(len(codes), -1)

    def column(direction: jax.Array) -> jax.Array:
        # The generator's convolutions have no forward-mode derivative.
        ahead, behind = (
            small_frames(chosen + step * direction) for step in (_STEP, -_STEP)
        )
        return (ahead - behind) / (2 * _STEP)

    jacobians = jax.jit(functools.partial(jax.lax.map, column))(jnp.eye(flat.shape[-1]))
    square = jnp.einsum("inp,jnp->ij", jacobians, jacobians)
    values, vectors = np.linalg.eigh(square / jacobians[0].size)
    return jnp.asarray(vectors * np.sqrt(np.maximum(values, 0)), jnp.float32)


def batches(codes: np.ndarray, *, seed: int, scale: int = 1) -> Iterator[Batch]:
    """Yields random codes and clips of segments f32[S, T, Z], without end.

    Args:
      codes: of `encode_film`.
      seed: of the choice.
      scale: how many times as large as usual batches are.
    """
    rng = np.random.default_rng(seed)
    flat = codes.reshape(-1, codes.shape[-1])
    num_segments, num_frames, _ = codes.shape
    rollout = min(_ROLLOUT, num_frames - 1)
    while True:
        segments = rng.integers(0, num_segments, scale * _CLIPS)
        starts = rng.integers(0, num_frames - rollout, scale * _CLIPS)
        moments = starts + np.arange(rollout + 1)[:, None]
        yield Batch(
            flat[rng.integers(0, len(flat), scale * _CODES)], codes[segments, moments]
        )
