"""The report of a simulated lamp: whether its film lasts without freezing or repeating.

One lamp is simulated for long, lamps of other seeds for a while. The table of
`report.md` says what is measured and which range it must lie in; `report.json` holds
all numbers; pictures show them.
"""

import dataclasses
import math
import os
from collections.abc import Sequence

import tqdm

from duralava import files, tables
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
      seconds: length of film of the first lamp.
      seconds_per_seed: length of film of each other lamp.
      samples_per_second: moments at which lamps are measured.
      config: the lamps.

    Raises:
      ValueError: fewer than 2 seeds, a film shorter than `MIN_SECONDS`, or a first film
        that is shorter than the others.
    """

    seed: int
    num_seeds: int
    seconds: float
    seconds_per_seed: float
    samples_per_second: int
    config: LampConfig

    def __post_init__(self) -> None:
        if self.num_seeds < 2:
            raise ValueError(
                f"a report compares at least 2 seeds, not {self.num_seeds}"
            )
        if not MIN_SECONDS <= self.seconds_per_seed <= self.seconds < math.inf:
            raise ValueError(
                f"a report needs {MIN_SECONDS:g} s of each seed, and of the first as "
                f"much or more, not {self.seconds_per_seed:g} s and {self.seconds:g} s"
            )

    @property
    def total_seconds(self) -> float:
        """Length of all films together."""
        return self.seconds + (self.num_seeds - 1) * self.seconds_per_seed


def write_report(
    directory: str | os.PathLike[str],
    *,
    seed: int = 0,
    num_seeds: int = 20,
    seconds: float = 3600.0,
    seconds_per_seed: float = 600.0,
    config: LampConfig = DEFAULT_CONFIG,
) -> list[Row]:
    """Simulates and measures lamps, and writes `report.md`, `report.json` and pictures.

    The same arguments give the same numbers. The directory appears when it is complete.

    Args:
      directory: folder to write; one that exists must be empty.
      seed: of the lamp with the long film, the first lamp.
      num_seeds: number of lamps: seed, seed + 1, ...
      seconds: length of the long film.
      seconds_per_seed: length of the other films. As much of the long film is compared
        with them.
      config: the lamps.

    Returns:
      The rows of the report.

    Raises:
      ValueError: fewer than 2 seeds, a film shorter than `MIN_SECONDS`, or a long film
        that is shorter than the others.
      OSError: the directory is not empty, or cannot be written.
    """
    plan = _Plan(
        seed=seed,
        num_seeds=num_seeds,
        seconds=seconds,
        seconds_per_seed=seconds_per_seed,
        samples_per_second=recording.SAMPLES_PER_SECOND,
        config=config,
    )
    files.check_new_folder(directory)
    with files.written_whole(directory) as folder:
        folder.mkdir()
        film, summaries = _record(plan)
        measurements, curves = measuring.measure(film, summaries, config)
        rows = thresholds.rows(measurements)
        contents = {
            "about": as_json(plan),
            "measures": [as_json(row) for row in rows],
            "numbers": as_json(measurements),
        }
        files.write_json(folder / "report.json", contents)
        figures = plots.figures(film, curves)
        for name, figure in figures.items():
            figure.savefig(folder / name, dpi=100)
        (folder / "report.md").write_text(_markdown(plan, rows, list(figures)))
    return rows


def _record(plan: _Plan) -> tuple[recording.LongFilm, list[recording.Summary]]:
    """Returns the film of the first lamp, and the summaries of all lamps."""
    total = round(plan.total_seconds)
    with tqdm.tqdm(total=total, unit="s", dynamic_ncols=True) as progress:
        film = recording.record_long_film(
            plan.seed, plan.seconds, plan.config, progress.update
        )
        first = recording.summarise(film.wax, film.by_row, plan.seconds_per_seed)
        others = [
            recording.record_summary(
                seed, plan.seconds_per_seed, plan.config, progress.update
            )
            for seed in range(plan.seed + 1, plan.seed + plan.num_seeds)
        ]
    return film, [first, *others]


def _markdown(plan: _Plan, rows: Sequence[Row], pictures: Sequence[str]) -> str:
    return "\n".join(
        [
            "# The simulated lamp: does it last, and does it keep changing?",
            "",
            f"The lamp of seed {plan.seed} for {plan.seconds:g} s of film, and "
            f"{plan.num_seeds} lamps for {plan.seconds_per_seed:g} s, after the "
            f"warm-up; {plan.samples_per_second} moments a second. How each is "
            "measured: `duralava/simulation/statistics.py`.",
            "",
            tables.markdown(rows, thresholds.COLUMNS),
            "",
            *(f"![{name}]({name})\n" for name in pictures),
        ]
    )
