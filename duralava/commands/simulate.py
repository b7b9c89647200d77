"""Simulates a lava lamp by its physics, without any network, and films or measures it.

duralava simulate --output=lamp.png --seconds=20
duralava simulate --report=lamp_report --seconds=3600 --seeds=20

A report simulates one lamp on each core that it may use; `taskset` can restrict them.
"""

import sys
from collections.abc import Sequence

from absl import flags
from etils import epy

from duralava import extras, simulation

with epy.lazy_imports():
    import tqdm

    from duralava.rendering import writers
    from duralava.simulation import report

_OUTPUT = flags.DEFINE_string(
    "output", "lamp.png", "File to write; its suffix sets the format."
)
_SECONDS = flags.DEFINE_float(
    "seconds",
    None,
    "Length of the film: 20 unless given; 3600 for each long film of a report.",
)
_SIZE = flags.DEFINE_integer("size", 256, "Height and width of a frame in pixels.")
_SEED = flags.DEFINE_integer("seed", 0, "Each seed gives another film.")
_THEME = flags.DEFINE_string(
    "theme", simulation.DEFAULT_THEME, f"Colours: {', '.join(simulation.THEMES)}."
)
_REPORT = flags.DEFINE_string(
    "report", None, "Folder to write a report of the lamp to, instead of a film."
)
_SEEDS = flags.DEFINE_integer("seeds", 20, "Number of lamps in a report.")
_LONG_SEEDS = flags.DEFINE_integer(
    "long_seeds", 5, "Number of lamps of a report with a long film, the first ones."
)
_SECONDS_PER_SEED = flags.DEFINE_float(
    "seconds_per_seed",
    600.0,
    "Length of film of each other lamp of a report.",
)


def main(_: Sequence[str]) -> None:
    """Simulates and prints what was written."""
    if not 0 <= _SEED.value < 2**32:
        raise ValueError(f"--seed must be from 0 to 2^32 - 1, not {_SEED.value}")
    if _REPORT.value is None:
        _write_film(20.0 if _SECONDS.value is None else _SECONDS.value)
    else:
        _write_report(3600.0 if _SECONDS.value is None else _SECONDS.value)


def _write_film(seconds: float) -> None:
    frames = simulation.film(
        seconds, size=_SIZE.value, seed=_SEED.value, theme=_THEME.value
    )
    writers.check_output(_OUTPUT.value)
    fps = simulation.FRAMES_PER_SECOND
    try:
        with tqdm.tqdm(
            frames, total=round(seconds * fps), unit="frame", dynamic_ncols=True
        ) as counted:
            count = writers.write_frames(_OUTPUT.value, iter(counted), fps=fps)
    except writers.Interrupted as interrupt:
        _print_wrote(interrupt.count)
        raise
    _print_wrote(count)


def _print_wrote(count: int) -> None:
    fps = simulation.FRAMES_PER_SECOND
    to_output = _OUTPUT.value == writers.STANDARD_OUTPUT  # which is the film then
    print(
        f"wrote {count} frames at {fps} fps: {_OUTPUT.value}",
        file=sys.stderr if to_output else sys.stdout,
    )


def _write_report(seconds: float) -> None:
    with extras.needed("train"):  # for its plots; a film needs none
        rows = report.write_report(
            _REPORT.value,
            seed=_SEED.value,
            num_seeds=_SEEDS.value,
            num_long=_LONG_SEEDS.value,
            seconds=seconds,
            seconds_per_seed=_SECONDS_PER_SEED.value,
        )
    verdicts = [row.met for row in rows if row.met is not None]
    print(
        f"wrote a report, {sum(verdicts)} of {len(verdicts)} thresholds met: "
        f"{_REPORT.value}/report.md"
    )
