"""The adversarial part of a step: a table of what plays against the generator."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import optax

from duralava import models
from duralava.config import Config
from duralava.datasets.clips import Batch
from duralava.training import critics, discriminator, optimizers
from duralava.training.gradients import AdversarialGradients, Params, zeros_like


class Gradients(Protocol):
    """Computes the gradients of the adversarial losses."""

    def __call__(
        self,
        generator: Params,
        discriminator: Params,
        step: jax.Array,
        batch: Batch,
        trajectory: jax.Array,
        key: jax.Array,
        *,
        config: Config,
    ) -> AdversarialGradients:
        """Returns the gradients.

        Args:
          generator: parameters of `generate`.
          discriminator: parameters of the adversary.
          step: i32[], of the run.
          batch: of the film.
          trajectory: latents of N lamps, the first of which are for the B clips,
            f32[T, N, Z].
          key: of all that is random.
          config: of the run.
        """


class Adversary(NamedTuple):
    """What plays against the generator.

    Attributes:
      init: (key, config) -> fresh parameters.
      optimizer: (config) -> the optimiser of these parameters.
      gradients: of both sides.
    """

    init: Callable[[jax.Array, Config], Params]
    optimizer: Callable[[Config], optax.GradientTransformation]
    gradients: Gradients


ADVERSARIES = {
    "discriminator": Adversary(
        lambda key, config: models.init_discriminator(key, config=config.model),
        optimizers.for_discriminator,
        discriminator.gradients,
    ),
    "critics": Adversary(
        critics.init_critics, optimizers.for_critics, critics.gradients
    ),
}
"""The values that `LossConfig.adversary` can take."""


def init_adversary(key: jax.Array, *, config: Config) -> Params:
    """Returns fresh parameters of the adversary; empty where none is trained.

    Raises:
      ValueError: `config.loss.adversary` is not a key of `ADVERSARIES`.
    """
    if not config.loss.uses_adversary:
        return {}
    return _chosen(config).init(key, config)


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """Returns the adversary's optimiser; without state where none is trained.

    Raises:
      ValueError: `config.loss.adversary` is not a key of `ADVERSARIES`.
    """
    if not config.loss.uses_adversary:
        return optax.identity()
    return _chosen(config).optimizer(config)


def from_start_step(
    generator: Params,
    discriminator: Params,
    step: jax.Array,
    *arguments: Any,
    config: Config,
) -> AdversarialGradients:
    """Adversarial gradients, as `Gradients`; zeros before `adversarial_start_step`."""
    compute = functools.partial(_chosen(config).gradients, config=config)
    start = config.loss.adversarial_start_step
    if start == 0:
        return compute(generator, discriminator, step, *arguments)

    def zeros(*arguments: Any) -> AdversarialGradients:
        return zeros_like(jax.eval_shape(compute, *arguments))

    return jax.lax.cond(
        step >= start, compute, zeros, generator, discriminator, step, *arguments
    )


def _chosen(config: Config) -> Adversary:
    name = config.loss.adversary
    if name not in ADVERSARIES:
        raise ValueError(
            f"loss.adversary is '{name}'; it can be one of {', '.join(ADVERSARIES)}"
        )
    return ADVERSARIES[name]
