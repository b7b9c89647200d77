"""Encoder: maps a frame to a latent."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from duralava.config import ModelConfig
from duralava.models import layers

_LARGEST_MEAN = 4.0
_SMALLEST_LOG_STD = -3.0  # a posterior is at least 0.05 wide
_INITIAL_CERTAINTY = 2.0  # log std = smallest * sigmoid(certainty)


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
        # Samples of N(0, 1) are rarely beyond 4, so codes are kept within it: a rollout
        # from outside the range of training has unbounded gradients.
        mean = _LARGEST_MEAN * nn.tanh(
            layers.Dense(config.latent_size)(x) / _LARGEST_MEAN
        )
        small = nn.initializers.constant(0.01)
        certainty = layers.Dense(config.latent_size, kernel_init=small)(x)
        # Between the smallest width and that of the prior, so that training cannot push
        # it to zero or to infinity.
        log_std = _SMALLEST_LOG_STD * nn.sigmoid(certainty + _INITIAL_CERTAINTY)
        return mean, log_std


def init_encoder(key: jax.Array, *, config: ModelConfig) -> Any:
    """Returns fresh parameters of `encode`."""
    frame = jnp.zeros((1, config.resolution, config.resolution, 3))
    return layers.sample_params(key, layers.deviations(Encoder(config), frame))


def encode_posterior(
    params: Any, frames: jax.Array, *, config: ModelConfig
) -> tuple[jax.Array, jax.Array]:
    """Estimates the posterior of the latent of each frame (Kingma & Welling 2014).

    Args:
      params: of `init_encoder`.
      frames: f32[..., H, W, 3] in [-1, 1].
      config: shape of the network.

    Returns:
      Mean f32[..., Z] and log standard deviation f32[..., Z].
    """
    return Encoder(config).apply({"params": params}, frames)


def encode(params: Any, frames: jax.Array, *, config: ModelConfig) -> jax.Array:
    """Returns the posterior mean f32[..., Z] of each frame f32[..., H, W, 3]."""
    return encode_posterior(params, frames, config=config)[0]
