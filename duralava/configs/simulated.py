"""The simulated lamp, drawn at any size, from ten hours of film.

  duralava prepare --dataset=simulated_lava_lamp/10h
  duralava train --config=simulated --workdir=DIR

Whole frames of 64 pixels and windows of larger pictures, of 64 pixels too, are learned
together. Ten hours of film are 240 lamps. Two phases. The encoder's terms alone train
layout and motion. Then a still critic and a motion critic learn alone for some hundred
steps, and train the generator from then on, while the encoder's terms lose weight.

As it is, the config is for hours of two processor cores. With a GPU, a step should see
many more pictures:

  --config.data.batch_size=64 --config.data.windows=256
  --config.then[0].loss.motion_clips=64
  --config.model.convolution_dtype=bfloat16 --config.model.critic_dtype=bfloat16

On a GPU that is lent for some minutes at a time: `experiments/lease.py`. For a quicker
start, with fewer lamps to learn from, and without windows:
--config.data.dataset=simulated_lava_lamp/64x64_10min --config.data.frame_stride=6
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
                # At 5 frames per second, each frame is a step of 0.2 s.
                data=c.DataConfig(
                    dataset="simulated_lava_lamp/10h",
                    clip_length=21,
                    frame_stride=1,
                    horizontal_flip=True,
                    windows=32,
                ),
                model=c.ModelConfig(generator="field", refresh=0.01),
                loss=ENCODER_LOSS,
                optimizer=c.OptimizerConfig(gradient_clip=1.0, warmup_steps=100),
                training=c.TrainingConfig(num_steps=8_000),
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
