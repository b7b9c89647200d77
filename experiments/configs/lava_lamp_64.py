"""A film of one's own at 64x64, by the recipe of `simulated_64`.

  python tools/prepare_dataset.py --dataset=lava_lamp --source=VIDEO
  python experiments/train.py --config=experiments/configs/lava_lamp_64.py --workdir=DIR

Clips are not mirrored: a real lamp's light and motion may have a side. At 30 fps a step
is 0.2 s of film; for time-lapse footage choose a smaller `--config.data.frame_stride`.
"""

from ml_collections import ConfigDict

from experiments.configs import simulated_64


def get_config() -> ConfigDict:
    """Returns the config."""
    config = simulated_64.get_config()
    config.data.dataset = "lava_lamp/64x64"
    config.data.horizontal_flip = False
    return config
