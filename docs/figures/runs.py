"""Rollouts of the shipped weights for the figures in docs/how_it_works.md."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np

from duralava import models, pretrained
from duralava.live import player
from duralava.pretrained import Pretrained
from duralava.rendering import frames
from duralava.rendering.lamps import Lamps, fresh_lamps

LONG_RUN_STEPS, LONG_RUN_STRIDE, LONG_RUN_LAMPS = 100_000, 100, 64
LIVE_FPS = 60

weights = functools.cache(pretrained.load)
_generate = jax.jit(models.generate, static_argnames="config")
_rollout = jax.jit(models.rollout, static_argnames=("num_steps", "config"))


class LiveRun(NamedTuple):
    """A lamp as the live view shows it, at 60 frames per second.

    Attributes:
      film: u8[N, H, W, 3].
      latents: f64[N, Z].
    """

    film: np.ndarray
    latents: np.ndarray


def steps_per_second() -> int:
    """Returns the number of model steps per second."""
    return round(weights().config.data.steps_per_second)


def start(seed: int, count: int = 1) -> Lamps:
    """Returns lamps whose latents are samples of N(0, I)."""
    return fresh_lamps(seed, config=weights().config.model, count=count)


def transitions() -> dict[str, Pretrained]:
    """Returns the shipped weights, and the same with an untrained mlp."""
    params, config = weights()
    model = dataclasses.replace(config.model, transition="mlp")
    mlp = models.init_transition(jax.random.key(0), config=model)
    return {
        "rotation": weights(),
        "untrained mlp": Pretrained(
            params | {"transition": mlp}, dataclasses.replace(config, model=model)
        ),
    }


def trajectory(
    lamps: Lamps, num_steps: int, by: Pretrained | None = None
) -> np.ndarray:
    """Returns the latents f32[num_steps, B, Z] of a rollout, starting with `lamps`.

    Args:
      lamps: initial latents, key and step.
      num_steps: number of latents to return.
      by: weights to use; the shipped weights if None.
    """
    params, config = by or weights()
    _, latents = _rollout(
        params["transition"],
        lamps.latents,
        lamps.key,
        lamps.step,
        num_steps=num_steps,
        config=config.model,
    )
    return np.asarray(latents)


@functools.cache
def long_run(
    name: str = pretrained.DEFAULT, refresh: float | None = None
) -> np.ndarray:
    """Returns every hundredth latent of 64 lamps up to step 100,000, f32[N, B, Z].

    Args:
      name: name of shipped weights.
      refresh: noise share that replaces that of the weights' config.
    """
    params, config = weights(name)
    model = config.model
    if refresh is not None:
        model = dataclasses.replace(model, refresh=refresh)
    latents, key, _ = start(0, count=LONG_RUN_LAMPS)
    recorded = [latents]
    for step in range(0, LONG_RUN_STEPS, LONG_RUN_STRIDE):
        latents, _ = _rollout(
            params["transition"],
            latents,
            key,
            step,
            num_steps=LONG_RUN_STRIDE,
            config=model,
        )
        recorded.append(latents)
    return np.stack(recorded)


def generate(latents: jax.Array | np.ndarray) -> np.ndarray:
    """Returns the frames u8[N, H, W, 3] of latents f32[N, Z]."""
    params, config = weights()
    frames_float = _generate(params["generator"], latents, config=config.model)
    return np.asarray(models.to_uint8(frames_float))


def angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the angles f[N], in radians, between latents f[N, Z]."""
    first, second = (
        z / np.linalg.norm(z, axis=-1, keepdims=True) for z in (first, second)
    )
    return 2 * np.arcsin(np.linalg.norm(first - second, axis=-1) / 2)


def run_live(seed: int, seconds: int, touched_at: float, x: float, y: float) -> LiveRun:
    """Runs a lamp as the live view does, with one touch at (x, y) of the frame."""
    params, config = weights()
    model, steps = config.model, config.data.steps_per_second / LIVE_FPS
    lamp = player.begin(params, start(seed), config=model)
    film, latents = [], []
    for tick in range(seconds * LIVE_FPS + 1):
        film.append(player.draw(params, lamp, config=model))
        share = np.full(1, lamp.share, np.float32)
        latents.append(frames.interpolate(lamp.before, lamp.after, share)[0])
        if 0 <= tick / LIVE_FPS - touched_at < player.PUSH_SECONDS:
            lamp = player.push(params, lamp, x, y, 1 / LIVE_FPS, config=model)
        lamp = player.advance(params, lamp, steps, config=model)
    return LiveRun(np.stack(film), np.array(latents, np.float64))
