"""The simulated lamp at 64x64: the shipped weights `simulated_64`.

  duralava prepare --dataset=simulated_lava_lamp/64x64_1h
  duralava train --config=simulated_64 --workdir=DIR

Two phases. The encoder's terms alone train true motion, quickly, but blur what a code
does not contain. Then an adversarial term makes edges clear; its steps take three times
as long, so it comes last. The shipped weights were trained on version 3.0.0 of the
film. Compute and results: docs/results.md. For a quicker start, with fewer lamps to
learn from: --config.data.dataset=simulated_lava_lamp/64x64_10min
"""

import dataclasses

from ml_collections import ConfigDict

from duralava import config as c

MODEL = c.ModelConfig(
    generator="convolution", generator_channels=(128, 96, 64, 32), refresh=0.01
)
ADVERSARIAL_LOSS = dataclasses.replace(
    c.ENCODER_ASSISTED,
    adversarial_weight=0.05,
    adversarial_steps=6,
    adversarial_shift=4,
    gradient_penalty="exact",
)
ADVERSARIAL_OPTIMIZER = c.OptimizerConfig(
    learning_rate=3e-4,
    discriminator_learning_rate=1e-3,
    b1=0.5,
    gradient_clip=1.0,
    warmup_steps=100,
)


def get_config() -> ConfigDict:
    """Returns the config."""
    return ConfigDict(
        c.to_dict(
            c.Config(
                data=c.DataConfig(
                    dataset="simulated_lava_lamp/64x64_1h", horizontal_flip=True
                ),
                model=MODEL,
                loss=c.ENCODER_ASSISTED,
                optimizer=c.OptimizerConfig(gradient_clip=1.0, warmup_steps=100),
                training=c.TrainingConfig(num_steps=8_000),
                then=(
                    c.Phase(
                        loss=ADVERSARIAL_LOSS,
                        optimizer=ADVERSARIAL_OPTIMIZER,
                        training=c.TrainingConfig(num_steps=700),
                    ),
                ),
            )
        )
    )
