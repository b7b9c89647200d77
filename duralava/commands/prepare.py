"""Prepares a data set for training, once.

duralava prepare --dataset=lava_lamp --source=VIDEO_OR_FOLDER
duralava prepare --dataset=simulated_lava_lamp
"""

from collections.abc import Sequence

from absl import flags
from etils import epy

from duralava.datasets import DATA_DIR

with epy.lazy_imports():
    from duralava.datasets import preparation

_DATASET = flags.DEFINE_string(
    "dataset",
    "simulated_lava_lamp",
    "lava_lamp or simulated_lava_lamp, or one of their configs, as lava_lamp/64x64.",
)
_SOURCE = flags.DEFINE_string(
    "source", None, "For lava_lamp: a video, or a folder of images."
)
_DATA_DIR = flags.DEFINE_string("data_dir", DATA_DIR, "Folder of prepared data sets.")
_RESOLUTION = flags.DEFINE_integer(
    "resolution", 64, "For lava_lamp: height and width of a frame in pixels."
)
_FIT = flags.DEFINE_enum(
    "fit",
    "crop",
    ["crop", "letterbox"],
    "For lava_lamp: crop to the centred square of the film, or add black bars.",
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Prepare anew what exists already, whatever its film."
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
    size = f"{builder.info.dataset_size / 1e6:.1f} MB"
    verb = "wrote" if written else "already prepared:"
    print(f"{verb} {frames}, {size}, in {builder.data_dir}")


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
