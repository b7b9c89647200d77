"""The step that all exported formats contain."""

import dataclasses
from collections.abc import Callable

import jax

from duralava import models
from duralava.lamp import Lamp
from duralava.models.transition import transition_step

LampStep = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
"""(latent f32[N, Z], noise f32[N, Z]) -> (frame f32[N, H, W, 3], latent f32[N, Z])."""

DESCRIPTION = """One step of a lava lamp that a neural network generates.

latent: f32[N, Z], N(0, I) at the start, then next_latent of the step before.
noise: f32[N, Z], a new sample of N(0, I) for each step.
frame: f32[N, H, W, 3], generated from `latent`, RGB in [-1, 1]; its 8-bit values are
  round((frame + 1) * 127.5).
next_latent: f32[N, Z]."""
"""The names of the arrays of a step in all formats, and their meanings."""


def make_step(lamp: Lamp, *, size: int | None = None) -> LampStep:
    """Returns the step of a lamp: (latent, noise) -> (frame, next latent).

    Frames have a height and width of `size` pixels, by default those of the training
    frames.
    `DESCRIPTION` describes its arrays. What depends on the parameters alone, such as
    the bases of a rotation, is computed here and is a constant of the step. All
    computations are in float32, because not all runtimes support the lower precision
    that convolutions have in training.
    """
    config = dataclasses.replace(lamp.config, convolution_dtype="float32")
    move = transition_step(lamp.params["transition"], config=config)

    def step(latent: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
        frame = models.generate(
            lamp.params["generator"], latent, size=size, config=config
        )
        return frame, move(latent, noise)

    return step
