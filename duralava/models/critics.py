"""Critics: score single frames, and short clips of small frames.

Both are residual networks without normalisation (R3GAN, Huang et al. 2024). The still
critic sees windows of frames at any scale and place; the motion critic sees a few
frames of a clip side by side, and what changes from each to the next.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from duralava.config import ModelConfig, strides
from duralava.models import layers
from duralava.models.head import Window

_CONDITION_SIZE = 64
_FREQUENCIES = 4
_CHANGE_SCALE = 4.0  # changes from frame to frame are small beside the frames
_FINEST_OCTAVES = 4.0  # windows are 1 to 1/16 of a frame wide, spacings 1/16 to 16 s


class Critic(nn.Module):
    """Strided layers with residual blocks after them, down to 4x4, then dense ones."""

    channels: Sequence[int]
    blocks: Sequence[int]
    group: int
    dtype: str

    @nn.compact
    def __call__(self, images: jax.Array, condition: jax.Array) -> jax.Array:
        """f32[N, H, W, C], f32[N, F] -> f32[N]."""
        condition = layers.activate(layers.Dense(_CONDITION_SIZE)(condition))
        x = images
        for features, stride, blocks in zip(
            self.channels,
            strides(images.shape[-2], len(self.channels)),
            self.blocks,
            strict=True,
        ):
            x = layers.Downsample(features, stride, dtype=self.dtype)(x)
            shared = layers.Dense(features)(condition)[:, None, None]
            x = (x + shared).astype(self.dtype)
            for _ in range(blocks):
                x = layers.Residual(self.dtype)(x)
            x = layers.activate(x)
        x = x.astype(jnp.float32)
        if self.group > 1:
            x = with_group_deviation(x, self.group)
        x = x.reshape(x.shape[0], -1)
        rectified = layers.by_fan_in(2.0)
        x = layers.Dense(self.channels[-1], kernel_init=rectified)(x)
        x += layers.Dense(self.channels[-1])(condition)
        return layers.Dense(1)(layers.activate(x))[:, 0]


def with_group_deviation(x: jax.Array, group: int) -> jax.Array:
    """Adds a channel that shows how much the images of a group differ.

    The standard deviation of each feature over `group` consecutive images, averaged
    over features and pixels: generated images that are too alike are noticed (Karras et
    al. 2018).

    Args:
      x: f32[N, H, W, C], N a multiple of `group`.
      group: number of images.

    Returns:
      f32[N, H, W, C + 1].
    """
    groups = x.reshape(-1, group, *x.shape[1:])
    # The small constant keeps the gradient of equal images finite.
    deviation = jnp.sqrt(jnp.var(groups, axis=1) + 1e-8)
    mean = jnp.repeat(deviation.mean(axis=(1, 2, 3)), group)
    channel = jnp.broadcast_to(mean[:, None, None, None], (*x.shape[:3], 1))
    return jnp.concatenate([x, channel], axis=-1)


def fourier_features(values: jax.Array) -> jax.Array:
    """Returns values f32[N, V] in [-1, 1] with their sines and cosines, f32[N, 9 V].

    The frequencies are 1/2, 1, 2 and 4 in the unit of the values (Tancik et al. 2020).
    """
    angles = values[..., None] * (jnp.pi * 2.0 ** jnp.arange(_FREQUENCIES))
    angles = angles.reshape(len(values), -1)
    return jnp.concatenate([values, jnp.sin(angles), jnp.cos(angles)], axis=-1)


def init_still_critic(key: jax.Array, *, config: ModelConfig) -> Any:
    """Returns fresh parameters of `still_critic`."""
    shape = (config.still_group, config.resolution, config.resolution, 3)
    place = fourier_features(jnp.zeros((config.still_group, 3)))
    module = _still_network(config)
    return layers.sample_params(key, layers.deviations(module, jnp.zeros(shape), place))


def still_critic(
    params: Any, windows: jax.Array, places: Window, *, config: ModelConfig
) -> jax.Array:
    """Scores windows of frames: the higher a logit, the more real.

    Args:
      params: of `init_still_critic`.
      windows: f32[N, H, W, 3] in [-1, 1], of `config.resolution`; N is a multiple of
        `config.still_group`.
      places: where the windows lie in their frames, f32[N] each.
      config: shape of the network.

    Returns:
      Logits f32[N]; the windows of a group are compared with each other.
    """
    octaves = jnp.log2(places.pixel * config.resolution) / _FINEST_OCTAVES
    condition = jnp.stack([places.left, places.top, octaves], axis=-1)
    return _still_network(config).apply(
        {"params": params}, windows, fourier_features(condition)
    )


def init_motion_critic(key: jax.Array, *, num_frames: int, config: ModelConfig) -> Any:
    """Returns fresh parameters of `motion_critic`, for clips of that many frames."""
    size = config.motion_size
    images = jnp.zeros((1, size, size, 3 * (2 * num_frames - 1)))
    spacing = fourier_features(jnp.zeros((1, 1)))
    module = _motion_network(config)
    return layers.sample_params(key, layers.deviations(module, images, spacing))


def motion_critic(
    params: Any, clips: jax.Array, spacing: jax.Array, *, config: ModelConfig
) -> jax.Array:
    """Scores short clips: the higher a logit, the more real.

    Args:
      params: of `init_motion_critic`.
      clips: f32[T, B, H, W, 3] in [-1, 1], of `config.motion_size`.
      spacing: seconds from one frame to the next, f32[B].
      config: shape of the network.

    Returns:
      Logits f32[B]; each clip is scored by itself.
    """
    changes = _CHANGE_SCALE * jnp.diff(clips, axis=0)
    both = jnp.concatenate([clips, changes])
    images = jnp.moveaxis(both, 0, -2)
    images = images.reshape(*images.shape[:3], -1)
    octaves = jnp.log2(spacing)[:, None] / _FINEST_OCTAVES
    return _motion_network(config).apply(
        {"params": params}, images, fourier_features(octaves)
    )


def _still_network(config: ModelConfig) -> Critic:
    return Critic(
        config.still_channels,
        config.still_blocks,
        config.still_group,
        config.critic_dtype,
    )


def _motion_network(config: ModelConfig) -> Critic:
    return Critic(config.motion_channels, config.motion_blocks, 1, config.critic_dtype)
