"""TFDS data set of the film of simulated lava lamps."""

from duralava.datasets.simulated_lava_lamp.simulated_lava_lamp import (
    SimulatedLavaLamp as SimulatedLavaLamp,
)
from duralava.datasets.simulated_lava_lamp.simulated_lava_lamp import (
    SimulatedLavaLampConfig as SimulatedLavaLampConfig,
)
