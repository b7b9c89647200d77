"""A whole evaluation: a lamp at its horizons and its rivals, against held-out film."""

import contextlib
import dataclasses
import itertools
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from duralava.datasets import DATA_DIR, arrays, clips, preparation
from duralava.evaluation import features, latents, samples
from duralava.evaluation.contenders import (
    Contender,
    film_contenders,
    lamp_at_horizon,
    rival,
    run_lamps,
)
from duralava.evaluation.durability import HorizonState
from duralava.evaluation.measures import (
    MEASURES,
    ClipFigures,
    Measure,
    fit_measures,
)
from duralava.evaluation.plan import DEFAULT_PLAN, Plan
from duralava.evaluation.reference import Reference, make_reference
from duralava.evaluation.samples import SampleSize, Segments
from duralava.lamp import Lamp

FILM = "held-out film"
_SHOWN_STEPS = 64


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Results of an evaluation.

    Attributes:
      lamp: that was evaluated.
      contenders: figures by name; horizons are `20 steps`, ...
      runs: names of the contenders that are horizons, for each group of lamps that ran
        to them.
      durability: tests of the latents.
      films: u8[T, 8, H, W, 3] of each contender and of `FILM`, one frame a step: the
        first steps of the films whose dynamics were measured.
      notes: sentences on what limits the results.
    """

    lamp: Lamp
    contenders: dict[str, ClipFigures]
    runs: tuple[tuple[str, ...], ...]
    durability: latents.Durability
    films: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()


def evaluate(
    lamp: Lamp,
    dataset: str,
    *,
    data_dir: str | os.PathLike[str] = DATA_DIR,
    plan: Plan = DEFAULT_PLAN,
    rivals: Mapping[str, Lamp] | None = None,
    extractors: Mapping[str, features.Extractor] = features.EXTRACTORS,
    measures: Mapping[str, Measure] = MEASURES,
    on_stage: Callable[[str], Any] = lambda name: None,
    on_steps: Callable[[int], Any] = lambda steps: None,
) -> Evaluation:
    """Evaluates a lamp on film.

    Args:
      lamp: to evaluate.
      dataset: name of a prepared data set, or path of a video or a folder of images,
        which is prepared in a temporary folder.
      data_dir: folder of prepared data sets.
      plan: how much is measured.
      rivals: as of `evaluate_on_segments`.
      extractors: as of `evaluate_on_segments`.
      measures: as of `evaluate_on_segments`.
      on_stage: as of `evaluate_on_segments`.
      on_steps: as of `evaluate_on_segments`.

    Raises:
      ValueError: there is no such film, or as `evaluate_on_segments`.
      OSError: a file cannot be read or written.
    """
    with contextlib.ExitStack() as stack:
        if dataset.partition("/")[0] not in preparation.DATASETS:
            size = lamp.config.resolution
            data_dir = stack.enter_context(tempfile.TemporaryDirectory())
            name = f"lava_lamp/{size}x{size}"
            preparation.prepare(name, data_dir, source=dataset)
            dataset = name
        learned, held_out = (
            clips.load_film(dataset, data_dir, split) for split in ("train", "test")
        )
        return evaluate_on_segments(
            lamp,
            learned.segments(),
            held_out.segments(),
            windows=(
                stored_windows(learned, "train"),
                stored_windows(held_out, "test"),
            ),
            stride=samples.film_stride(learned.fps, lamp.steps_per_second),
            plan=plan,
            rivals=rivals,
            extractors=extractors,
            measures=measures,
            on_stage=on_stage,
            on_steps=on_steps,
        )


def evaluate_on_segments(
    lamp: Lamp,
    learned: Segments,
    held_out: Segments,
    *,
    stride: int,
    plan: Plan,
    windows: tuple[Segments | None, Segments | None] = (None, None),
    rivals: Mapping[str, Lamp] | None = None,
    extractors: Mapping[str, features.Extractor] = features.EXTRACTORS,
    measures: Mapping[str, Measure] = MEASURES,
    on_stage: Callable[[str], Any] = lambda name: None,
    on_steps: Callable[[int], Any] = lambda steps: None,
) -> Evaluation:
    """Evaluates a lamp on the film that it learned and on other film.

    Args:
      lamp: to evaluate.
      learned: film that it was trained on.
      held_out: other film of the same kind.
      stride: film frames per model step.
      plan: how much is measured.
      windows: a window of each frame of both films, as of `samples.Sample`; None for a
        film that has none.
      rivals: other lamps by name; measured after 20 steps.
      extractors: of the features that clips are compared by.
      measures: what else is measured. Without `two_sample`, which trains classifiers,
        an evaluation is several times as fast.
      on_stage: called with the name of each stage before it starts.
      on_steps: called with the number of steps that the lamps have made since it was
        last called.

    Raises:
      ValueError: the films are too short or the horizons too far, or the frames of a
        lamp have another size or another rate.
    """
    rivals = rivals or {}
    for name, other in {"the lamp": lamp, **rivals}.items():
        _check_fits(name, other, learned[0].shape[1], lamp.steps_per_second)
    runs = _start_runs(lamp, plan, on_steps)
    on_stage(FILM)
    size = _sample_size(plan, (learned, held_out), stride)
    learned_windows, held_out_windows = windows
    reference = make_reference(
        learned,
        held_out,
        size=size,
        stride=stride,
        step_seconds=1 / lamp.steps_per_second,
        mirrored=bool(lamp.training and lamp.training.data.horizontal_flip),
        extractors=extractors,
        windows=held_out_windows,
    )
    at_horizons, tests, record = _run(lamp, runs, size, on_stage)
    contenders = [
        *film_contenders(
            learned, size, stride=stride, seed=plan.seed, windows=learned_windows
        ),
        *(rival(name, other, plan, size) for name, other in rivals.items()),
        *itertools.chain(*at_horizons),
    ]
    figures, films = _measure(contenders, reference, measures, on_stage)
    on_stage("dynamics")
    durability = latents.Durability(
        horizons=tests,
        one_lamp=latents.one_lamp_tests(record),
        motion=latents.latent_motion(lamp, plan.seed),
    )
    names = tuple(tuple(at.name for at in run) for run in at_horizons)
    return Evaluation(lamp, figures, names, durability, films, _notes(plan, size))


def _sample_size(plan: Plan, films: tuple[Segments, ...], stride: int) -> SampleSize:
    """Returns the size of samples: that of the plan, or what short films allow."""
    count, steps = samples.fitting_size(
        films, plan.num_clips, plan.clip_length, stride=stride
    )
    return SampleSize(count, steps, samples.longest_film(films, stride=stride))


def _notes(plan: Plan, size: SampleSize) -> tuple[str, ...]:
    found, wanted = (
        f"{some.num_clips} clips of {some.clip_length} steps" for some in (size, plan)
    )
    if found == wanted:
        return ()
    return (
        f"The film is short: it gives {found}, not {wanted}. Clips overlap, intervals "
        "are wide, and small differences do not show.",
    )


def _start_runs(
    lamp: Lamp, plan: Plan, on_steps: Callable[[int], Any]
) -> dict[str, Iterator[HorizonState]]:
    """Returns the plan's runs by their names; they run as they are iterated over."""
    return {
        f"{num_lamps} lamps to {horizons[-1]:,} steps": run_lamps(
            lamp, horizons, num_lamps, plan, on_steps
        )
        for horizons, num_lamps in plan.runs()
    }


