"""The report of an evaluation: tables, JSON, plots, and one page with films."""

import dataclasses
import io
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib.figure

from duralava import files, tables
from duralava.evaluation import plots, thresholds
from duralava.evaluation.distances import Untested
from duralava.evaluation.evaluate import Evaluation
from duralava.evaluation.measures import MEASURES, ClipFigures
from duralava.evaluation.page import render_page
from duralava.tables import Column

Table = tuple[Sequence[Any], Sequence[Column]]
"""Rows and columns, as the functions of `duralava.tables` take them."""

_MEANING = (
    "The lamp is compared with held-out film: film of the same kind that it has not "
    "learned.",
    "Distances are small where it looks and moves like film. The learned film itself "
    "has the floor: no lamp can be much better.",
    "The two textures are simple methods that play the learned film back. A lamp "
    "should be about as near, and show frames that the film does not have.",
    "Each horizon is the lamp after so many steps. If the numbers of the last one are "
    "those of the first one, time does not wear the lamp out.",
    "A p-value tests that latents are still normal. One below 0.001 says that they are "
    "not; chance alone gives one in a thousand.",
)
"""What the tables mean, for readers who see them for the first time."""

_PLOTS = {
    "horizons.png": "Distances to held-out film, of the lamp at each horizon and of "
    "the other contenders; the tables have the same numbers",
    "latents.png": "Moments of the latents at each horizon, with those of N(0, I); the "
    "table of durability has the tests",
}
"""What plots show, for those who do not see them."""

_DISTANCE_COLUMNS = (
    Column("Frechet distance", lambda found: found.frechet, ".4f"),
    Column(
        "MMD x 1000",
        lambda found: found.kernel,
        lambda e: f"{1e3 * e.value:.1f} ± {1e3 * (e.high - e.low) / 2:.1f}",
    ),
    Column("density", lambda found: found.density, ".2f"),
    Column("coverage", lambda found: found.coverage, ".2f"),
)
_MOTION_COLUMNS = (
    Column("correlation time, s", lambda d: d.motion.correlation_seconds, ".1f"),
    Column("Lyapunov exponent, 1/s", lambda d: d.motion.lyapunov_per_second, ".3f"),
    Column(
        "one lamp over time is N(0, I): p-value",
        lambda d: d.one_lamp,
        lambda tests: (
            tests.untested
            if isinstance(tests, Untested)
            else f"{tests.normality.p_value:.3g}"
        ),
    ),
)


def write_report(
    directory: str | os.PathLike[str],
    evaluation: Evaluation,
    *,
    about: dict[str, Any],
    fps: float,
) -> str:
    """Writes `report.json`, `report.html` and plots.

    The page contains its plots and films and loads nothing else. The directory appears
    when it is complete.

    Args:
      directory: folder to write; one that exists must be empty.
      evaluation: the results.
      about: what was evaluated and how, for readers of the numbers.
      fps: frames per second of the films of `evaluation`, one frame a model step.

    Returns:
      What the tables mean, and the tables, as text.

    Raises:
      OSError: the directory is not empty, or cannot be written.
    """
    files.check_new_folder(directory)
    shown = _tables(evaluation)
    pngs = {
        "horizons.png": _png(plots.plot_distances(evaluation.contenders)),
        "latents.png": _png(plots.plot_moments(evaluation.durability.horizons)),
    }
    with files.written_whole(directory) as folder:
        folder.mkdir()
        notes = {"notes": evaluation.notes} if evaluation.notes else {}
        numbers = {"about": about, **notes, **_json(evaluation)}
        files.write_json(folder / "report.json", numbers)
        for name, png in pngs.items():
            (folder / name).write_bytes(png)
        as_html = {title: tables.page(*table) for title, table in shown.items()}
        page = render_page(
            about,
            [*_MEANING, *evaluation.notes],
            as_html,
            {_PLOTS[name]: png for name, png in pngs.items()},
            evaluation.films,
            fps,
        )
        (folder / "report.html").write_text(page)
    parts = [f"{title}\n{tables.plain(*t)}" for title, t in shown.items()]
    return "\n\n".join(["\n".join([*_MEANING, *evaluation.notes]), *parts])


