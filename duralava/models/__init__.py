"""The networks, as pure functions of parameters and arrays."""

from duralava.models.critics import (
    init_motion_critic,
    init_still_critic,
    motion_critic,
    still_critic,
)
from duralava.models.discriminator import discriminate, init_discriminator
from duralava.models.encoder import encode, encode_posterior, init_encoder
from duralava.models.flow import init_normal_flow
from duralava.models.generator import (
    GENERATORS,
    Generator,
    codes_of,
    colour,
    features,
    generate,
    generate_uint8,
    init_generator,
    latents_of,
)
from duralava.models.head import Window
from duralava.models.networks import (
    check_fit,
    init_networks,
    with_fresh_parts,
)
from duralava.models.pixels import from_uint8, shrink, to_uint8
from duralava.models.rollout import rollout
from duralava.models.transition import (
    TRANSITIONS,
    Transition,
    init_transition,
    longest_latent,
    transition,
)

__all__ = [
    "GENERATORS",
    "TRANSITIONS",
    "Generator",
    "Transition",
    "Window",
    "check_fit",
    "codes_of",
    "colour",
    "discriminate",
    "encode",
    "encode_posterior",
    "features",
    "from_uint8",
    "generate",
    "generate_uint8",
    "init_discriminator",
    "init_encoder",
    "init_generator",
    "init_motion_critic",
    "init_networks",
    "init_normal_flow",
    "init_still_critic",
    "init_transition",
    "latents_of",
    "longest_latent",
    "motion_critic",
    "rollout",
    "shrink",
    "still_critic",
    "to_uint8",
    "transition",
    "with_fresh_parts",
]
