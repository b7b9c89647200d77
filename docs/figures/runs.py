"""Rollouts of the shipped weights for the figures in docs/how_it_works.md."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np

from duralava import models, weights
from duralava.lamp import Lamp, RolloutState, interpolate
from duralava.live import player, touch

LONG_RUN_STEPS, LONG_RUN_STRIDE, LONG_RUN_LAMPS = 100_000, 100, 64
LIVE_FPS = 60

FRAME_SIZE = 144  # pixels


class LiveRun(NamedTuple):
    """A lamp as the live view shows it, at 60 frames per second.

    Attributes:
      film: u8[N, H, W, 3].
      latents: f64[N, Z].
    """

    film: np.ndarray
    latents: np.ndarray


@functools.cache
def shipped(name: str = weights.DEFAULT) -> Lamp:
    """Returns the shipped lamp of a name."""
    return weights.load(name)


def frames(latents: np.ndarray, lamp: Lamp | None = None) -> np.ndarray:
    """Returns the frames u8[N, H, W, 3] of latents f32[N, Z]."""
    return np.asarray((lamp or shipped()).generate(latents, size=FRAME_SIZE))


def steps_per_second() -> int:
    """Returns the number of model steps per second."""
    return round(shipped().steps_per_second)


def transitions() -> dict[str, Lamp]:
    """Returns the shipped lamp, and the same with an untrained mlp."""
    lamp = shipped()
    config = dataclasses.replace(lamp.config, transition="mlp")
    mlp = models.init_transition(jax.random.key(0), config=config)
    params = lamp.params | {"transition": mlp}
    untrained = dataclasses.replace(lamp, params=params, config=config)
    return {"rotation": lamp, "untrained mlp": untrained}


def trajectory(lamp: Lamp, state: RolloutState, num_steps: int) -> np.ndarray:
    """Returns the latents f32[num_steps, B, Z] of a rollout that starts at `state`."""
    return np.asarray(lamp.rollout(*state, num_steps=num_steps)[1])


@functools.cache
def long_run(name: str = weights.DEFAULT, refresh: float | None = None) -> np.ndarray:
    """Returns every hundredth latent of 64 lamps up to step 100,000, f32[N, B, Z].

    Args:
      name: name of shipped weights.
      refresh: noise share that replaces that of the weights' config.
    """
    lamp = shipped(name)
    if refresh is not None:
        config = dataclasses.replace(lamp.config, refresh=refresh)
        lamp = dataclasses.replace(lamp, config=config)
    latents, key, _ = lamp.start(0, count=LONG_RUN_LAMPS)
    recorded = [latents]
    for step in range(0, LONG_RUN_STEPS, LONG_RUN_STRIDE):
        latents, _ = lamp.rollout(latents, key, step, num_steps=LONG_RUN_STRIDE)
        recorded.append(latents)
    return np.stack(recorded)


def angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the angles f[N], in radians, between latents f[N, Z]."""
    first, second = (
        z / np.linalg.norm(z, axis=-1, keepdims=True) for z in (first, second)
    )
    return 2 * np.arcsin(np.linalg.norm(first - second, axis=-1) / 2)


def run_live(seed: int, seconds: int, touched_at: float, x: float, y: float) -> LiveRun:
    """Runs a lamp as the live view does, with one touch at (x, y) of the frame."""
    lamp = shipped()
    playing = player.begin(lamp, lamp.start(seed))
    gradients = np.asarray(touch.brightening(lamp))
    film, latents = [], []
    for tick in range(seconds * LIVE_FPS + 1):
        film.append(player.render_frame(lamp, playing, size=FRAME_SIZE))
        share = np.full(1, playing.share, np.float32)
        latents.append(interpolate(playing.before, playing.after, share)[0])
        if 0 <= tick / LIVE_FPS - touched_at < player.PUSH_SECONDS:
            playing = player.push(lamp, playing, gradients, x, y, 1 / LIVE_FPS)
        playing = player.advance(lamp, playing, lamp.steps_per_second / LIVE_FPS)
    return LiveRun(np.stack(film), np.array(latents, np.float64))
