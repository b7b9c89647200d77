"""The recipe of the original duralava: `duralava.configs.original_64`."""

from duralava.configs.original_64 import get_config as get_config
