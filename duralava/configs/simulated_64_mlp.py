"""The simulated lamp with the original's transition: the weights `simulated_64_mlp`.

  duralava train --config=simulated_64_mlp --workdir=DIR

As `simulated_64`, but the latent moves by a dense network, which only a penalty keeps
standard normal. Four phases: the encoder's terms, then three with the adversarial term,
in which lamps are carried for longer each time (for 10, 50 and 200 steps of training on
average, each of 20 model steps), so that the penalty reaches farther horizons. Results,
beside a rotation: docs/results.md.
"""

import dataclasses

from ml_collections import ConfigDict

from duralava import config as c
from duralava.configs.simulated_64 import (
    ADVERSARIAL_LOSS,
    ADVERSARIAL_OPTIMIZER,
    MODEL,
)


def _carried_for_longer(
    normality_weight: float, reset_probability: float, num_steps: int
) -> c.Phase:
    return c.Phase(
        loss=dataclasses.replace(
            ADVERSARIAL_LOSS,
            normality_weight=normality_weight,
            normality_lamps=256,
            reset_probability=reset_probability,
        ),
        optimizer=ADVERSARIAL_OPTIMIZER,
        training=c.TrainingConfig(num_steps=num_steps),
    )


def get_config() -> ConfigDict:
    """Returns the config."""
    return ConfigDict(
        c.to_dict(
            c.Config(
                data=c.DataConfig(
                    dataset="simulated_lava_lamp/64x64_1h", horizontal_flip=True
                ),
                model=dataclasses.replace(MODEL, transition="mlp"),
                loss=dataclasses.replace(
                    c.ENCODER_ASSISTED,
                    normality_weight=0.1,
                    normality_lamps=256,
                    reset_probability=0.5,
                ),
                optimizer=c.OptimizerConfig(gradient_clip=1.0, warmup_steps=100),
                training=c.TrainingConfig(num_steps=8_000),
                then=(
                    _carried_for_longer(0.1, 0.1, 700),
                    _carried_for_longer(1.0, 0.02, 500),
                    _carried_for_longer(1.0, 0.005, 700),
                ),
            )
        )
    )
