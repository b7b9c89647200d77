"""The simulated lamp, drawn at any size, from ten hours of film.

  duralava prepare --dataset=simulated_lava_lamp/10h
  duralava train --config=simulated --workdir=DIR

Whole frames of 64 pixels and windows of larger pictures, of 64 pixels too, are learned
together. Ten hours of film are 240 lamps. Two phases. The encoder's terms alone train
layout and motion. Then a still critic and a motion critic learn alone for some hundred
steps, and train the generator from then on, beside the encoder's terms. Flow and
transition are fitted to the codes of the film afterwards, in half an hour of two
processor cores:

  python experiments/second_stage.py --checkpoint=DIR --output=lamp.safetensors

As it is, the config is for a GPU: an NVIDIA H200 makes 60 steps a second in the first
phase, and 30 in the second. `experiments/lease.py` trains on a GPU that is lent for
some minutes at a time. The shipped weights `simulated` were trained by nearly this
recipe (docs/experiments.md).

For hours of two processor cores, smaller critics see smaller batches:

  --config.data.batch_size=16 --config.data.windows=32
  --config.model.still_channels="(64, 96, 128, 192)"
  --config.model.still_blocks="(0, 1, 1, 1)"
  --config.model.motion_size=32 --config.model.motion_channels="(64, 96, 128)"
  --config.model.motion_blocks="(0, 1, 1)"
  --config.model.convolution_dtype=float32 --config.model.critic_dtype=float32
  --config.then[0].loss.motion_clips=8
  --config.then[0].optimizer.ema_half_life=20000

For a quicker start, with fewer lamps to learn from, and without windows:
--config.data.dataset=simulated_lava_lamp/64x64_10min --config.data.frame_stride=6
"""

import dataclasses

from ml_collections import ConfigDict

from duralava import config as c

ENCODER_LOSS = dataclasses.replace(
    c.ENCODER_ASSISTED, window_weight=1.5, slope_weight=1.0
)
# Of the encoder's terms, less is left beside the critics: L1 blurs what it cannot tell.
CRITICS_LOSS = dataclasses.replace(
    ENCODER_LOSS,
    reconstruction_weight=0.8,
    window_weight=0.6,
    slope_weight=0.4,
    rollout_weight=0.4,
    change_weight=4.0,
    adversary="critics",
    adversarial_weight=0.3,
    adversarial_shift=4,
    critic_lead_steps=300,
    critic_flip=True,
    still_penalty_weight=0.5,
    motion_weight=0.5,
    motion_penalty_weight=0.4,
    motion_clips=64,
    motion_frames=3,
    motion_spacing=10,  # 2 s
    critic_penalty_scale=0.5,
)
CRITICS_OPTIMIZER = c.OptimizerConfig(
    learning_rate=1.5e-4,
    still_learning_rate=2e-4,
    motion_learning_rate=1.5e-4,
    b1=0.5,
    gradient_clip=1.0,
    warmup_steps=100,
    ema_half_life=100_000,
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
                    batch_size=64,
                    horizontal_flip=True,
                    windows=256,
                ),
                model=c.ModelConfig(
                    generator="field",
                    still_channels=(64, 128, 256, 384),
                    still_blocks=(1, 1, 1, 1),
                    motion_size=64,
                    motion_channels=(64, 96, 128, 192),
                    motion_blocks=(0, 1, 1, 1),
                    critic_dtype="bfloat16",
                    refresh=0.01,
                    convolution_dtype="bfloat16",
                ),
                loss=ENCODER_LOSS,
                optimizer=c.OptimizerConfig(gradient_clip=1.0, warmup_steps=100),
                training=c.TrainingConfig(num_steps=3_500),
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
