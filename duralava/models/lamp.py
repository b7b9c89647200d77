"""The networks that a lamp runs by."""

from typing import Any

import jax

from duralava.config import ModelConfig
from duralava.models.encoder import init_encoder
from duralava.models.generator import generate, init_generator
from duralava.models.pixels import to_uint8
from duralava.models.transition import init_transition

_DRAWN_AT_ONCE = 20  # frames: activations stay in a processor's cache


def init_lamp(key: jax.Array, *, config: ModelConfig, with_encoder: bool) -> Any:
    """Returns fresh parameters `{generator, transition[, encoder]}`."""
    generator_key, transition_key, encoder_key = jax.random.split(key, 3)
    params = {
        "generator": init_generator(generator_key, config=config),
        "transition": init_transition(transition_key, config=config),
    }
    if with_encoder:
        params["encoder"] = init_encoder(encoder_key, config=config)
    return params


def draw(params: Any, latents: jax.Array, *, config: ModelConfig) -> jax.Array:
    """Returns the pictures of any number of latents, in little memory.

    Args:
      params: of `init_generator`.
      latents: f32[T, B, Z].
      config: shape of the generator.

    Returns:
      u8[T, B, H, W, 3].
    """
    frames = jax.lax.map(
        lambda z: to_uint8(generate(params, z, config=config)),
        latents.reshape(-1, latents.shape[-1]),
        batch_size=_DRAWN_AT_ONCE,
    )
    return frames.reshape(*latents.shape[:2], *frames.shape[1:])
