"""TFDS data set of the film of a real lava lamp."""

from duralava.datasets.lava_lamp.lava_lamp import LavaLamp as LavaLamp
