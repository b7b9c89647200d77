"""A lamp: networks that have been trained, as one value, and its endless frames."""

from __future__ import annotations

import dataclasses
import fractions
import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epy

from duralava import draws
from duralava.config import Config, ModelConfig
from duralava.tracing import kept_jit

with epy.lazy_imports():  # which programs that are kept do not need
    from duralava import models

CHUNK_SIZE = 60
"""Frames of a lamp that are computed at a time, if they are small."""

FILM_SIZE = 320
"""Height and width of a film's frames in pixels, where a generator draws any size."""

_CHUNK_PIXELS = 2**24


class RolloutState(NamedTuple):
    """Where a rollout of B lamps stands.

    Attributes:
      latents: f32[B, Z].
      key: of the transition's noise.
      step: number of steps made; the noise of the next step is drawn from
        `fold_in(key, step)`.
    """

    latents: jax.Array
    key: jax.Array
    step: int


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["params"],
    meta_fields=["config", "steps_per_second", "training"],
)
@dataclasses.dataclass(frozen=True)
class Lamp:
    """Parameters and what is needed to use them.

    A lamp is a pytree whose leaves are its parameters; all else is static under
    `jax.jit`. Functions take and return lamps as they do arrays.

    Attributes:
      params: `{generator, transition[, encoder]}`.
      config: shape of the networks.
      steps_per_second: model steps in a second.
      training: config of the run that trained it, for information only.
    """

    params: Any
    config: ModelConfig
    steps_per_second: float
    training: Config | None = None

    @property
    def has_encoder(self) -> bool:
        """Whether the lamp can encode frames."""
        return "encoder" in self.params

    def drawn_size(self, size: int | None, *, default: int) -> int:
        """Returns `size`; for None the default, or the generator's own and only size.

        Raises:
          ValueError: the generator does not draw `size`.
        """
        if size is None and self.config.any_size:
            size = default
        return self.config.picture_size(size)

    def start(self, seed: int, *, count: int = 1) -> RolloutState:
        """Returns `count` lamps that start at N(0, I); another seed gives others."""
        shape = (count, self.config.latent_size)
        return RolloutState(*_start(jax.random.key(seed), shape=shape), 0)

    def rollout(
        self,
        latents: jax.Array,
        key: jax.Array,
        start_step: int = 0,
        *,
        num_steps: int,
    ) -> tuple[jax.Array, jax.Array]:
        """Applies the transition `num_steps` times.

        Args:
          latents: f32[B, Z] at `start_step`.
          key: of the noise; that of step t is drawn from `fold_in(key, t)`.
          start_step: number of steps already made.
          num_steps: number of steps T to make.

        Returns:
          Latents f32[B, Z] after T steps, and the trajectory f32[T, B, Z] up to the
          step before; its first entry is the input.
        """
        return _rollout(self, latents, key, start_step, num_steps=num_steps)

    def generate(
        self,
        latents: jax.Array,
        *,
        size: int | None = None,
        window: models.Window | None = None,
    ) -> jax.Array:
        """Returns the frames of latents.

        Args:
          latents: f32[..., Z].
          size: height and width in pixels; None for those of the training frames.
          window: the part to draw, the same of all frames; None for whole frames.

        Returns:
          u8[..., size, size, 3].

        Raises:
          ValueError: the generator draws neither other sizes nor windows.
        """
        return _generate(self, latents, window, size=size)

    def encode(self, frames: jax.Array) -> jax.Array:
        """Returns the latents f32[..., Z] of frames u8[..., H, W, 3].

        Raises:
          ValueError: the lamp has no encoder.
        """
        self.check_encoder()
        return _encode(self, frames)

    def check_encoder(self) -> None:
        """Raises a ValueError if the lamp has no encoder."""
        if not self.has_encoder:
            raise ValueError(
                "these weights have no encoder, so they cannot start from a picture"
            )

    def film(
        self,
        *,
        seconds: float | None = None,
        fps: float = 30.0,
        seed: int = 0,
        size: int | None = None,
    ) -> Iterator[np.ndarray]:
        """Returns the frames of one lamp in real time, in memory that does not grow.

        Args:
          seconds: length; None for an endless film.
          fps: frames per second.
          seed: of the latent that the lamp starts from, and of its noise.
          size: height and width in pixels; None for 320, or for the generator's own
            if it draws no other.

        Returns:
          Frames u8[H, W, 3].

        Raises:
          ValueError: `seconds` or `fps` is not above 0 or not finite, or the
            generator does not draw this size.
        """
        size = self.drawn_size(size, default=FILM_SIZE)
        for name, value in (("seconds", seconds), ("fps", fps)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be above 0, not {value:g}")
        chunks = frame_chunks(
            self,
            self.start(seed),
            chunk_size=frames_at_once(size**2),
            steps_per_frame=steps_per_frame(self, fps=fps),
            size=size,
            num_frames=None if seconds is None else round(seconds * fps),
        )
        return (frame for chunk in chunks for frame in chunk[:, 0])


def frames_at_once(num_pixels: int) -> int:
    """Returns how many frames of so many pixels to compute at a time.

    The limit keeps memory small: 16 million pixels take 50 MB.
    """
    return max(1, min(CHUNK_SIZE, _CHUNK_PIXELS // num_pixels))


def frame_chunks(
    lamp: Lamp,
    state: RolloutState,
    *,
    chunk_size: int,
    steps_per_frame: fractions.Fraction = fractions.Fraction(1),
    size: int | None = None,
    num_frames: int | None = None,
) -> Iterator[np.ndarray]:
    """Yields the frames of B lamps, in memory that does not grow.

    Frame n shows step `state.step + n * steps_per_frame` of the rollout; between two
    steps the latent is interpolated. The next chunk is computed while the caller uses
    this one.

    Args:
      lamp: weights of all the lamps.
      state: where their rollout starts.
      chunk_size: number N of frames of a chunk.
      steps_per_frame: model steps from one frame to the next, above 0.
      size: height and width of a frame in pixels; None for those of the training
        frames.
      num_frames: of all chunks; None for an endless film.

    Yields:
      Frames u8[N, B, H, W, 3]; the last chunk may have fewer.
    """
    num_steps = math.ceil(chunk_size * steps_per_frame) + 1
    left = math.inf if num_frames is None else num_frames

    def chunk(index: int, latents: jax.Array) -> tuple[jax.Array, jax.Array]:
        first = index * chunk_size
        moments = [(first + n) * steps_per_frame for n in range(chunk_size + 1)]
        start = math.floor(moments[0])
        offsets = [float(moment - start) for moment in moments]
        return _frame_chunk(
            lamp,
            latents,
            state.key,
            state.step + start,
            np.asarray(offsets, np.float32),
            num_steps=num_steps,
            size=size,
        )

    frames, latents = chunk(0, state.latents)
    for index in itertools.count(1):
        if left <= chunk_size:
            # Chunks have one size, so that one program generates all.
            yield np.asarray(frames)[:left]
            return
        left -= chunk_size
        following, latents = chunk(index, latents)
        yield np.asarray(frames)
        frames = following


def steps_per_frame(
    lamp: Lamp, *, fps: float, speed: float = 1.0
) -> fractions.Fraction:
    """Returns the model steps from one frame to the next.

    Args:
      lamp: whose steps have a length in time.
      fps: frames per second, above 0.
      speed: seconds of the lamp in a second of film, above 0.

    Raises:
      ValueError: a step would take 10,000 frames or more.
    """
    pace = fractions.Fraction(lamp.steps_per_second) * fractions.Fraction(speed)
    # A rational number, so that the step of a frame stays exact for any running time.
    per_frame = (pace / fractions.Fraction(fps)).limit_denominator(10_000)
    if per_frame <= fractions.Fraction(1, 10_000):
        raise ValueError(f"a speed of {speed:g} at {fps:g} fps is too slow to be seen")
    return per_frame


def interpolate(first: jax.Array, second: jax.Array, share: jax.Array) -> jax.Array:
    """Rotates latents along the great circle (Shoemake 1985), norms interpolated.

    A latent between two samples of N(0, I) is then as likely a sample as both. Their
    mean is not: it is too short.

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
    # sin(w x) / sin(x) tends to w as x tends to zero, where it cannot be computed.
    small = angle < 1e-4
    sine = jnp.sin(jnp.where(small, 1.0, angle))
    weights = [
        jnp.where(small, w, jnp.sin(w * angle) / sine) for w in (1 - share, share)
    ]
    direction = weights[0] * start + weights[1] * end
    return direction * ((1 - share) * norms[0] + share * norms[1])


def latents_at(trajectory: jax.Array, moments: jax.Array) -> jax.Array:
    """Returns the latents of a trajectory at moments between its steps.

    Args:
      trajectory: f32[T, B, Z].
      moments: f32[N] in steps, from 0 to below T - 1.

    Returns:
      f32[N, B, Z].
    """
    before = jnp.floor(moments).astype(jnp.int32)
    share = jnp.broadcast_to(
        (moments - before)[:, None], (len(moments), trajectory.shape[1])
    )
    return interpolate(trajectory[before], trajectory[before + 1], share)


@functools.partial(kept_jit, static_argnames=("shape",))
def _start(key: jax.Array, *, shape: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    """Returns latents of N(0, I), and the key of the noise that follows."""
    latent_key, noise_key = jax.random.split(key)
    return draws.normal(latent_key, shape), noise_key


@functools.partial(kept_jit, static_argnames=("num_steps", "size"))
def _frame_chunk(
    lamp: Lamp,
    latents: jax.Array,
    key: jax.Array,
    start: jax.Array,
    offsets: jax.Array,
    *,
    num_steps: int,
    size: int | None,
) -> tuple[jax.Array, jax.Array]:
    """Returns the frames at all offsets but the last, and the latents before that."""
    _, trajectory = models.rollout(
        lamp.params["transition"],
        latents,
        key,
        start,
        num_steps=num_steps + 1,
        config=lamp.config,
    )
    shown = latents_at(trajectory, offsets[:-1])
    last = jnp.floor(offsets[-1]).astype(jnp.int32)
    return lamp.generate(shown, size=size), trajectory[last]


@functools.partial(kept_jit, static_argnames=("num_steps",))
def _rollout(
    lamp: Lamp,
    latents: jax.Array,
    key: jax.Array,
    start_step: jax.Array,
    *,
    num_steps: int,
) -> tuple[jax.Array, jax.Array]:
    return models.rollout(
        lamp.params["transition"],
        latents,
        key,
        start_step,
        num_steps=num_steps,
        config=lamp.config,
    )


@functools.partial(kept_jit, static_argnames=("size",))
def _generate(
    lamp: Lamp, latents: jax.Array, window: models.Window | None, *, size: int | None
) -> jax.Array:
    return models.generate_uint8(
        lamp.params["generator"], latents, size=size, window=window, config=lamp.config
    )


@kept_jit
def _encode(lamp: Lamp, frames: jax.Array) -> jax.Array:
    codes = models.encode(
        lamp.params["encoder"], models.from_uint8(frames), config=lamp.config
    )
    return models.latents_of(lamp.params["generator"], codes, config=lamp.config)[0]
