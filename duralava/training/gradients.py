"""What the parts of a step return to it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from duralava import losses
from duralava.config import LossConfig

Params = Any
Metrics = dict[str, jax.Array]


class AdversarialGradients(NamedTuple):
    """Gradients of the adversarial losses.

    Attributes:
      generator: for the parameters of `generate`.
      trajectory: for the latents of the generated clips, f32[T, B, Z].
      discriminator: for the parameters of the discriminator or of the critics.
      metrics: losses and logits.
    """

    generator: Params
    trajectory: jax.Array
    discriminator: Params
    metrics: Metrics


def of_logits(
    logits: losses.Logits, *, config: LossConfig
) -> tuple[tuple[jax.Array, jax.Array], tuple[losses.Logits, losses.Logits]]:
    """Returns the adversarial losses of logits, and the gradient of each of them.

    The discriminator's, or the critic's, comes first, then the generator's.
    """
    both = losses.ADVERSARIAL[config.adversarial]
    return both(logits), jax.jacrev(both)(logits)


def zeros_like(tree: Any) -> Any:
    """Returns zeros of the shapes and types of a tree's leaves."""
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), tree)
