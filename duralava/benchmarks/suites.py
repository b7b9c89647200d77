"""The suites of the benchmark: which contenders each one compares."""

import dataclasses
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from duralava import pretrained
from duralava.benchmarks import measure
from duralava.benchmarks.measure import Result
from duralava.config import Config, to_dict

ORIGINAL, DEFAULT, KERAS = "original network", "default network", "Keras"
WITH_ADVERSARY = f"{DEFAULT}, with adversary"
EAGER, GRAPH = f"{KERAS}, eager", f"{KERAS}, tf.function"
WRITER, STILL = "APNG writer alone", "one frame"
FILM, SHORT_FILM = "a film", "a hundredth of it"
SIZE = 64  # pixels, height and width of the original's frames


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the suites.

    Attributes:
      configs: training configs to time, by name: `ORIGINAL`, `DEFAULT` and
        `WITH_ADVERSARY`.
      keras: whether to measure the original in Keras as well.
      repeats: number of timed runs of each contender.
      num_frames: length in frames of the film that the render suite writes.
      sample_sizes: heights and widths of frames in the sample suite, in pixels.
      num_viewed_frames: number of frames that each viewer in the live suite receives.
      num_viewers: numbers of viewers in the live suite.
      clip_lengths: values of T in the scaling suite.
      batch_sizes: values of B in the scaling suite.
      resolutions: resolutions in the scaling suite, in pixels.
    """

    configs: Mapping[str, Config]
    keras: bool = False
    repeats: int = 5
    num_frames: int = 100_000
    sample_sizes: tuple[int, ...] = (SIZE, 256, 1080)
    num_viewed_frames: int = 600
    num_viewers: tuple[int, ...] = (20, 100)
    clip_lengths: tuple[int, ...] = (20, 40, 80, 160)
    batch_sizes: tuple[int, ...] = (8, 16, 32, 64)
    resolutions: tuple[int, ...] = (64, 128, 256)


def train(options: Options) -> list[Result]:
    """Times training steps; units are frames of film."""
    return measure.time_tasks(
        "train", _training_tasks(options), unit="frame", repeats=options.repeats
    )


def startup(options: Options) -> list[Result]:
    """Times the start of training: from process start to the end of the first step.

    Once without and once with a cache of compiled programs.
    """
    return measure.first_runs(
        "startup", _training_tasks(options), repeats=min(options.repeats, 3)
    )


def sample(options: Options) -> list[Result]:
    """Times one lamp in memory, in some sizes; units are frames, one per model step."""
    tasks = {
        f"{size} px": {
            "task": "sample",
            "checkpoint": pretrained.DEFAULT,
            # As many pixels of each size, but for the frames that start a run.
            "num_frames": max(10, options.num_frames // 20 * SIZE**2 // size**2),
            "size": size,
        }
        for size in options.sample_sizes
    }
    if options.keras:
        frames = {"num_frames": max(1, options.num_frames // 500)}
        for name, graph in ((EAGER, False), (GRAPH, True)):
            tasks[name] = {"task": "sample_keras", "graph": graph} | frames
    return measure.time_tasks("sample", tasks, unit="frame", repeats=options.repeats)


def render(options: Options) -> list[Result]:
    """Times whole runs of `duralava render`, and the APNG writer alone."""
    writer = {
        "task": "write_apng",
        "checkpoint": pretrained.DEFAULT,
        "num_frames": max(1, options.num_frames // 10),
        "size": SIZE,
    }
    results = measure.time_tasks(
        "render", {WRITER: writer}, unit="frame", repeats=options.repeats
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, share in ((SHORT_FILM, 100), (FILM, 1), (STILL, options.num_frames)):
            number = max(1, options.num_frames // share)
            flags = [f"--output={folder}/lamp.png", f"--num_frames={number}"]
            flags.append(f"--size={SIZE}")
            results.append(
                measure.run_program(
                    "render",
                    name,
                    [sys.executable, "-m", "duralava", "render", *flags],
                    units=number,
                    unit="frame",
                    repeats=1 if name == FILM else options.repeats,
                    # The short film has already compiled the programs of the long one.
                    warm_up=name != FILM,
                )
            )
    return results


def data(options: Options) -> list[Result]:
    """Times reading clips from disk, as training reads them."""
    task = {
        "task": "read_clips",
        "config": to_dict(options.configs[DEFAULT]),
        "num_batches": 200,
        "film_seconds": 600,
    }
    return measure.time_tasks(
        "data", {DEFAULT: task}, unit="clip", repeats=options.repeats
    )


def scaling(options: Options) -> list[Result]:
    """Times training steps with the adversary at other T, B and resolutions."""
    config = options.configs[WITH_ADVERSARY]
    changed = {}
    for length in options.clip_lengths:
        longer = _with(config, "data", clip_length=length)
        changed[f"T {length}"] = longer
        one = _with(longer, "training", clips_at_once=1)
        changed[f"T {length}, a clip at once"] = one
    for size in options.batch_sizes:
        changed[f"B {size}"] = _with(config, "data", batch_size=size)
    for resolution in options.resolutions:
        changed[f"{resolution} px"] = _with(config, "model", resolution=resolution)
    results = []
    for name, value in changed.items():
        task = {"task": "train", "config": to_dict(value)}
        # One process at a time: together they might not fit into memory.
        results += measure.time_tasks(
            "scaling", {name: task}, unit="frame", repeats=options.repeats
        )
    return results


def live(options: Options) -> list[Result]:
    """Times a lamp served at 30 frames per second; units are frames per viewer.

    All viewers run on the same machine, in one process.
    """
    with measure.serving(
        [sys.executable, "-m", "duralava", "live", "--port=0", "--noopen", "--fps=30"]
    ) as address:
        tasks = {
            f"{number} viewers": {
                "task": "watch",
                "address": f"{address}/lamp",
                "num_viewers": number,
                "num_frames": options.num_viewed_frames,
            }
            for number in options.num_viewers
        }
        results = measure.time_tasks(
            "live", tasks, unit="frame", repeats=options.repeats
        )
    # The memory of the viewers' process is not that of the server.
    return [dataclasses.replace(result, peak_bytes=0) for result in results]


def ratios(results: Sequence[Result], config: Config) -> dict[str, float]:
    """Returns ratios between results, by name, for all pairs that were measured.

    Args:
      results: results of any suites.
      config: training config of the default network.
    """
    by_name = {(result.suite, result.name): result for result in results}
    found = {}

    def add_ratio(
        name: str,
        attribute: str,
        over: tuple[str, str],
        under: tuple[str, str],
        scale: float = 1.0,
    ) -> None:
        if over in by_name and under in by_name:
            pair = (getattr(by_name[key], attribute) for key in (over, under))
            found[name] = scale * next(pair) / next(pair)

    for network in (ORIGINAL, DEFAULT, WITH_ADVERSARY):
        pair = (("train", network), ("train", KERAS))
        add_ratio(f"training, {network} over Keras, frames/s", "rate", *pair)
        add_ratio(f"memory of training, {network} over Keras", "peak_bytes", *pair)
        for start in ("", measure.NEXT_START):
            pair = (("startup", network + start), ("startup", KERAS + start))
            name = f"first step, {network}{start} over Keras, seconds"
            add_ratio(name, "median", *pair)
    for keras in (EAGER, GRAPH):
        pair = (("sample", f"{SIZE} px"), ("sample", keras))
        add_ratio(f"one lamp, ours over {keras}, frames/s", "rate", *pair)
    film = ("render", FILM)
    add_ratio(
        "rendering over the writer alone, frames/s", "rate", film, ("render", WRITER)
    )
    name = "memory of a rendering, a film over a hundredth of it"
    add_ratio(name, "peak_bytes", film, ("render", SHORT_FILM))
    clips, length = ("data", DEFAULT), config.data.clip_length
    name = "clips read over clips trained on"
    add_ratio(name, "rate", clips, ("train", DEFAULT), scale=length)
    if clips in by_name:
        name = "clips read over those of a step of 10 ms"
        found[name] = by_name[clips].rate * 0.01 / config.data.batch_size
    return found


SUITES: dict[str, Callable[[Options], list[Result]]] = {
    suite.__name__: suite
    for suite in (train, sample, render, startup, data, live, scaling)
}


def _training_tasks(options: Options) -> dict[str, dict[str, Any]]:
    tasks = {
        name: {"task": "train", "config": to_dict(config)}
        for name, config in options.configs.items()
    }
    if options.keras:
        data = options.configs[ORIGINAL].data
        tasks[KERAS] = {
            "task": "train_keras",
            "clip_length": data.clip_length,
            "batch_size": data.batch_size,
        }
    return tasks


def _with(config: Config, section: str, **changes: Any) -> Config:
    part = dataclasses.replace(getattr(config, section), **changes)
    return dataclasses.replace(config, **{section: part})
