"""The optimisers of generator, discriminator and critics."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from duralava import trees
from duralava.config import Config

Params = Any


def for_generator(config: Config) -> optax.GradientTransformation:
    """Returns the optimiser of the generator's side; frozen parameters stay."""
    optimizer = _optimizer(config.optimizer.learning_rate, config=config)
    if not config.optimizer.frozen:
        return optimizer
    return optax.partition(
        {"trained": optimizer, "frozen": optax.set_to_zero()},
        functools.partial(_labels, frozen=config.optimizer.frozen),
    )


def for_discriminator(config: Config) -> optax.GradientTransformation:
    """Returns the optimiser of the discriminator."""
    return _optimizer(config.optimizer.discriminator_learning_rate, config=config)


def for_critics(config: Config) -> optax.GradientTransformation:
    """Returns the optimiser of all critics; each has its own learning rate."""
    names = config.loss.critic_names
    return optax.partition(
        {
            name: _optimizer(
                getattr(config.optimizer, f"{name}_learning_rate"),
                config=config,
                with_momentum=False,
            )
            for name in names
        },
        {name: name for name in names},
    )


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
    average: Params, params: Params, step: jax.Array, *, config: Config
) -> Params:
    """Returns the exponential moving average of parameters after step `step`."""
    # Early averages are short, so that they soon forget the first steps.
    decay = jnp.minimum(_average_decay(config), (step + 1) / (step + 10))
    return optax.incremental_update(params, average, 1 - decay)


def slowed(config: Config, factor: float) -> Config:
    """Returns a config whose learning rates are all multiplied by a factor."""
    rates = {
        field.name: factor * getattr(config.optimizer, field.name)
        for field in dataclasses.fields(config.optimizer)
        if field.name.endswith("learning_rate")
    }
    optimizer = dataclasses.replace(config.optimizer, **rates)
    return dataclasses.replace(config, optimizer=optimizer)


def _labels(params: Params, *, frozen: tuple[str, ...]) -> Params:
    """Returns `frozen` or `trained` for each parameter.

    Raises:
      ValueError: no parameter has a name that begins with one of those in `frozen`.
    """
    names = list(trees.named_leaves(params))
    for beginning in frozen:
        if not any(name.startswith(beginning) for name in names):
            raise ValueError(
                f"optimizer.frozen has '{beginning}', but no parameter's name begins so"
            )
    labels = ["frozen" if name.startswith(frozen) else "trained" for name in names]
    return jax.tree.unflatten(jax.tree.structure(params), labels)


def _average_decay(config: Config) -> float:
    half_life = config.optimizer.ema_half_life
    if not half_life:
        return config.optimizer.ema_decay
    return 0.5 ** ((config.data.batch_size + config.data.windows) / half_life)


def _optimizer(
    learning_rate: float, *, config: Config, with_momentum: bool = True
) -> optax.GradientTransformation:
    optimizer = config.optimizer
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0 if optimizer.warmup_steps else learning_rate,
        peak_value=learning_rate,
        warmup_steps=optimizer.warmup_steps,
        decay_steps=max(config.training.num_steps, optimizer.warmup_steps + 1),
        end_value=learning_rate * optimizer.final_learning_rate_scale,
    )
    if optimizer.name == "sgd":
        method = optax.sgd(schedule)
    elif with_momentum:
        method = optax.adam(schedule, b1=optimizer.b1, b2=optimizer.b2)
    else:
        # Adam with b1 = 0, without storing a mean that is the gradient itself.
        method = optax.rmsprop(
            schedule,
            decay=optimizer.b2,
            eps=1e-8,
            eps_in_sqrt=False,
            bias_correction=True,
        )
    if optimizer.gradient_clip:
        clip = optax.clip_by_global_norm(optimizer.gradient_clip)
        method = optax.chain(clip, method)
    # On one long vector: a loop for each parameter would take longer to compile.
    return optax.flatten(method)
