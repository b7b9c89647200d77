"""Generator: maps a latent to a frame."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from duralava.config import SMALLEST, ModelConfig, strides
from duralava.models import layers


class Generator(nn.Module):
    """Dense to 4x4, then transposed convolutions up to the resolution."""

    config: ModelConfig

    @nn.compact
    def __call__(self, latents: jax.Array) -> jax.Array:
        """f32[N, Z] -> f32[N, H, W, 3] in [-1, 1]."""
        config = self.config
        normalise = layers.pixel_norm if config.pixel_norm else lambda x: x
        size, channels = SMALLEST, config.generator_channels
        x = latents
        if config.generator_hidden:
            x = layers.activate(layers.Dense(config.generator_hidden)(x))
        x = layers.Dense(size * size * channels[0])(x)
        x = layers.activate(normalise(x.reshape(-1, size, size, channels[0])))
        finest, *coarser = strides(config.resolution, len(channels))
        for features, stride in zip(channels[1:], coarser, strict=True):
            up = layers.Upsample(features, stride, dtype=config.convolution_dtype)
            x = layers.activate(normalise(up(x)))
        x = layers.Upsample(3, finest, 0.5, config.convolution_dtype)(x)
        x = x.astype(jnp.float32)
        if config.generator_background:
            shape = (config.resolution, config.resolution, 3)
            x += self.param("background", nn.initializers.zeros, shape)
        return jnp.tanh(x)


def init_generator(key: jax.Array, *, config: ModelConfig) -> Any:
    """Returns fresh parameters of `generate`."""
    latent = jnp.zeros((1, config.latent_size))
    return layers.sample_params(key, layers.deviations(Generator(config), latent))


def generate(params: Any, latents: jax.Array, *, config: ModelConfig) -> jax.Array:
    """Generates the frames of latents, each by itself.

    Args:
      params: of `init_generator`.
      latents: f32[..., Z].
      config: shape of the network.

    Returns:
      f32[..., H, W, 3] in [-1, 1].
    """
    batch = latents.shape[:-1]
    frames = Generator(config).apply(
        {"params": params}, latents.reshape(-1, config.latent_size)
    )
    return frames.reshape(*batch, *frames.shape[1:])
