"""From film, recorded or simulated, to batches of clips: uint8 frames throughout."""

DATA_DIR = "~/duralava_data"
"""Folder of prepared data sets, unless another one is given."""
