"""A neural network that simulates a lava lamp for ever."""
