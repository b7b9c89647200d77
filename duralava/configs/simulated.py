"""The simulated lamp, drawn at any size.

  duralava prepare --dataset=simulated_lava_lamp/10h
  duralava train --config=simulated --workdir=DIR

One phase, the encoder's terms, on whole frames of 64 pixels. Ten hours of film are 240
lamps. For a quicker start, with fewer lamps to learn from:
--config.data.dataset=simulated_lava_lamp/64x64_10min --config.data.frame_stride=6
"""

from ml_collections import ConfigDict

from duralava import config as c


def get_config() -> ConfigDict:
    """Returns the config."""
    return ConfigDict(
        c.to_dict(
            c.Config(
                # At 5 frames per second, each frame is a step of 0.2 s.
                data=c.DataConfig(
                    dataset="simulated_lava_lamp/10h",
                    frame_stride=1,
                    horizontal_flip=True,
                ),
                model=c.ModelConfig(generator="field", refresh=0.01),
                loss=c.ENCODER_ASSISTED,
                optimizer=c.OptimizerConfig(gradient_clip=1.0, warmup_steps=100),
                training=c.TrainingConfig(num_steps=8_000),
            )
        )
    )
