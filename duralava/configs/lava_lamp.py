"""Your own film, drawn at any size, by the first phase of `simulated`.

  duralava learn --config=lava_lamp --source=VIDEO --workdir=DIR

`learn` prepares the film as large as it is. Training sees whole frames of 64 pixels and
windows of the larger pictures. Flow and transition are fitted at the end, as those of
the shipped weights. Clips are not mirrored: the light and the motion of a real lamp may
have a side.
"""

from ml_collections import ConfigDict

from duralava import config as c
from duralava.configs.simulated import ENCODER_LOSS


def get_config() -> ConfigDict:
    """Returns the config."""
    return ConfigDict(
        c.to_dict(
            c.Config(
                data=c.DataConfig(dataset="lava_lamp/256x256"),
                model=c.ModelConfig(generator="field"),
                loss=ENCODER_LOSS,
                optimizer=c.OptimizerConfig(gradient_clip=1.0, warmup_steps=100),
                training=c.TrainingConfig(num_steps=6_000),
            )
        )
    )
