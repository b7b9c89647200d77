"""Frames of lamps that run for ever."""

import fractions
import functools
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from duralava import models
from duralava.config import Config, ModelConfig

CHUNK_SIZE = 60  # frames of a lamp that are computed at a time
_DRAWN_AT_ONCE = 20  # of them: activations stay in a processor's cache


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
) -> Iterator[np.ndarray]:
    """Films lamps for ever, in memory that does not grow.

    Frame n shows the moment `n * steps_per_frame` of the rollout; between two steps
    the latent is interpolated. The next chunk is computed while this one is used.

    Args:
      params: `{generator, transition}`.
      latents: f32[B, Z] at step 0.
      key: of the transition's noise.
      chunk_size: number N of frames of a chunk.
      config: shape of the networks.
      steps_per_frame: model steps from one frame to the next, above 0.

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
            start,
            np.asarray(offsets, np.float32),
            num_steps=num_steps,
            config=config,
        )

    frames, latents = chunk(0, latents)
    index = 0
    while True:
        index += 1
        following, latents = chunk(index, latents)
        yield np.asarray(frames)
        frames = following


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
    before = jnp.floor(offsets).astype(jnp.int32)
    share = jnp.broadcast_to(
        (offsets - before)[:-1, None], (len(offsets) - 1, latents.shape[0])
    )
    shown = interpolate(trajectory[before[:-1]], trajectory[before[:-1] + 1], share)
    frames = jax.lax.map(
        lambda z: models.to_uint8(
            models.generate(params["generator"], z, config=config)
        ),
        shown,
        batch_size=_DRAWN_AT_ONCE,
    )
    return frames, trajectory[before[-1]]


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
    latent_key, noise_key = jax.random.split(jax.random.key(seed))
    pace = fractions.Fraction(config.data.steps_per_second) / fractions.Fraction(fps)
    chunks = frame_chunks(
        params,
        jax.random.normal(latent_key, (1, config.model.latent_size)),
        noise_key,
        chunk_size=chunk_size,
        config=config.model,
        steps_per_frame=pace.limit_denominator(10_000),
    )
    for chunk in chunks:
        yield from chunk[:, 0]