def _json(evaluation: Evaluation) -> dict[str, Any]:
    """Returns the numbers of an evaluation as nested dictionaries."""
    durability = evaluation.durability
    return {
        "contenders": {
            name: _contender_json(figures)
            for name, figures in evaluation.contenders.items()
        },
        "durability": {
            "horizons": {
                name: dataclasses.asdict(tests)
                for name, tests in durability.horizons.items()
            },
            "one lamp": dataclasses.asdict(durability.one_lamp),
            "motion": dataclasses.asdict(durability.motion),
        },
    }


def _contender_json(figures: ClipFigures) -> dict[str, Any]:
    """Returns figures with those of extractors and measures side by side."""
    values = dataclasses.asdict(figures)
    return {
        "samples": values["samples"],
        **values["features"],
        **values["measures"],
    }


def _tables(evaluation: Evaluation) -> dict[str, Table]:
    """Returns the tables by title."""
    contenders, durability = evaluation.contenders, evaluation.durability
    some = next(iter(contenders.values()))
    horizons = thresholds.rows(evaluation), thresholds.columns(evaluation)
    distances = itertools.chain(*map(_extractor_columns, some.features))
    values = itertools.chain(*map(_measure_columns, some.measures))
    clips = Column("clips", lambda figures: figures.samples)
    tests = next(iter(durability.horizons.values()))
    return {
        "The lamp against its thresholds": horizons,
        "The lamp in the picture": _sideways(contenders, [*values, clips]),
        "Distances to film that was never learned": _sideways(
            contenders, list(distances)
        ),
        "Durability": _sideways(
            durability.horizons, _horizon_columns(tests.normality.p_values)
        ),
        "Motion of the latents": _sideways({"this lamp": durability}, _MOTION_COLUMNS),
    }


def _extractor_columns(name: str) -> list[Column]:
    return _of_part(
        lambda figures: figures.features[name], _DISTANCE_COLUMNS, f"{name} "
    )


def _measure_columns(name: str) -> list[Column]:
    return _of_part(lambda figures: figures.measures[name], MEASURES[name].columns)


def _of_part(
    get: Callable[[Any], Any], columns: Sequence[Column], prefix: str = ""
) -> list[Column]:
    """Returns columns that show a part of each row."""
    return [
        dataclasses.replace(
            column,
            label=prefix + column.label,
            get=lambda row, column=column: column.get(get(row)),
        )
        for column in columns
    ]


def _horizon_columns(moments: Iterable[str]) -> list[Column]:
    return [
        Column("lamps", lambda tests: tests.normality.num_samples),
        Column("N(0, I): p-value", lambda tests: tests.normality.p_value, ".3g"),
        *map(_moment_column, moments),
        Column("smallest step / |z|", lambda tests: tests.smallest_step, ".3g"),
        Column("nearest earlier state: cosine", lambda t: t.largest_cosine, ".3f"),
        Column("nearest earlier state: p-value", lambda t: t.period_p_value, ".3g"),
        Column("exact repetitions", lambda tests: tests.repeated),
    ]


def _moment_column(moment: str) -> Column:
    return Column(
        f"{moment}: p-value", lambda tests: tests.normality.p_values[moment], ".3g"
    )


def _sideways(results: Mapping[str, Any], columns: Sequence[Column]) -> Table:
    """Returns a table with a row for each column, and a column for each result."""
    return columns, [
        Column("", lambda row: row.label),
        *(
            Column(name, lambda row, result=result: row.text(result))
            for name, result in results.items()
        ),
    ]


def _png(figure: matplotlib.figure.Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
