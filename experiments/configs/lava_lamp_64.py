"""Your own film at 64x64: `duralava.configs.lava_lamp_64`."""

from duralava.configs.lava_lamp_64 import get_config as get_config
