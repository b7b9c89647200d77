"""The simulated lamp, drawn at any size: `duralava.configs.simulated`."""

from duralava.configs.simulated import get_config as get_config
