"""The simulated lamp at 64x64: `duralava.configs.simulated_64`."""

from duralava.configs.simulated_64 import get_config as get_config
