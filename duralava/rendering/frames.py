"""Frames of lamps that run for ever."""

import fractions
import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from duralava import models
from duralava.config import Config, ModelConfig
from duralava.rendering.lamps import fresh_lamps

CHUNK_SIZE = 60  # frames of a lamp that are computed at a time


def interpolate(first: jax.Array, second: jax.Array, share: jax.Array) -> jax.Array:
    """Turns latents along the great circle (Shoemake 1985), norms interpolated.

    A latent between two of N(0, I) is then as likely a sample as both, which a mean of
    the two is not: it would be too short.

    Args:
      first: f32[..., Z].
      second: f32[..., Z].
      share: f32[...] in [0, 1], 0 for `first`.

    Returns:
      f32[..., Z].
    """
    share = share[..., None]
    norms = [jnp.linalg.norm(z, axis=-1, keepdims=True) for z in (first, second)]
    start, end = first / norms[0], second / norms[1]
    # From chord and sum: precise for the small angles between two steps.
    angle = 2 * jnp.arctan2(
        jnp.linalg.norm(end - start, axis=-1, keepdims=True),
        jnp.linalg.norm(end + start, axis=-1, keepdims=True),
    )
    # sin(w x) / sin(x) is w as x goes to zero, where it cannot be computed.
    small = angle < 1e-4
    sine = jnp.sin(jnp.where(small, 1.0, angle))
    weights = [
        jnp.where(small, w, jnp.sin(w * angle) / sine) for w in (1 - share, share)
    ]
    direction = weights[0] * start + weights[1] * end
    return direction * ((1 - share) * norms[0] + share * norms[1])


def frame_chunks(
    params: Any,
    latents: jax.Array,
    key: jax.Array,
    *,
    chunk_size: int,
    config: ModelConfig,
    steps_per_frame: fractions.Fraction = fractions.Fraction(1),
    start_step: int = 0,
) -> Iterator[np.ndarray]:
    """Films lamps for ever, in memory that does not grow.

    Frame n shows the moment `start_step + n * steps_per_frame` of the rollout; between
    two steps the latent is interpolated. The next chunk is computed while this one is
    used.

    Args:
      params: `{generator, transition}`.
      latents: f32[B, Z] at `start_step`.
      key: of the transition's noise.
      chunk_size: number N of frames of a chunk.
      config: shape of the networks.
      steps_per_frame: model steps from one frame to the next, above 0.
      start_step: number of steps already made.

    Yields:
      Frames u8[N, B, H, W, 3].
    """
    num_steps = math.ceil(chunk_size * steps_per_frame) + 1

    def chunk(index: int, latents: jax.Array) -> tuple[jax.Array, jax.Array]:
        first = index * chunk_size
        moments = [(first + n) * steps_per_frame for n in range(chunk_size + 1)]
        start = math.floor(moments[0])
        offsets = [float(moment - start) for moment in moments]
        return _film(
            params,
            latents,
            key,
            start_step + start,
            np.asarray(offsets, np.float32),
            num_steps=num_steps,
            config=config,
        )

    frames, latents = chunk(0, latents)
    for index in itertools.count(1):
        following, latents = chunk(index, latents)
        yield np.asarray(frames)
        frames = following


def loop_chunks(
    params: Any,
    path: jax.Array,
    num_frames: int,
    *,
    chunk_size: int,
    config: ModelConfig,
) -> Iterator[np.ndarray]:
    """Films a closed path of latents once around.

    Args:
      params: `{generator}`.
      path: f32[N, B, Z], the latents at N moments that follow each other in a circle.
      num_frames: of one round, evenly spread over it.
      chunk_size: number of frames computed at a time.
      config: shape of the generator.

    Yields:
      Frames u8[chunk_size, B, H, W, 3]; fewer at last.
    """
    length = len(path)
    for first in range(0, num_frames, chunk_size):
        # Always as many, so that one program draws all; what is beyond is left out.
        moments = (first + np.arange(chunk_size)) * (length / num_frames)
        frames = _film_path(params["generator"], path, moments % length, config=config)
        yield np.asarray(frames)[: num_frames - first]