def _run(
    lamp: Lamp,
    runs: Mapping[str, Iterator[HorizonState]],
    size: SampleSize,
    on_stage: Callable[[str], Any],
) -> tuple[list[list[Contender]], dict[str, latents.HorizonTests], np.ndarray]:
    """Runs the lamp, and returns what its horizons give.

    Returns:
      The lamp at each horizon of each run, the tests of its latents, and the states
      f32[R, Z] of one lamp over time in the last run.
    """
    contenders, tests, record = [], {}, []
    for stage, states in runs.items():
        on_stage(stage)
        record = []
        contenders.append([])
        for state in states:
            name = f"{state.step:,} steps"
            if name in tests:  # of another run
                name = f"{name}, {state.latents.shape[1]} lamps"
            contenders[-1].append(lamp_at_horizon(name, lamp, state, size))
            tests[name] = latents.horizon_tests(state)
            record.append(state.record)
    return contenders, tests, np.concatenate(record)


def stored_windows(film: clips.Film, split: str) -> Segments | None:
    """Returns the windows that the data set holds of each frame, or None."""
    folder = film.frames.path.parent
    name = f"window_{samples.PICTURE_SIZE}"
    if not arrays.path(folder, split, name).exists():
        return None
    windows = arrays.load_rows(folder, split, name, remedy=film.frames.remedy)
    return dataclasses.replace(film, frames=windows).segments()


def _measure(
    contenders: Iterable[Contender],
    reference: Reference,
    measures: Mapping[str, Measure],
    on_stage: Callable[[str], Any],
) -> tuple[dict[str, ClipFigures], dict[str, np.ndarray]]:
    """Returns the figures and the shown films of contenders, by name."""
    measure_clips = fit_measures(reference, measures)
    figures, films = {}, {FILM: reference.sample.film[:_SHOWN_STEPS]}
    for contender in contenders:
        on_stage(contender.name)
        sample = contender.sample()
        figures[contender.name] = measure_clips(sample)
        films[contender.name] = sample.film[:_SHOWN_STEPS]
    return figures, films


def _check_fits(name: str, lamp: Lamp, size: int, steps_per_second: float) -> None:
    if lamp.config.resolution != size:
        raise ValueError(
            f"{name} makes frames of {lamp.config.resolution} pixels, but the "
            f"film's have {size}"
        )
    if not math.isclose(lamp.steps_per_second, steps_per_second):
        raise ValueError(
            f"{name} makes {lamp.steps_per_second:g} steps a second, but "
            f"is to be compared with {steps_per_second:g}"
        )
