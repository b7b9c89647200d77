"""Your own film, drawn at any size: `duralava.configs.lava_lamp`."""

from duralava.configs.lava_lamp import get_config as get_config
