"""Rollout: the transition, applied step after step."""

from collections.abc import Callable
from typing import Any

import jax

from duralava import draws
from duralava.config import ModelConfig
from duralava.models.transition import transition_step


def rollout(
    params: Any,
    latents: jax.Array,
    key: jax.Array,
    start_step: jax.Array | int,
    *,
    num_steps: int,
    config: ModelConfig,
) -> tuple[jax.Array, jax.Array]:
    """Applies the transition `num_steps` times.

    The noise of step t is drawn from `fold_in(key, t)`, so a rollout of 12 steps equals
    one of 5 steps followed by one of 7, bit for bit.

    Args:
      params: of `init_transition`.
      latents: f32[B, Z] at step `start_step`.
      key: of the whole trajectory.
      start_step: i32[], number of steps already made.
      num_steps: number of steps T to make.
      config: shape of the network.

    Returns:
      Latents f32[B, Z] after T steps, and the trajectory f32[T, B, Z] up to the step
      before; its first entry is the input.
    """
    step = numbered_step(params, key, config=config)

    def scan_step(
        carry: tuple[jax.Array, jax.Array], _: None
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        latents, index = carry
        return (step(latents, index), index + 1), latents

    start = (latents, jax.numpy.asarray(start_step, jax.numpy.int32))
    # The backward pass computes each step again, which is cheaper than storing it.
    (final, _), trajectory = jax.lax.scan(
        jax.checkpoint(scan_step), start, length=num_steps
    )
    return final, trajectory


def numbered_step(
    params: Any, key: jax.Array, *, config: ModelConfig
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Returns one step of a rollout: (latents f32[B, Z] at step t, t) -> f32[B, Z].

    Args:
      params: of `init_transition`.
      key: of the whole trajectory; the noise of step t is drawn from
        `fold_in(key, t)`.
      config: shape of the network.
    """
    step = transition_step(params, config=config)

    def apply(latents: jax.Array, index: jax.Array) -> jax.Array:
        noise = draws.normal(jax.random.fold_in(key, index), latents.shape)
        return step(latents, noise)

    return apply
