"""The one tiny model of the tests: 16x16 pixels, 8 latent values."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from duralava import models
from duralava.config import (
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    TrainingConfig,
    to_dict,
)
from duralava.lamp import Lamp

ROOT = pathlib.Path(__file__).parents[1]
SIZE = 16
LATENT_SIZE = 8
MODEL = ModelConfig(
    resolution=SIZE,
    latent_size=LATENT_SIZE,
    generator="convolution",
    generator_hidden=0,
    generator_channels=(8,),
    discriminator_channels=(8,),
    discriminator_code=8,
    discriminator_hidden=8,
    encoder_channels=(8,),
    encoder_hidden=8,
    transition_layers=1,
    transition_hidden=8,
)
FIELD = dataclasses.replace(
    MODEL, generator="field", feature_size=16, feature_channels=6, head_hidden=8
)
"""The same with a generator that draws frames of any size."""

CRITICS = dataclasses.replace(
    FIELD,
    still_channels=(8,),
    still_blocks=(1,),
    still_group=2,
    motion_size=8,
    motion_channels=(8,),
    motion_blocks=(1,),
)
CONFIG = Config(
    data=DataConfig(
        dataset=f"lava_lamp/{SIZE}x{SIZE}", clip_length=4, frame_stride=2, batch_size=2
    ),
    model=MODEL,
    training=TrainingConfig(
        num_steps=12, log_every=2, sample_every=6, checkpoint_every=4
    ),
)
ENCODER_LOSS = LossConfig(
    adversarial_weight=0.0,
    normality_weight=0.0,
    reconstruction_weight=1.0,
    rollout_weight=1.0,
    rollout_steps=3,
    rollout_frames=2,
)

CRITICS_LOSS = LossConfig(
    adversary="critics",
    adversarial_shift=1,
    normality_weight=0.0,
    motion_clips=2,
    motion_frames=2,
    motion_spacing=3,
)

# Compiled as one program: call by call it takes four times as long.
init_networks = jax.jit(
    models.init_networks, static_argnames=("config", "with_encoder")
)


def normal(seed, *shape):
    """Values of N(0, 1), drawn by NumPy: no program has to be compiled for them."""
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def model(**changes):
    """Returns the tiny model with other choices."""
    return dataclasses.replace(MODEL, **changes)


def lamp(
    *,
    seed=0,
    with_encoder=True,
    steps_per_second=5.0,
    training=None,
    of=MODEL,
    **changes,
):
    """Returns a lamp with fresh parameters, of the model `of` with other choices."""
    config = dataclasses.replace(of, **changes)
    params = init_networks(
        jax.random.key(seed), config=config, with_encoder=with_encoder
    )
    return Lamp(params, config, steps_per_second, training)


def faster(lamp, scale):
    """Returns a lamp whose transition has larger parameters.

    With fresh ones, a frame hardly changes from one step to the next.
    """
    transition = jax.tree.map(lambda leaf: scale * leaf, lamp.params["transition"])
    return dataclasses.replace(lamp, params=lamp.params | {"transition": transition})


def flags(config, workdir, data_dir):
    """Returns the flags of a command that trains by a config of this file."""
    values = to_dict(config)
    return [
        f"--config={ROOT / 'experiments' / 'configs' / 'lava_lamp_64.py'}",
        f"--workdir={workdir}",
        f"--data_dir={data_dir}",
        "--config.loss.rollout_steps=3",
        *(
            f"--config.{section}.{name}={value}"
            for section in ("data", "model", "training")
            for name, value in values[section].items()
        ),
    ]
