<<<<<<< HEAD
"""From film to clips: video files, simulated film, TFDS data sets, batches of clips."""

DATA_DIR = "~/duralava_data"
"""Folder of prepared data sets, unless another one is given."""
=======
"""Turns film, recorded or simulated, into clips of uint8 frames."""
>>>>>>> docs
