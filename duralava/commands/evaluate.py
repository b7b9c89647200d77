"""Measures how real a lamp looks and how long it lasts, against film and rivals.

duralava evaluate --dataset=simulated_lava_lamp/64x64_1h --output=report
duralava evaluate --checkpoint=DIR --dataset=film.mp4 --num_clips=64
"""

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Sequence

import jax
import tqdm
from absl import flags

from duralava import files, pretrained
from duralava.config import DataConfig
from duralava.datasets import clips, preparation
from duralava.evaluation import evaluate, features, imagenet, report

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", pretrained.DEFAULT, "Shipped name, training workdir or file."
)
_DATASET = flags.DEFINE_string(
    "dataset", None, "Prepared data set, a video or a folder of images.", required=True
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", DataConfig.data_dir, "Folder of prepared data sets."
)
_HORIZONS = flags.DEFINE_list(
    "horizons", ["20", "1000", "10000"], "Steps after which lamps are measured."
)
_NUM_CLIPS = flags.DEFINE_integer(
    "num_clips", 512, "Clips compared with as many of film.", lower_bound=40
)
_CLIP_LENGTH = flags.DEFINE_integer(
    "clip_length", 16, "Steps of a clip; fewer for a short film.", lower_bound=4
)
_NUM_LAMPS = flags.DEFINE_integer(
    "num_lamps", 1024, "Lamps up to 100,000 steps.", lower_bound=32
)
_NUM_FAR_LAMPS = flags.DEFINE_integer(
    "num_far_lamps", 64, "Lamps beyond.", lower_bound=32
)
_RIVALS = flags.DEFINE_list("rivals", [], "Other checkpoints to measure beside it.")
_IMAGENET = flags.DEFINE_bool(
    "imagenet", False, "Compare learned features too; needs the extra [metrics]."
)
_SEED = flags.DEFINE_integer("seed", 0, "Of all that is random.", lower_bound=0)
_OUTPUT = flags.DEFINE_string("output", "report", "Folder for the report.")


def main(_: Sequence[str]) -> None:
    """Evaluates, prints tables and says what was written."""
    files.check_new_folder(_OUTPUT.value)
    plan = evaluate.Plan(
        horizons=_horizons(),
        num_clips=_NUM_CLIPS.value,
        clip_length=_CLIP_LENGTH.value,
        num_lamps=_NUM_LAMPS.value,
        num_far_lamps=_NUM_FAR_LAMPS.value,
        seed=_SEED.value,
    )
    extractors = dict(features.EXTRACTORS)
    if _IMAGENET.value:
        imagenet.load()  # fails at once where it is not installed
        extractors[imagenet.efficientnet_lite0.__name__] = imagenet.efficientnet_lite0
    lamp = pretrained.load(_CHECKPOINT.value)
    rivals = {name: pretrained.load(name) for name in _RIVALS.value}
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        data_dir, name = _DATA_DIR.value, _DATASET.value
        if name.partition("/")[0] not in preparation.DATASETS:
            size = lamp.config.model.resolution
            data_dir = stack.enter_context(tempfile.TemporaryDirectory())
            builder = f"lava_lamp/{size}x{size}"
            preparation.prepare(builder, data_dir, source=name)
            name = builder
        learned, held_out = (
            clips.load_film(name, data_dir, split) for split in ("train", "test")
        )
        config = lamp.config.data
        progress = stack.enter_context(
            tqdm.tqdm(total=plan.num_steps, unit="step", dynamic_ncols=True)
        )
        evaluation = evaluate.evaluate(
            lamp,
            learned.segments(),
            held_out.segments(),
            stride=evaluate.film_stride(learned.fps, config.steps_per_second),
            plan=plan,
            rivals=rivals,
            begin=progress.set_description,
            advance=progress.update,
            extractors=extractors,
        )
    about = {
        "checkpoint": _CHECKPOINT.value,
        "dataset": _DATASET.value,
        "plan": dataclasses.asdict(plan),
        "config": dataclasses.asdict(lamp.config),
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "seconds": round(time.monotonic() - start),
    }
    fps = config.steps_per_second
    print(report.write_report(_OUTPUT.value, evaluation, about=about, fps=fps))
    print(f"wrote the report: {_OUTPUT.value}/report.html")


def _horizons() -> tuple[int, ...]:
    try:
        horizons = tuple(int(value) for value in _HORIZONS.value)
    except ValueError as error:
        raise ValueError(
            f"--horizons are whole numbers of steps, not {','.join(_HORIZONS.value)}"
        ) from error
    return horizons