@functools.partial(jax.jit, static_argnames=("num_steps", "overlap", "config"))
def closed_path(
    params: Any,
    latents: jax.Array,
    key: jax.Array,
    num_steps: int,
    *,
    overlap: int,
    config: ModelConfig,
    start_step: int = 0,
) -> jax.Array:
    """Runs lamps on and leads them back to where they were.

    Over the last `overlap` steps, each latent turns along the great circle towards
    where the lamp was `num_steps` before. It begins and ends to do so gently: on the
    closed path, neither position nor speed jumps.

    Args:
      params: of `init_transition`.
      latents: f32[B, Z] at `start_step`.
      key: of the transition's noise.
      num_steps: length N of the path.
      overlap: steps of the way back, from 1 to N.
      config: shape of the network.
      start_step: number of steps already made.

    Returns:
      f32[N, B, Z]; after the last comes the first.
    """
    _, trajectory = models.rollout(
        params,
        latents,
        key,
        start_step,
        num_steps=num_steps + overlap,
        config=config,
    )
    x = jnp.arange(overlap) / overlap
    # Speed and acceleration are zero at both ends (Perlin 2002).
    share = x**3 * (10 - 15 * x + 6 * x**2)
    back = interpolate(
        trajectory[num_steps:],
        trajectory[:overlap],
        jnp.broadcast_to(share[:, None], (overlap, len(latents))),
    )
    return jnp.concatenate([trajectory[overlap:num_steps], back])


def lamp_frames(
    params: Any, *, config: Config, seed: int, fps: float, chunk_size: int = CHUNK_SIZE
) -> Iterator[np.ndarray]:
    """Films one lamp for ever, in real time.

    Args:
      params: `{generator, transition}`.
      config: of the run that made them.
      seed: of the latent that the lamp starts in, and of its noise.
      fps: frames per second.
      chunk_size: frames computed at a time.

    Yields:
      Frames u8[H, W, 3].
    """
    lamps = fresh_lamps(seed, config=config.model)
    chunks = frame_chunks(
        params,
        lamps.latents,
        lamps.key,
        chunk_size=chunk_size,
        config=config.model,
        steps_per_frame=steps_per_frame(config, fps=fps),
    )
    for chunk in chunks:
        yield from chunk[:, 0]


def steps_per_frame(
    config: Config, *, fps: float, speed: float = 1.0
) -> fractions.Fraction:
    """Returns the model steps from one frame to the next.

    Args:
      config: of the run, which says how long a step is.
      fps: frames per second, above 0.
      speed: seconds of the lamp in a second of film, above 0.

    Raises:
      ValueError: a step would take 10,000 frames or more.
    """
    pace = fractions.Fraction(config.data.steps_per_second) * fractions.Fraction(speed)
    # A moment's number of steps stays exact for as long as a lamp runs.
    per_frame = (pace / fractions.Fraction(fps)).limit_denominator(10_000)
    if per_frame <= fractions.Fraction(1, 10_000):
        raise ValueError(f"a speed of {speed:g} at {fps:g} fps is too slow to be seen")
    return per_frame


@functools.partial(jax.jit, static_argnames=("num_steps", "config"))
def _film(
    params: Any,
    latents: jax.Array,
    key: jax.Array,
    start: jax.Array,
    offsets: jax.Array,
    *,
    num_steps: int,
    config: ModelConfig,
) -> tuple[jax.Array, jax.Array]:
    """Returns the frames at all offsets but the last, and the latents before that."""
    _, trajectory = models.rollout(
        params["transition"],
        latents,
        key,
        start,
        num_steps=num_steps + 1,
        config=config,
    )
    shown = _at(trajectory, offsets[:-1])
    last = jnp.floor(offsets[-1]).astype(jnp.int32)
    return models.draw(params["generator"], shown, config=config), trajectory[last]


@functools.partial(jax.jit, static_argnames="config")
def _film_path(
    generator: Any, path: jax.Array, moments: jax.Array, *, config: ModelConfig
) -> jax.Array:
    closed = jnp.concatenate([path, path[:1]])
    return models.draw(generator, _at(closed, moments), config=config)


def _at(trajectory: jax.Array, moments: jax.Array) -> jax.Array:
    """Returns the latents f32[N, B, Z] at N moments, in steps, of f32[T, B, Z]."""
    before = jnp.floor(moments).astype(jnp.int32)
    share = jnp.broadcast_to(
        (moments - before)[:, None], (len(moments), trajectory.shape[1])
    )
    return interpolate(trajectory[before], trajectory[before + 1], share)
