"""Second stage: fits a flow and a transition to the codes of a film.

  python experiments/second_stage.py --checkpoint=FIRST --output=lamp.safetensors

The lamp FIRST has an encoder. Encoder and generator stay as they are;
`duralava.training.second_stage` says how the others are trained.
"""

import time
from collections.abc import Sequence

from absl import flags

from duralava import command_line, models, weights
from duralava.datasets import DATA_DIR, clips
from duralava.training import second_stage

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Weights of the first stage.")
_OUTPUT = flags.DEFINE_string("output", None, "File of the weights to write.")
_DATASET = flags.DEFINE_string(
    "dataset", "simulated_lava_lamp/10h", "The film that FIRST has learned."
)
_DATA_DIR = flags.DEFINE_string("data_dir", DATA_DIR, "Folder of prepared data sets.")
_TRANSITION = flags.DEFINE_enum(
    "transition", "rotation", list(models.TRANSITIONS), "Kind of the transition."
)
_DENSITY_STEPS = flags.DEFINE_integer(
    "density_steps", 3_000, "Steps in which the flow learns alone.", lower_bound=1
)
_JOINT_STEPS = flags.DEFINE_integer(
    "joint_steps", 8_000, "Steps in which both learn.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Of parameters and batches.", lower_bound=0)
flags.mark_flags_as_required(["checkpoint", "output"])


def main(_: Sequence[str]) -> None:
    """Fits both, and writes the lamp."""
    first = weights.load(_CHECKPOINT.value)
    if not first.has_encoder:
        raise ValueError(f"{_CHECKPOINT.value} has no encoder")
    film = clips.load_film(
        _DATASET.value, _DATA_DIR.value, "train", resolution=first.config.resolution
    )
    start = time.monotonic()
    lamp = second_stage.train_second_stage(
        first,
        film,
        transition=_TRANSITION.value,
        schedule=second_stage.Schedule(_DENSITY_STEPS.value, _JOINT_STEPS.value),
        seed=_SEED.value,
        mirrored=first.training is None or first.training.data.horizontal_flip,
        on_line=lambda line: print(
            f"{time.monotonic() - start:.0f} s: {line}", flush=True
        ),
    )
    weights.save(_OUTPUT.value, lamp)
    print(f"wrote {_OUTPUT.value}")


if __name__ == "__main__":
    command_line.run(main)
