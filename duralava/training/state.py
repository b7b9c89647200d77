"""All that changes in training."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from duralava import losses, models
from duralava.config import Config
from duralava.training import adversarial, optimizers
from duralava.training.gradients import Params


class TrainState(NamedTuple):
    """The state of a training run.

    Attributes:
      step: i32[], steps made.
      generator: parameters `{generator, transition[, encoder]}`.
      discriminator: parameters of the discriminator, or of the critics by name; empty
        where none is trained.
      ema: running average of `generator`; what is rendered.
      generator_optimizer: optimiser's state.
      discriminator_optimizer: optimiser's state.
      latent_pool: f32[N, Z], where the rollouts of the last step ended. The first B
        of these N lamps are those whose clips the discriminator or the critics see.
    """

    step: jax.Array
    generator: Params
    discriminator: Params
    ema: Params
    generator_optimizer: optax.OptState
    discriminator_optimizer: optax.OptState
    latent_pool: jax.Array


def init_train_state(key: jax.Array, *, config: Config) -> TrainState:
    """Returns the state before the first step, with fresh parameters."""
    networks_key, discriminator_key, pool_key = jax.random.split(key, 3)
    generator = models.init_networks(
        networks_key,
        config=config.model,
        with_encoder=losses.has_weight(losses.ENCODER_TERMS, config=config.loss),
    )
    discriminator = adversarial.init_adversary(discriminator_key, config=config)
    generator_optimizer = optimizers.for_generator(config)
    discriminator_optimizer = adversarial.make_optimizer(config)
    num_lamps = max(
        config.data.batch_size,
        config.loss.normality_lamps,
        config.loss.num_carried(config.data.windows),
    )
    pool_shape = (num_lamps, config.model.latent_size)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        generator=generator,
        discriminator=discriminator,
        # A copy: the state is donated, and an array can be donated only once.
        ema=jax.tree.map(jnp.copy, generator),
        generator_optimizer=generator_optimizer.init(generator),
        discriminator_optimizer=discriminator_optimizer.init(discriminator),
        latent_pool=jax.random.normal(pool_key, pool_shape),
    )
