"""Trains for some minutes on a borrowed machine, and packs the run to go on elsewhere.

python experiments/lease.py --config=simulated --workdir=RUN --packed=DIR --minutes=9

A packed run in DIR is unpacked first, unless the workdir exists. When the time is over,
counted from the start of the program, the run is saved, and DIR holds it: its last
checkpoint, its config and its events, in parts of 15 MB, and samples.png with generated
frames (a row for each lamp, a second apart). The same command goes on from there.
"""

import pathlib
import time
from collections.abc import Sequence
from typing import Any

from absl import flags

from duralava import command_line
from duralava.commands import config_flag
from duralava.config import Config, from_dict
from duralava.datasets import DATA_DIR

_CONFIG = config_flag.define(None)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
_PACKED = flags.DEFINE_string("packed", None, "Folder of the packed run.")
_DATA_DIR = flags.DEFINE_string("data_dir", DATA_DIR, "Folder of prepared data sets.")
_START_FROM = flags.DEFINE_string(
    "start_from", None, "Weights that a new run starts from; fresh ones if not given."
)
_MINUTES = flags.DEFINE_float(
    "minutes", None, "From the start of the program to the last step.", lower_bound=0
)
flags.mark_flags_as_required(["config", "workdir", "packed", "minutes"])

_LAMPS, _MOMENTS = 6, 8
_SAMPLE_SIZE = 192  # pixels


def main(_: Sequence[str]) -> None:
    """Trains, and says what it packed."""
    start = time.monotonic()
    # Imported here: it takes seconds, which count.
    from PIL import Image

    from duralava import weights
    from duralava.training import loop, packing

    workdir, packed = pathlib.Path(_WORKDIR.value), pathlib.Path(_PACKED.value)
    if packing.parts(packed) and not workdir.exists():
        packing.unpack(packed, workdir)
    state = loop.train(
        from_dict(Config, _CONFIG.value.to_dict()),
        workdir,
        data_dir=_DATA_DIR.value,
        start_from=_START_FROM.value,
        max_seconds=60 * _MINUTES.value - (time.monotonic() - start),
        counts_compilation=True,
    )
    size = packing.pack(workdir, packed)
    Image.fromarray(_samples(weights.load(workdir))).save(packed / "samples.png")
    print(f"step {int(state.step)}: {size / 2**20:.0f} MB in {packed}")


def _samples(lamp: Any) -> Any:
    """Returns a picture of several lamps, at moments a second apart."""
    import numpy as np

    from duralava.rendering import pictures

    first = lamp.start(0, count=_LAMPS)
    stride = round(lamp.steps_per_second)
    _, trajectory = lamp.rollout(first.latents, first.key, num_steps=_MOMENTS * stride)
    size = lamp.drawn_size(None, default=_SAMPLE_SIZE)
    frames = np.asarray(lamp.generate(trajectory[::stride], size=size))
    by_lamp = frames.swapaxes(0, 1).reshape(-1, *frames.shape[2:])
    return pictures.tile(by_lamp, _LAMPS, _MOMENTS)


if __name__ == "__main__":
    command_line.use_huge_pages()
    command_line.run(main)
