"""The recipe of `simulated_64` with the original's kind of transition, `mlp`.

  python tools/prepare_dataset.py --dataset=simulated_lava_lamp/64x64_1h
  python experiments/train.py --config=experiments/configs/simulated_64_mlp.py --workdir=DIR

A residual dense network does not keep N(0, I) by construction: the penalty teaches it
to. A rollout of training goes on where the one before ended, for 400 steps on average,
so that the penalty sees what adds up.
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
                model=c.ModelConfig(transition="mlp", refresh=0.01),
                loss=dataclasses.replace(
                    c.ENCODER_ASSISTED, normality_weight=0.1, reset_probability=0.05
                ),
                optimizer=c.OptimizerConfig(gradient_clip=1.0, warmup_steps=100),
                training=c.TrainingConfig(num_steps=8_000),
            )
        )
    )
