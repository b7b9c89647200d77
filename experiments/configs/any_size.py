"""The simulated lamp at any size: `duralava.configs.any_size`."""

from duralava.configs.any_size import get_config as get_config
