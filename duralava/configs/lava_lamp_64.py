"""Your own film at 64x64, by the recipe of `simulated_64`.

  duralava prepare --dataset=lava_lamp --source=VIDEO
  duralava train --config=lava_lamp_64 --workdir=DIR

Clips are not mirrored: the light and the motion of a real lamp may have a side. At
30 fps a step is 0.2 s of film. For a slower film choose a larger
`--config.data.frame_stride`, for time-lapse footage a smaller one.
"""

from ml_collections import ConfigDict

from duralava import config as c


def get_config() -> ConfigDict:
    """Returns the config."""
    return ConfigDict(
        c.to_dict(
            c.Config(
                data=c.DataConfig(dataset="lava_lamp/64x64"),
                model=c.ModelConfig(
                    generator="convolution", generator_channels=(128, 96, 64, 32)
                ),
                loss=c.ENCODER_ASSISTED,
                optimizer=c.OptimizerConfig(gradient_clip=1.0, warmup_steps=100),
                training=c.TrainingConfig(num_steps=6_000),
            )
        )
    )
