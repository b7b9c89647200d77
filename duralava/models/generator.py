"""Generator: maps a latent to a frame, in two parts.

The first part makes features of a latent, the second colours them. `GENERATORS` has the
kinds of generators. Where the config has a flow, it comes first (`models.flow`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from duralava.config import SMALLEST, ModelConfig, strides
from duralava.models import flow, head, layers
from duralava.models.head import Window
from duralava.models.pixels import to_uint8

_FLOW = 1  # folded into the key of its parameters


class Trunk(nn.Module):
    """Dense to 4x4, then transposed convolutions up to a map of `size` cells.

    `scale` is the mean square of a fresh output for inputs of mean square 1.
    """

    config: ModelConfig
    size: int
    features: int
    scale: float

    @nn.compact
    def __call__(self, latents: jax.Array) -> jax.Array:
        """f32[N, Z] -> f32[N, size, size, features]."""
        config = self.config
        normalise = layers.pixel_norm if config.pixel_norm else lambda x: x
        size, channels = SMALLEST, config.generator_channels
        x = latents
        if config.generator_hidden:
            x = layers.activate(layers.Dense(config.generator_hidden)(x))
        x = layers.Dense(size * size * channels[0])(x)
        x = layers.activate(normalise(x.reshape(-1, size, size, channels[0])))
        finest, *coarser = strides(self.size, len(channels))
        for features, stride in zip(channels[1:], coarser, strict=True):
            up = layers.Upsample(features, stride, dtype=config.convolution_dtype)
            x = layers.activate(normalise(up(x)))
        last = layers.Upsample(
            self.features, finest, self.scale, config.convolution_dtype
        )
        x = last(x).astype(jnp.float32)
        if config.generator_background:
            shape = (self.size, self.size, self.features)
            x += self.param("background", nn.initializers.zeros, shape)
        return x


class Generator(NamedTuple):
    """A kind of generator.

    Attributes:
      init: (key, config) -> fresh parameters.
      features: (params, latents f32[N, Z], config) -> f32[N, S, S, C].
      colour: (params, features f32[..., S, S, C], window, size, config) ->
        f32[..., size, size, 3] in [-1, 1].
      colour_uint8: (params, features f32[S, S, C], window, size, config) ->
        u8[size, size, 3], for display.
    """

    init: Callable[[jax.Array, ModelConfig], Any]
    features: Callable[[Any, jax.Array, ModelConfig], jax.Array]
    colour: Callable[[Any, jax.Array, Window, int, ModelConfig], jax.Array]
    colour_uint8: Callable[[Any, jax.Array, Window, int, ModelConfig], jax.Array]


def init_generator(key: jax.Array, *, config: ModelConfig) -> Any:
    """Returns fresh parameters of `generate`.

    Raises:
      ValueError: `config.generator` is not a key of `GENERATORS`.
    """
    params = _chosen(config).init(key, config)
    if config.flow_layers:
        flow_key = jax.random.fold_in(key, _FLOW)
        params["flow"] = flow.init_flow(flow_key, config=config)
    return params


def latents_of(
    params: Any, codes: jax.Array, *, config: ModelConfig
) -> tuple[jax.Array, jax.Array]:
    """Returns the latents of codes, and the log density of the codes.

    Without a flow, codes are the latents themselves.

    Args:
      params: of `init_generator`.
      codes: f32[..., Z], of an encoder.
      config: shape of the networks.

    Returns:
      Latents f32[..., Z], and log densities f32[...] without the constant of N(0, I).
    """
    latents, log_volume = codes, jnp.zeros(codes.shape[:-1])
    if config.flow_layers:
        flat = codes.reshape(-1, config.latent_size)
        latents, log_volume = flow.to_latents(params["flow"], flat, config=config)
        latents = latents.reshape(codes.shape)
        log_volume = log_volume.reshape(codes.shape[:-1])
    return latents, log_volume - 0.5 * jnp.sum(jnp.square(latents), axis=-1)


def codes_of(params: Any, latents: jax.Array, *, config: ModelConfig) -> jax.Array:
    """Returns the codes f32[..., Z] of latents f32[..., Z]: `latents_of` inverted."""
    if not config.flow_layers:
        return latents
    flat = latents.reshape(-1, config.latent_size)
    return flow.to_codes(params["flow"], flat, config=config).reshape(latents.shape)


def features(params: Any, latents: jax.Array, *, config: ModelConfig) -> jax.Array:
    """Returns the features f32[..., S, S, C] of latents f32[..., Z], each by itself."""
    codes = codes_of(params, latents, config=config)
    flat = codes.reshape(-1, config.latent_size)
    x = _chosen(config).features(params, flat, config)
    return x.reshape(*latents.shape[:-1], *x.shape[1:])


def colour(
    params: Any,
    features: jax.Array,
    *,
    config: ModelConfig,
    size: int | None = None,
    window: Window | None = None,
) -> jax.Array:
    """Colours a grid of pixels of features, as `generate` does of latents."""
    size = config.picture_size(size, window=window is not None)
    window = window or head.whole_frame(size)
    return _chosen(config).colour(params, features, window, size, config)


def generate(
    params: Any,
    latents: jax.Array,
    *,
    config: ModelConfig,
    size: int | None = None,
    window: Window | None = None,
) -> jax.Array:
    """Generates the frames of latents, each by itself.

    Args:
      params: of `init_generator`.
      latents: f32[..., Z].
      config: shape of the network.
      size: height and width in pixels; None for `config.resolution`.
      window: the part of each frame to draw, of shape [...] or one for all; None for
        whole frames.

    Returns:
      f32[..., size, size, 3] in [-1, 1].

    Raises:
      ValueError: the generator does not draw this size or windows, or
        `config.generator` is not a key of `GENERATORS`.
    """
    x = features(params, latents, config=config)
    return colour(params, x, size=size, window=window, config=config)


def generate_uint8(
    params: Any,
    latents: jax.Array,
    *,
    config: ModelConfig,
    size: int | None = None,
    window: Window | None = None,
) -> jax.Array:
    """Returns the frames of any number of latents, in little memory.

    Args:
      params: of `init_generator`.
      latents: f32[..., Z].
      config: shape of the network.
      size: height and width in pixels; None for `config.resolution`.
      window: the part to draw, the same of all frames; None for whole frames.

    Returns:
      u8[..., size, size, 3], the frames of `generate`.

    Raises:
      ValueError: as `generate`.
    """
    size = config.picture_size(size, window=window is not None)
    window = window or head.whole_frame(size)

    def frame(latent: jax.Array) -> jax.Array:
        x = features(params, latent, config=config)
        return _chosen(config).colour_uint8(params, x, window, size, config)

    frames = jax.lax.map(
        frame,
        latents.reshape(-1, latents.shape[-1]),
        batch_size=head.frames_per_group(size),
    )
    return frames.reshape(*latents.shape[:-1], *frames.shape[1:])


def _init_field(key: jax.Array, config: ModelConfig) -> Any:
    latent = jnp.zeros((1, config.latent_size))
    pixel = jnp.zeros((1, config.feature_channels))
    deviations = {
        "trunk": layers.deviations(_field_trunk(config), latent),
        "head": layers.deviations(head.Head(config), pixel, 1.0),
    }
    return layers.sample_params(key, deviations)


def _init_convolution(key: jax.Array, config: ModelConfig) -> Any:
    latent = jnp.zeros((1, config.latent_size))
    deviations = layers.deviations(_convolution_trunk(config), latent)
    return layers.sample_params(key, deviations)


def _field_trunk(config: ModelConfig) -> Trunk:
    return Trunk(config, config.feature_size, config.feature_channels, scale=2.0)


def _convolution_trunk(config: ModelConfig) -> Trunk:
    return Trunk(config, config.resolution, 3, scale=0.5)


GENERATORS = {
    "field": Generator(
        init=_init_field,
        features=lambda params, latents, config: _field_trunk(config).apply(
            {"params": params["trunk"]}, latents
        ),
        colour=lambda params, *args: head.colour(params["head"], *args),
        colour_uint8=lambda params, *args: head.colour_uint8(params["head"], *args),
    ),
    "convolution": Generator(
        init=_init_convolution,
        features=lambda params, latents, config: _convolution_trunk(config).apply(
            {"params": params}, latents
        ),
        colour=lambda _, features, *rest: jnp.tanh(features),
        colour_uint8=lambda _, features, *rest: to_uint8(jnp.tanh(features)),
    ),
}
"""The values that `ModelConfig.generator` can take."""


def _chosen(config: ModelConfig) -> Generator:
    try:
        return GENERATORS[config.generator]
    except KeyError:
        raise ValueError(
            f"model.generator is '{config.generator}'; it can be one of "
            f"{', '.join(GENERATORS)}"
        ) from None
