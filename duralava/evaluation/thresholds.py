"""The thresholds of a lamp: what is measured at each horizon, and its range.

`lamp_thresholds` is the whole table. A new threshold is one entry there. How fast a
lamp runs is not part of an evaluation: `duralava benchmark` measures it.
"""

import dataclasses
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from duralava.evaluation.contenders import LEARNED
from duralava.evaluation.distances import Estimate, Untested
from duralava.evaluation.evaluate import Evaluation
from duralava.evaluation.latents import HorizonTests
from duralava.evaluation.measures import ClipFigures
from duralava.lamp import Lamp
from duralava.simulation.report.thresholds import Threshold
from duralava.tables import Column

_MOST_AUC = {
    "stills at 16 pixels": 0.62,
    "stills at 32 pixels": 0.65,
    "stills at 64 pixels": 0.72,
    "windows at 256 pixels": 0.8,
    "clips at 64 pixels": 0.85,
}
_MOST_GROWTH = {"rotation": 1.05, "mlp": 1.15}  # of distances, by transition


class Horizon(NamedTuple):
    """What the values of a horizon are computed from.

    Attributes:
      lamp: that is evaluated.
      found: figures at the horizon, or of the learned film.
      floor: figures of the learned film.
      first: figures of the same lamps at their first horizon.
      tests: of the latents; None for the learned film.
    """

    lamp: Lamp
    found: ClipFigures
    floor: ClipFigures
    first: ClipFigures
    tests: HorizonTests | None


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
      name: what is measured.
      threshold: the range as text; empty if the row only informs.
      verdict: whether all horizons are in the range, or why nothing was measured.
      floor: value of the learned film.
      horizons: values by horizon.
    """

    name: str
    threshold: str
    verdict: str
    floor: str
    horizons: dict[str, str]


def lamp_thresholds(transition: str) -> Sequence[Threshold]:
    """Returns the thresholds of a lamp with this transition.

    Their measures take a `Horizon` and return a number, an `Estimate`, an `Untested`,
    or None where there is no value.
    """
    is_exact = transition == "rotation"  # keeps N(0, I) by construction
    growth = _MOST_GROWTH[transition]
    novelty = _measured("novelty", float)
    return (
        *(
            Threshold(
                f"two-sample AUC, eye form: {rung}",
                _measured("two_sample", lambda found, rung=rung: found.eye[rung]),
                ".2f",
                most=most,
            )
            for rung, most in _MOST_AUC.items()
        ),
        Threshold(
            "sharpness / film's: frames",
            _measured("sharpness", lambda found: found.frames),
            ".2f",
            least=0.9,
            most=1.1,
        ),
        Threshold(
            "sharpness / film's: windows at 256 pixels",
            _measured("sharpness", lambda found: found.windows),
            ".2f",
            least=0.9,
            most=1.1,
        ),
        Threshold(
            "motion / film's",
            _measured("motion", float),
            ".2f",
            least=0.9,
            most=1.15,
        ),
        *(
            _of_floor(name, "Frechet distance", "frechet", most=most)
            for name, most in (
                ("radial_spectrum", 3),
                ("random_conv_frames", 1.15),
                ("random_conv_clips", 1.15),
            )
        ),
        *(
            Threshold(
                f"total variation of {label}",
                _measured("wax", operator.attrgetter(field)),
                ".2f",
                most=0.15,
            )
            for label, field in (
                ("blob counts", "blob_count"),
                ("blob heights", "blob_height"),
                ("roundness", "roundness"),
                ("rise speeds", "rise_speed"),
            )
        ),
        *(
            _of_floor(name, field, field, least=0.85)
            for name in ("random_conv_frames", "random_conv_clips")
            for field in ("coverage", "density")
        ),
        Threshold(
            "nearest learned frame / held-out film's",
            lambda at: at.tests and novelty(at),
            ".2f",
            least=0.9,
        ),
        Threshold(
            "largest distance / the same lamps' at their first horizon",
            _growth,
            ".2f",
            most=growth,
        ),
        Threshold(
            "latents are N(0, I): p-value",
            lambda at: at.tests and at.tests.normality.p_value,
            ".3g",
            least=0.001 if is_exact else None,
        ),
        Threshold(
            "weights in half precision",
            lambda at: at.tests and _megabytes(at.lamp),
            ".1f",
            " MB",
            most=6,
        ),
    )


def rows(evaluation: Evaluation) -> list[Row]:
    """Returns the table of an evaluation."""
    contenders = evaluation.contenders
    lamp, floor = evaluation.lamp, contenders[LEARNED]
    horizons = {
        name: Horizon(
            lamp,
            contenders[name],
            floor,
            contenders[run[0]],
            evaluation.durability.horizons[name],
        )
        for run in evaluation.runs
        for name in run
    }
    film = Horizon(lamp, floor, floor, floor, None)
    return [
        _row(threshold, film, horizons)
        for threshold in lamp_thresholds(lamp.config.transition)
    ]


def columns(evaluation: Evaluation) -> list[Column]:
    """Returns the columns that show the rows of an evaluation."""
    return [
        Column("", lambda row: row.name),
        Column("threshold", lambda row: row.threshold),
        Column("", lambda row: row.verdict),
        Column("floor", lambda row: row.floor),
        *(
            Column(name, lambda row, name=name: row.horizons[name])
            for run in evaluation.runs
            for name in run
        ),
    ]


def _row(threshold: Threshold, film: Horizon, horizons: dict[str, Horizon]) -> Row:
    values = {name: threshold.measure(at) for name, at in horizons.items()}
    return Row(
        name=threshold.label,
        threshold=threshold.range(),
        verdict=_verdict(threshold, list(values.values())),
        floor=_text(threshold, threshold.measure(film)),
        horizons={name: _text(threshold, value) for name, value in values.items()},
    )


def _verdict(threshold: Threshold, values: Sequence[Any]) -> str:
    for value in values:
        if isinstance(value, Untested):
            return f"left out: {value.untested}"
        if math.isnan(_number(value)):
            return "left out: no value"
    met = {threshold.is_met(_number(value)) for value in values}
    if met == {None}:
        return ""
    return "met" if met == {True} else "not met"


def _text(threshold: Threshold, value: Any) -> str:
    if value is None or isinstance(value, Untested) or math.isnan(_number(value)):
        return "-"
    text = f"{_number(value):{threshold.format}}"
    if isinstance(value, Estimate):
        text += f" ± {(value.high - value.low) / 2:{threshold.format}}"
    return text + threshold.unit


def _number(value: Any) -> float:
    return value.value if isinstance(value, Estimate) else value


def _measured(name: str, get: Callable[[Any], Any]) -> Callable[[Horizon], Any]:
    """Returns what gets a value from a measure, which may have been left out."""

    def value(at: Horizon) -> Any:
        if name not in at.found.measures:
            return Untested("it was not asked for")
        return get(at.found.measures[name])

    return value


def _of_floor(name: str, label: str, field: str, **limits: float) -> Threshold:
    """Returns the threshold of a distance between features, over that of the floor."""

    def measure(at: Horizon) -> float | Untested:
        if name not in at.floor.features:
            return Untested("it was not asked for")
        found, floor = (
            getattr(figures.features[name], field) for figures in (at.found, at.floor)
        )
        return found / floor if floor else math.nan

    return Threshold(f"{name} {label} / floor", measure, ".2f", **limits)


def _growth(at: Horizon) -> float | None:
    """Returns the largest ratio of a Frechet distance to that at the first horizon."""
    return at.tests and max(
        distances.frechet / at.first.features[name].frechet
        for name, distances in at.found.features.items()
    )


def _megabytes(lamp: Lamp) -> float:
    return sum(2 * leaf.size for leaf in jax.tree.leaves(lamp.params)) / 1e6
