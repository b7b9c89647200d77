"""Encoder: a frame becomes a latent."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from duralava.config import ModelConfig
from duralava.models import layers

_LARGEST_MEAN = 4.0
_SMALLEST_LOG_STD = -3.0  # a posterior is at least 0.05 wide
_CERTAINTY_AT_START = 2.0  # of 1 / (1 + exp(-certainty)), the way to the smallest


class Encoder(nn.Module):
    """Strided convolutions, then a normal posterior with diagonal covariance."""

    config: ModelConfig

    @nn.compact
    def __call__(self, frames: jax.Array) -> tuple[jax.Array, jax.Array]:
        """f32[..., H, W, 3] -> mean and log standard deviation, f32[..., Z] each."""
        config = self.config
        x = layers.FrameCode(config.encoder_channels, dtype=config.convolution_dtype)(
            frames
        )
        x = layers.activate(layers.Dense(config.encoder_hidden)(x))
        # N(0, 1) hardly goes beyond 4, nor should codes: a rollout from outside of what
        # the transition knows has gradients without bound.
        mean = _LARGEST_MEAN * nn.tanh(
            layers.Dense(config.latent_size)(x) / _LARGEST_MEAN
        )
        small = nn.initializers.constant(0.01)
        certainty = layers.Dense(config.latent_size, kernel_init=small)(x)
        # Between a certain value and the prior's spread: neither end can run away.
        log_std = _SMALLEST_LOG_STD * nn.sigmoid(certainty + _CERTAINTY_AT_START)
        return mean, log_std


def init_encoder(key: jax.Array, *, config: ModelConfig) -> Any:
    """Returns fresh parameters of `encode`."""
    frame = jnp.zeros((1, config.resolution, config.resolution, 3))
    return layers.draw(key, layers.deviations(Encoder(config), frame))


def encode_posterior(
    params: Any, frames: jax.Array, *, config: ModelConfig
) -> tuple[jax.Array, jax.Array]:
    """Estimates which latents may have drawn each frame (Kingma & Welling 2014).

    Args:
      params: of `init_encoder`.
      frames: f32[..., H, W, 3] in [-1, 1].
      config: shape of the network.

    Returns:
      Mean f32[..., Z] and log standard deviation f32[..., Z].
    """
    return Encoder(config).apply({"params": params}, frames)


def encode(params: Any, frames: jax.Array, *, config: ModelConfig) -> jax.Array:
    """Returns the likeliest latent f32[..., Z] of each frame f32[..., H, W, 3]."""
    return encode_posterior(params, frames, config=config)[0]
