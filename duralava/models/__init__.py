"""The networks, as pure functions of parameters and arrays."""

from duralava.models.discriminator import discriminate, init_discriminator
from duralava.models.encoder import encode, encode_posterior, init_encoder
from duralava.models.generator import generate, init_generator
from duralava.models.lamp import draw, init_lamp
from duralava.models.pixels import from_uint8, to_uint8
from duralava.models.rollout import rollout
from duralava.models.transition import init_transition, transition

__all__ = [
    "discriminate",
    "draw",
    "encode",
    "encode_posterior",
    "from_uint8",
    "generate",
    "init_discriminator",
    "init_encoder",
    "init_generator",
    "init_lamp",
    "init_transition",
    "rollout",
    "to_uint8",
    "transition",
]
