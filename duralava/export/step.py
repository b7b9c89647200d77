"""What an exported step is."""

import dataclasses
from collections.abc import Callable

import jax

from duralava import models
from duralava.models.transition import transition_step
from duralava.pretrained import Pretrained

Step = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]

# What the arrays of a step are called in every format, and what they mean.
DESCRIPTION = """One step of a lava lamp that a network dreams.

latent: f32[N, Z], N(0, I) at the start, then next_latent of the step before.
noise: f32[N, Z], drawn anew from N(0, I) for each step.
frame: f32[N, H, W, 3], the picture of `latent`, RGB in [-1, 1]; 8 bits of it are
  round((frame + 1) * 127.5).
next_latent: f32[N, Z]."""


def make_step(lamp: Pretrained) -> Step:
    """Returns the step of a lamp: (latent, noise) -> (frame, next latent).

    What depends on the parameters alone, such as a rotation's bases, is computed here
    and is a constant of the step. Its arrays are those of `DESCRIPTION`. It computes in
    float32 throughout: coarser convolutions are for training, and not known everywhere.
    """
    config = dataclasses.replace(lamp.config.model, convolution_dtype="float32")
    move = transition_step(lamp.params["transition"], config=config)

    def step(latent: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
        frame = models.generate(lamp.params["generator"], latent, config=config)
        return frame, move(latent, noise)

    return step
