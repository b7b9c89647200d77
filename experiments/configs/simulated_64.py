"""The simulated lamp at 64x64: the shipped weights.

  python tools/prepare_dataset.py --dataset=simulated_lava_lamp
  python experiments/train.py --config=experiments/configs/simulated_64.py --workdir=DIR

The shipped weights learned from an hour of film (of one lamp, as the data set was then)
in place of ten minutes: prepare simulated_lava_lamp/64x64_1h and add
--config.data.dataset=simulated_lava_lamp/64x64_1h.
12,000 steps took about 80 minutes on 2 cores of an AMD EPYC, with huge pages
(GLIBC_TUNABLES=glibc.malloc.hugetlb=1) and other work on the same cores. What they
reached: docs/results.md.

The adversary is off, as the encoder's terms alone give a lamp in this time. To train
with both, for longer:
--config.loss.adversarial_weight=0.05 --config.loss.adversarial_start_step=8000
"""

from ml_collections import ConfigDict

from duralava import config as c


def get_config() -> ConfigDict:
    """Returns the config."""
    return ConfigDict(
        c.to_dict(
            c.Config(
                data=c.DataConfig(horizontal_flip=True),
                loss=c.ENCODER_ASSISTED,
                optimizer=c.OptimizerConfig(gradient_clip=1.0, warmup_steps=100),
                training=c.TrainingConfig(num_steps=12_000),
            )
        )
    )
