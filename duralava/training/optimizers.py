"""The optimisers of generator and discriminator."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from duralava.config import Config, OptimizerConfig

Params = Any


def make(
    config: Config,
) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    """Returns the optimisers of the generator's side and of the discriminator.

    Without a discriminator, the second one has no state.
    """
    optimizer, num_steps = config.optimizer, config.training.num_steps
    generator = _optimizer(optimizer.learning_rate, num_steps, config=optimizer)
    if not config.loss.uses_adversary:
        return generator, optax.identity()
    rate = optimizer.discriminator_learning_rate
    return generator, _optimizer(rate, num_steps, config=optimizer)


def update(
    optimizer: optax.GradientTransformation,
    gradients: Params,
    state: optax.OptState,
    params: Params,
) -> tuple[Params, optax.OptState]:
    """Returns parameters and the optimiser's state after one update."""
    updates, state = optimizer.update(gradients, state, params)
    return optax.apply_updates(params, updates), state


def update_average(
    average: Params, params: Params, step: jax.Array, *, decay: float
) -> Params:
    """Returns the exponential moving average of parameters after step `step`."""
    # Early averages are short, so that they soon forget the first steps.
    decay = jnp.minimum(decay, (step + 1) / (step + 10))
    return optax.incremental_update(params, average, 1 - decay)


def _optimizer(
    learning_rate: float, num_steps: int, *, config: OptimizerConfig
) -> optax.GradientTransformation:
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0 if config.warmup_steps else learning_rate,
        peak_value=learning_rate,
        warmup_steps=config.warmup_steps,
        decay_steps=max(num_steps, config.warmup_steps + 1),
        end_value=learning_rate * config.final_learning_rate_scale,
    )
    method = (
        optax.sgd(schedule)
        if config.name == "sgd"
        else optax.adam(schedule, b1=config.b1, b2=config.b2)
    )
    if config.gradient_clip:
        method = optax.chain(optax.clip_by_global_norm(config.gradient_clip), method)
    # On one long vector: a loop for each parameter would take longer to compile.
    return optax.flatten(method)
