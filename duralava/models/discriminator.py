"""Discriminator: maps a clip to a logit at every step."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from duralava.config import ModelConfig
from duralava.models import layers


class Discriminator(nn.Module):
    """A code of each frame, mixed with those of other steps, then a head."""

    config: ModelConfig

    @nn.compact
    def __call__(self, clips: jax.Array) -> jax.Array:
        """f32[T, B, H, W, 3] -> f32[T, B]."""
        config = self.config
        recurrent = config.discriminator_time == "recurrent"
        x = layers.FrameCode(config.discriminator_channels, shift_time=not recurrent)(
            clips
        )
        x = layers.Dense(config.discriminator_code)(x)
        x = self._recurrent(x) if recurrent else self._with_neighbours(x)
        x = layers.activate(layers.Dense(config.discriminator_hidden)(x))
        return layers.Dense(1)(x)[..., 0]

    def _recurrent(self, codes: jax.Array) -> jax.Array:
        """Updates a memory by a dense network of [code, memory] at each step."""
        hidden, size = self.config.discriminator_hidden, self.config.discriminator_code

        def update(cell: "Memory", memory: jax.Array, code: jax.Array) -> Any:
            memory = cell(code, memory)
            return memory, memory

        scan = nn.scan(
            update, variable_broadcast="params", split_rngs={"params": False}
        )
        start = jnp.zeros((codes.shape[1], size))
        return scan(Memory(hidden, size), start, codes)[1]

    def _with_neighbours(self, codes: jax.Array) -> jax.Array:
        """Adds features of the steps 1 and 3 away on either side."""
        for steps in (1, 3):
            around = [layers.shift(codes, steps), codes, layers.shift(codes, -steps)]
            around = layers.activate(jnp.concatenate(around, axis=-1))
            codes += layers.Dense(codes.shape[-1])(around)
        return layers.activate(codes)


class Memory(nn.Module):
    """The original's recurrent cell: a dense network with two hidden layers."""

    hidden: int
    size: int

    @nn.compact
    def __call__(self, code: jax.Array, memory: jax.Array) -> jax.Array:
        """f32[B, C], f32[B, M] -> f32[B, M]."""
        x = jnp.concatenate([code, memory], axis=-1)
        x = layers.activate(layers.Dense(self.hidden)(x))
        x = layers.activate(layers.Dense(self.hidden)(x))
        return layers.Dense(self.size)(x)


def init_discriminator(key: jax.Array, *, config: ModelConfig) -> Any:
    """Returns fresh parameters of `discriminate`."""
    clip = jnp.zeros((4, 1, config.resolution, config.resolution, 3))
    return layers.sample_params(key, layers.deviations(Discriminator(config), clip))


def discriminate(params: Any, clips: jax.Array, *, config: ModelConfig) -> jax.Array:
    """Scores clips at every step: the higher a logit, the more real.

    Args:
      params: of `init_discriminator`.
      clips: f32[T, B, H, W, 3] in [-1, 1], T at least 4.
      config: shape of the network.

    Returns:
      Logits f32[T, B]; each clip is scored by itself.
    """
    return Discriminator(config).apply({"params": params}, clips)
