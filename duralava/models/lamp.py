"""The networks that a lamp runs by."""

from typing import Any

import jax

from duralava.config import ModelConfig
from duralava.models.encoder import init_encoder
from duralava.models.generator import init_generator
from duralava.models.transition import init_transition


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
