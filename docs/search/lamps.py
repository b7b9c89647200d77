"""Searches for constants of the simulated lamp, and shows what each candidate does.

python docs/search/lamps.py --output=search --candidates=16 --seeds=2 --seconds=600

Candidates are drawn from `RANGES`, or read from a file that an earlier search wrote.
Each is simulated for several seeds, one lamp on each core, and measured as the report
of `tools/simulate.py --report` does it. The folder holds `candidates.json` (constants
and figures), `table.md`, and `contact_sheet.png` with a row of moments of each.
"""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.stats
import tqdm
from absl import flags
from PIL import Image

from duralava import command_line, files, tables
from duralava.simulation import parallel
from duralava.simulation.config import LampConfig
from duralava.simulation.report import measuring, recording
from duralava.simulation.report.results import Measurements
from duralava.simulation.report.thresholds import THRESHOLDS

# Around lamps that keep several bodies. Times are drawn evenly in their logarithm.
RANGES = {
    "surface_tension": (0.5, 1.0),
    "buoyancy": (66.0, 106.0),
    "wax_share": (0.155, 0.19),
    "drainage_seconds": (100.0, 700.0),
    "coil_drainage_seconds": (3.0, 60.0),
    "coil_height": (0.18, 0.32),
    "top_contact": (-0.4, 0.4),
    "heating_rate": (2.4, 6.0),
    "heater_radius": (0.19, 0.29),
    "heater_reach": (0.04, 0.1),
    "top_cooling_rate": (1.2, 2.6),
    "top_cooling_reach": (0.05, 0.1),
    "glass_cooling_rate": (0.014, 0.06),
    "neutral_temperature": (0.45, 0.58),
    "heat_diffusivity": (4e-4, 1.1e-3),
}

_OUTPUT = flags.DEFINE_string("output", None, "Folder to write.", required=True)
_FILE = flags.DEFINE_string("file", None, "JSON list of constants to try.")
_CANDIDATES = flags.DEFINE_integer("candidates", 16, "Number to draw.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of the candidates.", lower_bound=0)
_SEEDS = flags.DEFINE_integer("seeds", 2, "Lamps of each candidate.", lower_bound=2)
_SECONDS = flags.DEFINE_float("seconds", 600.0, "Film of each lamp.", lower_bound=40)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Constants of a lamp, what was measured, and moments u8[N, size, size, 3]."""

    number: int
    config: LampConfig
    measurements: Measurements
    pictures: np.ndarray

    @property
    def met(self) -> int:
        """Number of thresholds of the report that are met."""
        return sum(
            bool(threshold.is_met(threshold.measure(self.measurements)))
            for threshold in THRESHOLDS
        )


COLUMNS = (
    tables.Column("candidate", lambda row: row.number),
    tables.Column("thresholds met", lambda row: row.met),
    tables.Column("blobs", lambda row: row.measurements.blobs.mean, ".1f"),
    tables.Column("4 to 14", lambda row: row.measurements.share_4_to_14, ".0%"),
    tables.Column("sphericity", lambda row: row.measurements.sphericity.median, ".2f"),
    tables.Column("columns", lambda row: row.measurements.column_share, ".0%"),
    tables.Column("splits", lambda row: row.measurements.splits_per_minute, ".1f"),
    tables.Column("merges", lambda row: row.measurements.merges_per_minute, ".1f"),
    tables.Column(
        "ascent, s", lambda row: row.measurements.ascent_seconds.median, ".1f"
    ),
    tables.Column(
        "stillest",
        lambda row: min(row.measurements.stillness.smallest_of_usual),
        ".2f",
    ),
)


def draw(number: int, seed: int) -> list[dict[str, float]]:
    """Draws constants from `RANGES`, evenly spread (Sobol 1967); checks each lamp."""
    shares = scipy.stats.qmc.Sobol(len(RANGES), seed=seed).random(number)
    drawn = []
    for row in shares:
        values = {}
        for share, (name, (low, high)) in zip(row, RANGES.items(), strict=True):
            if name.endswith("seconds"):
                value = low * (high / low) ** share
            else:
                value = low + (high - low) * share
            values[name] = float(f"{value:.4g}")
        LampConfig(**values)
        drawn.append(values)
    return drawn


def simulate(
    configs: Sequence[LampConfig], seconds: float, num_seeds: int
) -> Iterator[Candidate]:
    """Yields each candidate as soon as all its lamps have been measured."""
    jobs = [(index, seed) for index in range(len(configs)) for seed in range(num_seeds)]
    task = functools.partial(record, tuple(configs), seconds)
    films: dict[int, list[recording.LongFilm]] = {}
    total = round(len(jobs) * seconds)
    with tqdm.tqdm(desc="film", total=total, unit="s", dynamic_ncols=True) as progress:
        for job, result in parallel.run_jobs(task, jobs):
            if isinstance(result, float):
                progress.update(result)
                continue
            index, _ = jobs[job]
            films.setdefault(index, []).append(result)
            if len(films[index]) == num_seeds:
                yield measure(index, configs[index], films.pop(index), seconds)


def record(
    configs: Sequence[LampConfig], seconds: float, job: tuple[int, int]
) -> Iterator[float | recording.LongFilm]:
    """Films the lamp of one job: the index of a candidate and a seed."""
    index, seed = job
    return recording.record_long_film(seed, seconds, configs[index])


def measure(
    number: int,
    config: LampConfig,
    films: Sequence[recording.LongFilm],
    seconds: float,
) -> Candidate:
    """Measures the lamps of a candidate as the report does."""
    summaries = [recording.summarise(film.wax, film.by_row, seconds) for film in films]
    measurements, _ = measuring.measure(films, summaries, config)
    return Candidate(number, config, measurements, films[0].pictures)


def as_json(candidate: Candidate) -> dict[str, Any]:
    """Returns all constants, so that they outlast a change of defaults, and figures."""
    figures = {column.label: column.text(candidate) for column in COLUMNS}
    return {"constants": dataclasses.asdict(candidate.config), "figures": figures}


def main(_: Sequence[str]) -> None:
    """Runs the search that the flags describe."""
    files.check_new_folder(_OUTPUT.value)
    if _FILE.value is None:
        constants = draw(_CANDIDATES.value, _SEED.value)
    else:
        constants = json.loads(pathlib.Path(_FILE.value).read_text())
        # A file that a search wrote holds figures as well.
        constants = [entry.get("constants", entry) for entry in constants]
    configs = [LampConfig(**values) for values in constants]
    found = sorted(
        simulate(configs, _SECONDS.value, _SEEDS.value), key=lambda row: -row.met
    )
    with files.written_whole(_OUTPUT.value) as folder:
        folder.mkdir()
        files.write_json(folder / "candidates.json", [as_json(row) for row in found])
        (folder / "table.md").write_text(tables.markdown(found, COLUMNS) + "\n")
        rows = [np.concatenate(list(row.pictures), axis=1) for row in found]
        Image.fromarray(np.concatenate(rows)).save(folder / "contact_sheet.png")
    print(tables.plain(found, COLUMNS))
    print(f"wrote {_OUTPUT.value}")


if __name__ == "__main__":
    command_line.run(main)
