"""The simulated lamp at any size, from ten hours of film.

  duralava prepare --dataset=simulated_lava_lamp/10h
  duralava train --config=any_size --workdir=DIR

Whole frames at 64 pixels and windows of 64 pixels of pictures of 128 and 256 pixels are
learned together; the generator draws any size. Two phases. The encoder's terms alone
train layout and motion. Then a still critic and a motion critic take over: they learn
alone for some hundred steps, then train the generator too, while the weight of the
encoder's terms falls.

Two scales of compute. As it is, the config is for two processor cores, hours in the
background. For one GPU, where a step should see as many pictures as fit:

  --config.data.batch_size=64 --config.data.windows=256
  --config.then[0].loss.motion_clips=64
  --config.model.convolution_dtype=bfloat16 --config.model.critic_dtype=bfloat16

A GPU that is lent for minutes at a time: `experiments/lease.py`.
"""

import dataclasses

from ml_collections import ConfigDict

from duralava import config as c

ENCODER_LOSS = dataclasses.replace(
    c.ENCODER_ASSISTED, window_weight=1.5, slope_weight=1.0
)
CRITICS_LOSS = dataclasses.replace(
    ENCODER_LOSS,
    adversary="critics",
    adversarial_weight=0.3,
    adversarial_shift=4,
    critic_lead_steps=300,
    critic_flip=True,
    still_weight=1.0,
    still_penalty_weight=0.2,
    motion_weight=0.5,
    motion_penalty_weight=0.2,
    motion_clips=8,
    motion_frames=3,
    motion_spacing=10,  # 2 s
    critic_penalty_scale=0.25,
    encoder_scale=0.2,
)
CRITICS_OPTIMIZER = c.OptimizerConfig(
    learning_rate=3e-4,
    still_learning_rate=3e-4,
    motion_learning_rate=3e-4,
    b1=0.5,
    gradient_clip=1.0,
    warmup_steps=100,
    ema_half_life=20_000,
)


def get_config() -> ConfigDict:
    """Returns the config."""
    return ConfigDict(
        c.to_dict(
            c.Config(
                data=c.DataConfig(
                    dataset="simulated_lava_lamp/10h",
                    clip_length=21,
                    frame_stride=1,
                    film_fps=5.0,
                    horizontal_flip=True,
                    windows=32,
                ),
                model=c.ModelConfig(refresh=0.01),
                loss=ENCODER_LOSS,
                optimizer=c.OptimizerConfig(gradient_clip=1.0, warmup_steps=100),
                training=c.TrainingConfig(num_steps=10_000),
                then=(
                    c.Phase(
                        loss=CRITICS_LOSS,
                        optimizer=CRITICS_OPTIMIZER,
                        training=c.TrainingConfig(num_steps=16_000),
                    ),
                ),
            )
        )
    )
