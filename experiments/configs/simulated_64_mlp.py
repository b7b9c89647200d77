"""The simulated lamp with the MLP transition: `duralava.configs.simulated_64_mlp`."""

from duralava.configs.simulated_64_mlp import get_config as get_config
