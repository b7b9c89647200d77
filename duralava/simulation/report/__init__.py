"""The report of a simulated lamp: whether its film lasts without freezing or repeating.

Some lamps are simulated for long, lamps of other seeds for a while. The table of
`report.md` says what is measured and which range it must lie in; `report.json` holds
all numbers; pictures show them.
"""

import contextlib
import dataclasses
import functools
import math
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import tqdm

from duralava import files, tables
from duralava.simulation import parallel
from duralava.simulation.config import DEFAULT_CONFIG, LampConfig
from duralava.simulation.report import measuring, plots, recording, thresholds
from duralava.simulation.report.results import as_json
from duralava.simulation.report.thresholds import Row

MIN_SECONDS = 20.0


@dataclasses.dataclass(frozen=True)
class _Plan:
    """Which lamps a report simulates.

    Attributes:
      seed: of the first lamp; the others have the seeds that follow.
      num_seeds: number of lamps.
      num_long: number of lamps with a long film, the first ones.
      seconds: length of each long film.
      seconds_per_seed: length of film of each other lamp.
      samples_per_second: moments at which lamps are measured.
      config: the lamps.

    Raises:
      ValueError: fewer than 2 seeds, fewer than 1 or more than all with a long film, a
        film shorter than `MIN_SECONDS`, or long films shorter than the others.
    """

    seed: int
    num_seeds: int
    num_long: int
    seconds: float
    seconds_per_seed: float
    samples_per_second: int
    config: LampConfig

    def __post_init__(self) -> None:
        if self.num_seeds < 2:
            raise ValueError(
                f"a report compares at least 2 seeds, not {self.num_seeds}"
            )
        if not 1 <= self.num_long <= self.num_seeds:
            raise ValueError(
                f"of {self.num_seeds} seeds, 1 to {self.num_seeds} can have a long "
                f"film, not {self.num_long}"
            )
        if not MIN_SECONDS <= self.seconds_per_seed <= self.seconds < math.inf:
            raise ValueError(
                f"a report needs {MIN_SECONDS:g} s of each seed, and as much or more "
                f"of the long films, not {self.seconds_per_seed:g} s and "
                f"{self.seconds:g} s"
            )

    @property
    def total_seconds(self) -> float:
        """Length of all films together."""
        short = (self.num_seeds - self.num_long) * self.seconds_per_seed
        return self.num_long * self.seconds + short


class _Job(NamedTuple):
    """A lamp to simulate, with a long film or without."""

    seed: int
    is_long: bool


def write_report(
    directory: str | os.PathLike[str],
    *,
    seed: int = 0,
    num_seeds: int = 20,
    num_long: int = 5,
    seconds: float = 3600.0,
    seconds_per_seed: float = 600.0,
    config: LampConfig = DEFAULT_CONFIG,
) -> list[Row]:
    """Simulates and measures lamps, and writes `report.md`, `report.json` and pictures.

    Lamps are simulated in parallel, one on each core that this process may use. The
    same arguments give the same numbers, whatever the number of cores. The directory
    appears when it is complete. A script must call this function under
    `if __name__ == "__main__"`.

    Args:
      directory: folder to write; one that exists must be empty.
      seed: of the first lamp.
      num_seeds: number of lamps: seed, seed + 1, ...
      num_long: number of lamps with a long film, the first ones.
      seconds: length of each long film.
      seconds_per_seed: length of the other films. As much of the long films is compared
        with them.
      config: the lamps.

    Returns:
      The rows of the report.

    Raises:
      ValueError: fewer than 2 seeds, fewer than 1 or more than all with a long film, a
        film shorter than `MIN_SECONDS`, or long films shorter than the others.
      OSError: the directory is not empty, or cannot be written; or a process that
        simulates lamps ended early.
      FloatingPointError: a lamp is no longer finite; the message says which, and when.
    """
    plan = _Plan(
        seed=seed,
        num_seeds=num_seeds,
        num_long=num_long,
        seconds=seconds,
        seconds_per_seed=seconds_per_seed,
        samples_per_second=recording.SAMPLES_PER_SECOND,
        config=config,
    )
    files.check_new_folder(directory)
    with files.written_whole(directory) as folder:
        folder.mkdir()
        films, summaries = _record(plan)
        measurements, curves = measuring.measure(films, summaries, config)
        rows = thresholds.rows(measurements)
        contents = {
            "about": as_json(plan),
            "measures": [as_json(row) for row in rows],
            "numbers": as_json(measurements),
        }
        files.write_json(folder / "report.json", contents)
        figures = plots.figures(films, curves[0])
        for name, figure in figures.items():
            figure.savefig(folder / name, dpi=100)
        (folder / "report.md").write_text(_markdown(plan, rows, list(figures)))
    return rows


def _record(plan: _Plan) -> tuple[list[recording.LongFilm], list[recording.Summary]]:
    """Returns the long films of the first lamps, and the summaries of all lamps."""
    jobs = [
        _Job(plan.seed + index, index < plan.num_long)  # the longest films come first
        for index in range(plan.num_seeds)
    ]
    records: dict[int, recording.LongFilm | recording.Summary] = {}
    results = parallel.run_jobs(functools.partial(_results, plan), jobs)
    total = round(plan.total_seconds)
    with (
        contextlib.closing(results),
        tqdm.tqdm(desc="film", total=total, unit="s", dynamic_ncols=True) as progress,
    ):
        for index, result in results:
            if isinstance(result, float):
                progress.update(result)
            else:
                records[index] = result
    films = [records[index] for index in range(plan.num_long)]
    others = [records[index] for index in range(plan.num_long, plan.num_seeds)]
    summaries = [
        recording.summarise(film.wax, film.by_row, plan.seconds_per_seed)
        for film in films
    ]
    return films, summaries + others


def _results(
    plan: _Plan, job: _Job
) -> Iterator[float | recording.LongFilm | recording.Summary]:
    """Yields the seconds of film as they are recorded, then the record of a lamp."""
    if job.is_long:
        return recording.record_long_film(job.seed, plan.seconds, plan.config)
    return recording.record_summary(job.seed, plan.seconds_per_seed, plan.config)


def _markdown(plan: _Plan, rows: Sequence[Row], pictures: Sequence[str]) -> str:
    return "\n".join(
        [
            "# The simulated lamp: does it last, and does it keep changing?",
            "",
            f"{plan.num_seeds} lamps, from seed {plan.seed}, are filmed for "
            f"{plan.seconds_per_seed:g} s each after the warm-up. The number of lamps, "
            f"from the first, that are filmed for {plan.seconds:g} s is "
            f"{plan.num_long}. There are {plan.samples_per_second} moments a second. "
            "How each is measured: `duralava/simulation/statistics.py` and "
            "`duralava/signals/blobs.py`.",
            "",
            tables.markdown(rows, thresholds.COLUMNS),
            "",
            f"Moments of each lamp with a long film, one lamp in a row; places and "
            f"curves of the lamp of seed {plan.seed}:",
            "",
            *(f"![{name}]({name})\n" for name in pictures),
        ]
    )
