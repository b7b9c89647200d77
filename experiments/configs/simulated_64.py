"""The simulated lamp at 64x64: the shipped weights `simulated_64`.

  python tools/prepare_dataset.py --dataset=simulated_lava_lamp/64x64_1h
  python experiments/train.py --config=experiments/configs/simulated_64.py --workdir=DIR

What it took and what it reached: docs/results.md. For a quicker start, with fewer lamps
to learn from: --config.data.dataset=simulated_lava_lamp/64x64_10min
"""

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
                loss=c.ENCODER_ASSISTED,
                optimizer=c.OptimizerConfig(gradient_clip=1.0, warmup_steps=100),
                training=c.TrainingConfig(num_steps=8_000),
            )
        )
    )
