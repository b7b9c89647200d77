"""What the figures of docs/how_it_works.md show: runs of the shipped weights."""

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

FAR, RECORDED_EVERY, FAR_LAMPS = 100_000, 100, 64
LIVE_FPS = 60

weights = functools.cache(pretrained.load)
_generate = jax.jit(models.generate, static_argnames="config")
_rollout = jax.jit(models.rollout, static_argnames=("num_steps", "config"))


class Played(NamedTuple):
    """A lamp as the live view shows it, at 60 moments a second.

    Attributes:
      film: u8[N, H, W, 3].
      latents: f64[N, Z].
    """

    film: np.ndarray
    latents: np.ndarray


def pace() -> int:
    """Model steps in a second of a lamp."""
    return round(weights().config.data.steps_per_second)


def lamps(seed: int, count: int = 1) -> Lamps:
    """Returns lamps that begin at N(0, I)."""
    return fresh_lamps(seed, config=weights().config.model, count=count)


def kinds() -> dict[str, Pretrained]:
    """Returns the shipped weights, and a fresh mlp in the place of their rotation."""
    params, config = weights()
    model = dataclasses.replace(config.model, transition="mlp")
    mlp = models.init_transition(jax.random.key(0), config=model)
    return {
        "rotation": weights(),
        "untrained mlp": Pretrained(
            params | {"transition": mlp}, dataclasses.replace(config, model=model)
        ),
    }


def run(start: Lamps, num_steps: int, by: Pretrained | None = None) -> np.ndarray:
    """Returns the latents f32[num_steps, B, Z] of lamps, from their start on.

    Args:
      start: the lamps.
      num_steps: how many moments.
      by: other weights than those shipped.
    """
    params, config = by or weights()
    _, trajectory = _rollout(
        params["transition"],
        start.latents,
        start.key,
        start.step,
        num_steps=num_steps,
        config=config.model,
    )
    return np.asarray(trajectory)


@functools.cache
def far_run(name: str = pretrained.DEFAULT, refresh: float | None = None) -> np.ndarray:
    """Returns every hundredth latent of 64 lamps up to step 100,000, f32[N, B, Z].

    Args:
      name: of shipped weights.
      refresh: another share of noise than theirs.
    """
    params, config = weights(name)
    model = config.model
    if refresh is not None:
        model = dataclasses.replace(model, refresh=refresh)
    latents, key, _ = lamps(0, count=FAR_LAMPS)
    recorded = [latents]
    for step in range(0, FAR, RECORDED_EVERY):
        latents, _ = _rollout(
            params["transition"],
            latents,
            key,
            step,
            num_steps=RECORDED_EVERY,
            config=model,
        )
        recorded.append(latents)
    return np.stack(recorded)


def draw(latents: jax.Array | np.ndarray) -> np.ndarray:
    """f32[N, Z] -> u8[N, H, W, 3]."""
    params, config = weights()
    drawn = _generate(params["generator"], latents, config=config.model)
    return np.asarray(models.to_uint8(drawn))


def angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angles f[N], in radians, between latents f[N, Z]."""
    first, second = (
        z / np.linalg.norm(z, axis=-1, keepdims=True) for z in (first, second)
    )
    return 2 * np.arcsin(np.linalg.norm(first - second, axis=-1) / 2)


def play(seed: int, seconds: int, touched_at: float, x: float, y: float) -> Played:
    """Plays a lamp, and touches it once at (x, y) in the picture."""
    params, config = weights()
    model, steps = config.model, config.data.steps_per_second / LIVE_FPS
    lamp = player.begin(params, lamps(seed), config=model)
    film, latents = [], []
    for tick in range(seconds * LIVE_FPS + 1):
        film.append(player.draw(params, lamp, config=model))
        share = np.full(1, lamp.share, np.float32)
        latents.append(frames.interpolate(lamp.before, lamp.after, share)[0])
        if 0 <= tick / LIVE_FPS - touched_at < player.PUSH_SECONDS:
            lamp = player.push(params, lamp, x, y, 1 / LIVE_FPS, config=model)
        lamp = player.advance(params, lamp, steps, config=model)
    return Played(np.stack(film), np.array(latents, np.float64))
