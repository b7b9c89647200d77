"""Prepares a data set for training, once.

duralava prepare --dataset=lava_lamp --source=VIDEO_OR_FOLDER
duralava prepare --dataset=simulated_lava_lamp
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from duralava.config import DataConfig
from duralava.datasets import preparation

_DATASET = flags.DEFINE_string(
    "dataset",
    "simulated_lava_lamp",
    "lava_lamp or simulated_lava_lamp, or one of their configs as lava_lamp/64x64.",
)
_SOURCE = flags.DEFINE_string(
    "source", None, "Of lava_lamp: a video, or a folder of images."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", DataConfig.data_dir, "Folder of prepared data sets."
)
_RESOLUTION = flags.DEFINE_integer(
    "resolution", 64, "Of lava_lamp: height and width of a frame in pixels."
)
_FIT = flags.DEFINE_enum(
    "fit",
    "crop",
    ["crop", "letterbox"],
    "Of lava_lamp: cut the centred square out of the film, or add black bars.",
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Replace what is prepared already, whatever its film."
)


def main(argv: Sequence[str]) -> None:
    """Prepares the data set and prints what was written."""
    del argv
    builder, written = preparation.prepare(
        _dataset_name(),
        _DATA_DIR.value,
        source=_SOURCE.value,
        overwrite=_OVERWRITE.value,
    )
    frames = ", ".join(
        f"{split.num_examples} {name} frames"
        for name, split in builder.info.splits.items()
    )
    size = sum(path.stat().st_size for path in pathlib.Path(builder.data_dir).iterdir())
    verb = "wrote" if written else "already prepared:"
    print(f"{verb} {frames}, {size / 1e6:.1f} MB, in {builder.data_dir}")


def _dataset_name() -> str:
    sized = _RESOLUTION.present or _FIT.present
    if _DATASET.value != "lava_lamp":
        if sized:
            raise ValueError(
                "--resolution and --fit go with --dataset=lava_lamp, not with "
                f"--dataset={_DATASET.value}"
            )
        return _DATASET.value
    suffix = "" if _FIT.value == "crop" else f"_{_FIT.value}"
    return f"lava_lamp/{_RESOLUTION.value}x{_RESOLUTION.value}{suffix}"
