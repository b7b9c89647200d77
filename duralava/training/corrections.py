"""Corrections of a trained transition: how fast it moves, where latents lie."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from duralava import models
from duralava.datasets import clips
from duralava.lamp import Lamp

_LAMPS, _ROUNDS = 512, 4
_PAIRS = 2_000  # of frames that are compared, and of unrelated ones:
_UNRELATED = 256
_MOST_CHANGE = 0.6  # at which motion is compared, as a share of unrelated frames'
_MOST_LONGEST = 0.01  # share of latents that the transition has had to shorten
_MOMENTS, _SPACING = 40, 100  # at which latents are taken to whiten them; steps


def match_motion(
    lamp: Lamp, film: clips.Film, *, seed: int, on_round: Callable[[str], Any]
) -> Lamp:
    """Returns a lamp with angles for which its frames change as much as a film.

    What a transition cannot foresee, it learns as less motion. All angles of a rotation
    are multiplied by one factor, so that frames change as much in a second, or in less
    time if the film is another one after a second.

    Args:
      lamp: with a transition of the kind `rotation`.
      film: that it has learned.
      seed: of the lamps that are measured.
      on_round: called with how far off the motion is, in words.
    """
    num_steps, target = _compared_motion(film, lamp.steps_per_second)
    state = lamp.start(seed, count=_LAMPS)
    for _ in range(_ROUNDS):
        _, latents = lamp.rollout(*state, num_steps=num_steps + 1)
        found = _mean_change(lamp.generate(latents[0]), lamp.generate(latents[-1]))
        on_round(
            f"frames change {found / target:.3f} times as much as those of the film"
        )
        lamp = _with_larger_angles(lamp, target / found)
    return lamp


def whiten_latents(lamp: Lamp, *, seed: int, on_round: Callable[[str], Any]) -> Lamp:
    """Returns a lamp whose latents have nearly mean 0 and covariance I in the long run.

    Args:
      lamp: with a transition of the kind `mlp`.
      seed: of the lamps that are measured.
      on_round: called with how far off the moments are, in words.

    Raises:
      FloatingPointError: latents diverge.
    """
    for _ in range(_ROUNDS):
        state = lamp.start(seed, count=_LAMPS)
        found = []
        for _ in range(_MOMENTS):
            latents, _ = lamp.rollout(*state, num_steps=_SPACING)
            state = state._replace(latents=latents, step=state.step + _SPACING)
            found.append(np.asarray(latents, np.float64))
        latents = np.concatenate(found[1:])
        longest = 0.99 * models.longest_latent(latents.shape[-1])
        shorter = np.linalg.norm(latents, axis=-1) < longest  # false for no number
        if 1 - shorter.mean() > _MOST_LONGEST:
            raise FloatingPointError(
                "latents diverge: the transition needs more steps to learn to keep "
                "them normal"
            )
        mean, covariance = latents.mean(axis=0), np.cov(latents, rowvar=False)
        on_round(
            f"latents have means up to {np.abs(mean).max():.3f} and deviations from "
            f"{latents.std(axis=0).min():.3f} to {latents.std(axis=0).max():.3f}"
        )
        lamp = in_other_latents(lamp, mean, np.linalg.cholesky(covariance))
    return lamp


def in_other_latents(lamp: Lamp, mean: np.ndarray, scale: np.ndarray) -> Lamp:
    """Returns the lamp z whose transition is that of the lamp `scale` z + `mean`.

    With T(x) = x + f(x), it is z + `scale`^-1 f(`scale` z + `mean`). This holds for all
    latents that neither of the two transitions shortens.

    Args:
      lamp: with a transition of the kind `mlp`.
      mean: f[Z].
      scale: f[Z, Z], invertible.
    """
    transition = dict(lamp.params["transition"])
    first, last = min(transition), max(transition)
    layer = transition[first]
    transition[first] = {
        "kernel": scale.T @ layer["kernel"],
        "bias": mean @ layer["kernel"] + layer["bias"],
    }
    inverse = np.linalg.inv(scale).T
    transition[last] = {name: leaf @ inverse for name, leaf in transition[last].items()}
    transition = jax.tree.map(jnp.float32, transition)
    return dataclasses.replace(lamp, params=lamp.params | {"transition": transition})


def _compared_motion(film: clips.Film, steps_per_second: float) -> tuple[int, float]:
    """Returns over how many steps motion is compared, and how much a film changes."""
    segments = film.segments()
    every = max(1, len(film.frames) // _PAIRS)
    shortest = min(len(segment) for segment in segments)

    def change(frames: int) -> float:
        pairs = [(some[:-frames:every], some[frames::every]) for some in segments]
        return float(np.mean([_mean_change(*pair) for pair in pairs]))

    def frames_of(num_steps: int) -> int:
        return max(1, round(num_steps * film.fps / steps_per_second))

    num_steps = max(1, round(steps_per_second))
    rng = np.random.default_rng(0)
    some, other = rng.integers(0, len(film.frames), (2, _UNRELATED))
    unrelated = _mean_change(film.frames[some], film.frames[other])
    while num_steps > 1 and (
        frames_of(num_steps) > shortest // 2
        or change(frames_of(num_steps)) > _MOST_CHANGE * unrelated
    ):
        num_steps //= 2
    return num_steps, change(frames_of(num_steps))


def _mean_change(before: np.ndarray, after: np.ndarray) -> float:
    """Returns the mean difference of frames u8[N, H, W, 3] in grey levels."""
    return float(np.abs(np.subtract(after, before, dtype=np.int16)).mean())


def _with_larger_angles(lamp: Lamp, scale: float) -> Lamp:
    """Returns a lamp whose rotation turns by angles nearly `scale` times as large.

    The last layer of the networks that compute the angles is multiplied.
    """
    transition = lamp.params["transition"]
    last = max(transition["turn"])
    layer = jax.tree.map(lambda leaf: scale * leaf, transition["turn"][last])
    transition = transition | {"turn": transition["turn"] | {last: layer}}
    return dataclasses.replace(lamp, params=lamp.params | {"transition": transition})
