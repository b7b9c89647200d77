"""From `simulated_64` on, with an adversary that makes edges clear.

  python experiments/train.py --config=experiments/configs/simulated_64_adversary.py \
      --workdir=DIR --config.training.start_from=WORKDIR_OF_SIMULATED_64

The encoder's terms alone teach true motion, quickly, but blur what a code does not
tell. A step with the adversary takes three times as long, so that it comes last. What
it took and what it reached: docs/results.md.
"""

import dataclasses

from ml_collections import ConfigDict

from duralava import config as c


def get_config() -> ConfigDict:
    """Returns the config."""
    return ConfigDict(
        c.to_dict(
            c.Config(
                data=c.DataConfig(
                    dataset="simulated_lava_lamp/64x64_1h", horizontal_flip=True
                ),
                model=c.ModelConfig(refresh=0.01),
                loss=dataclasses.replace(
                    c.ENCODER_ASSISTED,
                    adversarial_weight=0.05,
                    adversarial_steps=6,
                    adversarial_shift=4,
                    gradient_penalty="exact",
                ),
                optimizer=c.OptimizerConfig(
                    learning_rate=3e-4,
                    discriminator_learning_rate=1e-3,
                    b1=0.5,
                    gradient_clip=1.0,
                    warmup_steps=100,
                ),
                training=c.TrainingConfig(num_steps=700),
            )
        )
    )
