"""TFDS data set of a real lava lamp's film."""

from duralava.datasets.lava_lamp.lava_lamp import LavaLamp as LavaLamp
