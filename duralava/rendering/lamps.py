"""Lamps to film: where they start, and how they run on unseen."""

import os
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from duralava import models
from duralava.config import ModelConfig
from duralava.datasets import video
from duralava.pretrained import Pretrained

_BLOCK = 1_000  # steps of one call

_encode = jax.jit(models.encode, static_argnames="config")
_rollout = jax.jit(models.rollout, static_argnames=("num_steps", "config"))


class Lamps(NamedTuple):
    """Lamps at one moment of their run.

    Attributes:
      latents: f32[B, Z].
      key: of the transition's noise.
      step: number of steps made; the noise of the next is drawn from
        `fold_in(key, step)`.
    """

    latents: jax.Array
    key: jax.Array
    step: int


def fresh_lamps(seed: int, *, config: ModelConfig, count: int = 1) -> Lamps:
    """Returns lamps that begin at N(0, I); another seed gives others."""
    latent_key, noise_key = jax.random.split(jax.random.key(seed))
    latents = jax.random.normal(latent_key, (count, config.latent_size))
    return Lamps(latents, noise_key, 0)


def lamp_of_film(
    source: str | os.PathLike[str], pretrained: Pretrained, *, seed: int
) -> Lamps:
    """Returns a lamp that goes on from a picture, or from the last one of a video.

    Args:
      source: picture, video or folder of images; its centred square is taken.
      pretrained: weights with an encoder, which finds the picture's latent.
      seed: of the noise from there on.

    Raises:
      ValueError: the weights have no encoder, or `source` is not a picture or video.
      OSError: there is no such file.
    """
    params, config = pretrained.params, pretrained.config.model
    if "encoder" not in params:
        raise ValueError(
            "these weights have no encoder, so that they cannot start from a picture"
        )
    frames = video.read_frames(source, resolution=config.resolution)
    (last,) = deque(frames, maxlen=1) or (None,)
    if last is None:
        raise ValueError(f"{source} has no frame")
    latents = _encode(params["encoder"], models.from_uint8(last[None]), config=config)
    return fresh_lamps(seed, config=config)._replace(latents=latents)


def run_on(
    params: Any,
    lamps: Lamps,
    num_steps: int,
    *,
    config: ModelConfig,
    advance: Callable[[int], Any] = lambda steps: None,
) -> Lamps:
    """Returns lamps `num_steps` later, of which nothing is drawn.

    Args:
      params: of `init_transition`.
      lamps: at their start.
      num_steps: to make.
      config: shape of the network.
      advance: called with the number of steps made since it was last called.
    """
    end = lamps.step + num_steps
    for start in range(lamps.step, end, _BLOCK):
        count = min(_BLOCK, end - start)
        latents, _ = _rollout(
            params, lamps.latents, lamps.key, start, num_steps=count, config=config
        )
        # Waited for, so that progress is what has been made.
        lamps = lamps._replace(
            latents=jax.block_until_ready(latents), step=start + count
        )
        advance(count)
    return lamps
