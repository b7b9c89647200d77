"""The simulated lamp at 64x64: the shipped weights.

  python tools/prepare_dataset.py --dataset=simulated_lava_lamp
  python experiments/train.py --config=experiments/configs/simulated_64.py --workdir=DIR

6,000 steps took 33 minutes on 2 cores of an AMD EPYC, with huge pages
(GLIBC_TUNABLES=glibc.malloc.hugetlb=1) and other work on the same cores. At the end the
frame error is 0.014 for encoded and decoded film and 0.016 to 0.021 for rollouts of up
to 1.6 s; frames from N(0, I) have an energy distance of 0.34 to those of another lamp.

The adversary is off, as the encoder's terms alone give a lamp in this time. To train
with both, for longer:
--config.loss.adversarial_weight=0.05 --config.loss.adversarial_start_step=4000
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
                training=c.TrainingConfig(num_steps=6_000),
            )
        )
    )
