"""Films whose last frame leads into the first: closed paths of latents."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from duralava.lamp import Lamp, RolloutState, interpolate, latents_at
from duralava.tracing import kept_jit


@functools.partial(kept_jit, static_argnames=("num_steps", "overlap"))
def closed_path(
    lamp: Lamp, state: RolloutState, *, num_steps: int, overlap: int
) -> jax.Array:
    """Runs lamps on and leads them back to where they were.

    Over the last `overlap` steps, each latent turns along the great circle towards its
    value `num_steps` before. The turn starts and ends smoothly: on the closed path,
    neither position nor speed jumps.

    Args:
      lamp: its weights.
      state: of B lamps, at the start of the path.
      num_steps: length N of the path.
      overlap: steps of the way back, from 1 to N.

    Returns:
      f32[N, B, Z]; after the last entry comes the first.
    """
    _, trajectory = lamp.rollout(
        state.latents, state.key, state.step, num_steps=num_steps + overlap
    )
    x = jnp.arange(overlap) / overlap
    # Speed and acceleration are zero at both ends (Perlin 2002).
    share = x**3 * (10 - 15 * x + 6 * x**2)
    back = interpolate(
        trajectory[num_steps:],
        trajectory[:overlap],
        jnp.broadcast_to(share[:, None], (overlap, len(state.latents))),
    )
    return jnp.concatenate([trajectory[overlap:num_steps], back])


def loop_chunks(
    lamp: Lamp,
    path: jax.Array,
    num_frames: int,
    *,
    chunk_size: int,
    size: int | None = None,
) -> Iterator[np.ndarray]:
    """Yields the frames of a closed path of latents, once around.

    Args:
      lamp: its weights.
      path: f32[N, B, Z], the latents at N moments that follow each other in a circle.
      num_frames: of one round, evenly spaced.
      chunk_size: number of frames computed at a time.
      size: height and width of a frame in pixels; None for those of the training
        frames.

    Yields:
      Frames u8[chunk_size, B, H, W, 3]; the last chunk may have fewer.
    """
    length = len(path)
    for first in range(0, num_frames, chunk_size):
        # Chunks have one size, so that one program generates all; the surplus is cut.
        moments = (first + np.arange(chunk_size)) * (length / num_frames)
        frames = _frames_at(lamp, path, moments % length, size=size)
        yield np.asarray(frames)[: num_frames - first]


@functools.partial(kept_jit, static_argnames=("size",))
def _frames_at(
    lamp: Lamp, path: jax.Array, moments: jax.Array, *, size: int | None
) -> jax.Array:
    closed = jnp.concatenate([path, path[:1]])
    return lamp.generate(latents_at(closed, moments), size=size)
