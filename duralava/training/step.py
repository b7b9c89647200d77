"""One step of training: a pure function, without input or output.

The generator's side holds generator, transition and (where the losses need one) the
encoder; they share an optimiser. Both sides are updated at once, from one forward pass
of the discriminator or of the critics.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from duralava import compilation, draws, losses, models
from duralava.config import Config
from duralava.datasets.clips import Batch
from duralava.training import adversarial, optimizers
from duralava.training.encoder import encoder_loss
from duralava.training.gradients import Metrics, Params
from duralava.training.state import TrainState, init_train_state


def train_step(
    state: TrainState, batch: Batch, key: jax.Array, *, config: Config
) -> tuple[TrainState, Metrics]:
    """Makes one update of all networks.

    Args:
      state: before the step.
      batch: of the film.
      key: base key of the run; all randomness is `fold_in(key, state.step)`.
      config: of the run.

    Returns:
      The state after the step, and scalars f32[] by name. `finite` is bool[]: whether
      all values of the state and all other scalars are finite.
    """
    gradients, discriminator_gradients, pool, metrics = loss_gradients(
        state, batch, jax.random.fold_in(key, state.step), config=config
    )
    generator, generator_state = optimizers.update(
        optimizers.for_generator(config),
        gradients,
        state.generator_optimizer,
        state.generator,
    )
    discriminator, discriminator_state = optimizers.update(
        adversarial.make_optimizer(config),
        discriminator_gradients,
        state.discriminator_optimizer,
        state.discriminator,
    )
    state = TrainState(
        step=state.step + 1,
        generator=generator,
        discriminator=discriminator,
        ema=optimizers.update_average(state.ema, generator, state.step, config=config),
        generator_optimizer=generator_state,
        discriminator_optimizer=discriminator_state,
        latent_pool=pool,
    )
    return state, metrics | {"finite": all_finite((state, metrics))}


def loss_gradients(
    state: TrainState, batch: Batch, key: jax.Array, *, config: Config
) -> tuple[Params, Params, jax.Array, Metrics]:
    """Gradients of all losses.

    The latents are run on once, for the normality penalty and for the generated clips;
    both gradients for the trajectory go back through the transition together.

    Args:
      state: before the step.
      batch: of the film.
      key: of this step.
      config: of the run.

    Returns:
      Gradients for the generator's side and for the discriminator, zero where no loss
      depends on them; the latents f32[N, Z] at the end of the rollout; scalars by name.
    """
    reset_key, rollout_key, adversary_key, encoder_key = jax.random.split(key, 4)
    starts = reset_some(
        state.latent_pool, reset_key, probability=config.loss.reset_probability
    )

    def trajectory_of(transition: Params) -> tuple[jax.Array, jax.Array]:
        final, trajectory = models.rollout(
            transition,
            starts,
            rollout_key,
            0,
            num_steps=len(batch.clips),
            config=config.model,
        )
        return trajectory, final

    trajectory, pull_transition, final = jax.vjp(
        trajectory_of, state.generator["transition"], has_aux=True
    )
    trajectory_gradient, metrics = latent_gradients(trajectory, config=config)
    generator = jax.tree.map(jnp.zeros_like, state.generator)
    discriminator = jax.tree.map(jnp.zeros_like, state.discriminator)
    if config.loss.uses_adversary:
        gradients = adversarial.from_start_step(
            state.generator["generator"],
            state.discriminator,
            state.step,
            batch,
            trajectory,
            adversary_key,
            config=config,
        )
        generator["generator"] = gradients.generator
        discriminator = gradients.discriminator
        trajectory_gradient += gradients.trajectory
        metrics |= gradients.metrics
    if config.loss.uses_adversary or losses.has_weight(
        losses.LATENT_TERMS, config=config.loss
    ):
        (generator["transition"],) = pull_transition(trajectory_gradient)
    if losses.has_weight(losses.ENCODER_TERMS, config=config.loss):
        scale = encoder_scale(state.step, config=config)

        def scaled_loss(params: Params) -> tuple[jax.Array, Metrics]:
            loss, terms = encoder_loss(params, batch, encoder_key, config=config)
            return scale * loss, terms

        encoder_gradients, terms = jax.grad(scaled_loss, has_aux=True)(state.generator)
        generator = jax.tree.map(jnp.add, generator, encoder_gradients)
        metrics |= terms
    return generator, discriminator, final, metrics


def all_finite(tree: Any) -> jax.Array:
    """Whether all numbers of a tree of arrays are finite, bool[]."""
    leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
    return jnp.stack(leaves).all()


def encoder_scale(step: jax.Array, *, config: Config) -> jax.Array:
    """Returns the factor of the encoder's terms at a step: it falls along a cosine."""
    return optax.cosine_decay_schedule(
        1.0, config.training.num_steps, config.loss.encoder_scale
    )(step)


def latent_gradients(
    trajectory: jax.Array, *, config: Config
) -> tuple[jax.Array, Metrics]:
    """Gradient f32[T, B, Z] of the latent terms, and their values and moments."""

    def loss(trajectory: jax.Array) -> tuple[jax.Array, Metrics]:
        return losses.weighted_sum(losses.LATENT_TERMS, trajectory, config=config.loss)

    (_, metrics), gradient = jax.value_and_grad(loss, has_aux=True)(trajectory)
    _, moments = losses.normality_penalty(trajectory)
    return gradient, metrics | {f"latent/{name}": m for name, m in moments.items()}


def reset_some(pool: jax.Array, key: jax.Array, *, probability: float) -> jax.Array:
    """Returns latents f32[N, Z], each replaced by a sample of N(0, I) at random."""
    choice_key, fresh_key = jax.random.split(key)
    reset = jax.random.bernoulli(choice_key, probability, (pool.shape[0], 1))
    return jnp.where(reset, draws.normal(fresh_key, pool.shape), pool)


def compiled() -> tuple[
    Callable[..., TrainState], Callable[..., tuple[TrainState, Metrics]]
]:
    """Returns `init_train_state` and `train_step`, compiled as suits the platform.

    The compiled step donates the buffers of its state.
    """
    return (
        compilation.jit(init_train_state, once=True, static_argnames="config"),
        compilation.jit(train_step, static_argnames="config", donate_argnums=0),
    )
