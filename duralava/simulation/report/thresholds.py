"""The thresholds of a report: what is measured, and the range that it must lie in.

`THRESHOLDS` is the whole table of the report. A new threshold is one entry there.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from duralava import tables
from duralava.simulation.report.recording import WINDOW_SECONDS
from duralava.simulation.report.results import Measurements


@dataclasses.dataclass(frozen=True)
class Threshold:
    """A measure and the range that it must lie in.

    Attributes:
      label: what is measured. A template: `{m.blobs.mean:.1f}` is replaced by a number
        of the measurements.
      measure: returns the value, in `unit`.
      format: specification of the value, such as `.3f`.
      unit: is appended to the value and to the range, including its space.
      least: smallest value that meets the threshold; None for no such limit.
      most: largest value that meets it. Without both limits the row only informs.
    """

    label: str
    measure: Callable[[Measurements], Any]
    format: str = ""
    unit: str = ""
    least: float | None = None
    most: float | None = None

    def range(self) -> str:
        """Returns the range as text; empty without limits."""
        if self.least is None and self.most is None:
            return ""
        if self.most is None:
            return f"{self.least:g}{self.unit} or more"
        if self.least is None:
            return f"at most {self.most:g}{self.unit}"
        return f"{self.least:g} to {self.most:g}{self.unit}"

    def is_met(self, value: Any) -> bool | None:
        """Returns whether a value lies in the range; None without limits."""
        if self.least is None and self.most is None:
            return None
        is_enough = self.least is None or value >= self.least
        return bool(is_enough and (self.most is None or value <= self.most))


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the report.

    Attributes:
      name: what is measured.
      value: the value as text, with its unit.
      threshold: the range as text; empty if the row only informs.
      met: whether the value lies in the range; None if the row only informs.
    """

    name: str
    value: str
    threshold: str
    met: bool | None


# The two that a plot shows as well.
FALL = Threshold(
    "autocorrelation of the wax falls below 0.2 after",
    lambda m: m.memory.fall_seconds,
    ".1f",
    " s",
    most=120,
)
PEAK = Threshold(
    "its highest peak afterwards, up to {m.memory.largest_lag_seconds:g} s",
    lambda m: m.memory.peak_after,
    ".2f",
    most=0.4,
)

THRESHOLDS = (
    Threshold(
        "wax height, first half against second, worst lamp "
        "({m.halves.wax_height.first} against {m.halves.wax_height.second}): p-value",
        lambda m: m.halves.wax_height.p_value,
        ".3f",
        least=0.01,
    ),
    Threshold(
        "blobs, first half against second, worst lamp ({m.halves.blobs.first} against "
        "{m.halves.blobs.second}): p-value",
        lambda m: m.halves.blobs.p_value,
        ".3f",
        least=0.01,
    ),
    Threshold(
        "speed, first half against second, worst lamp ({m.halves.speed.first} against "
        "{m.halves.speed.second}): p-value",
        lambda m: m.halves.speed.p_value,
        ".3f",
        least=0.01,
    ),
    FALL,
    PEAK,
    Threshold(
        "correlation of lamps of two seeds, mean of all pairs (largest "
        "{m.largest_correlation:.3f})",
        lambda m: m.mean_correlation,
        "+.3f",
        least=-0.05,
        most=0.05,
    ),
    Threshold(
        "the same at the first moment after the warm-up",
        lambda m: m.start_correlation,
        "+.3f",
        least=-0.1,
        most=0.1,
    ),
    Threshold(
        "distance of two lamps, divided by that of far moments of one lamp",
        lambda m: m.distance_ratio,
        ".3f",
        least=0.9,
        most=1.1,
    ),
    # A lamp that changes by less than a tenth of the median stands still.
    Threshold(
        f"smallest change of any lamp in any {WINDOW_SECONDS:g} s, divided by the "
        "median (in which {m.stillness.usual_moved_share:.0%} of the wax moves)",
        lambda m: min(m.stillness.smallest_of_usual),
        ".2f",
        least=0.1,
    ),
    Threshold(
        "time with 4 to 14 blobs (mean {m.blobs.mean:.1f}; as seen from the front "
        "{m.blobs_from_the_front.mean:.1f})",
        lambda m: 100 * m.share_4_to_14,
        ".1f",
        " %",
        least=80,
    ),
    Threshold(
        "sphericity of a blob, median",
        lambda m: m.sphericity.median,
        ".3f",
        least=0.85,
    ),
    Threshold(
        "columns and necks: blobs that are long, with a sphericity below 0.8",
        lambda m: 100 * m.column_share,
        ".1f",
        " %",
        least=10,
    ),
    Threshold("height over width of a blob", lambda m: m.elongation),
    Threshold(
        "diameter of a ball with the volume of a blob, widths", lambda m: m.diameter
    ),
    Threshold(
        "splits per minute", lambda m: m.splits_per_minute, ".1f", least=3, most=30
    ),
    Threshold(
        "merges per minute", lambda m: m.merges_per_minute, ".1f", least=3, most=30
    ),
    Threshold(
        "wax from floor to top, median of {m.ascents} ascents (quartiles "
        "{m.ascent_seconds.quartile_1:.1f} s, {m.ascent_seconds.quartile_3:.1f} s)",
        lambda m: m.ascent_seconds.median,
        ".1f",
        " s",
        least=6,
        most=20,
    ),
    Threshold("speed of the wax, widths per second", lambda m: m.speed),
    Threshold(
        "share of the lamp that is wax",
        lambda m: 100 * m.wax_share,
        ".1f",
        " %",
        least=14,
        most=22,
    ),
    Threshold(
        "largest relative change of the volume of wax",
        lambda m: m.volume_drift,
        ".1e",
        most=1e-3,
    ),
)

_VERDICTS = {True: "met", False: "**not met**"}
COLUMNS = (
    tables.Column("measure", lambda row: row.name),
    tables.Column("value", lambda row: row.value),
    tables.Column("threshold", lambda row: row.threshold),
    tables.Column("", lambda row: _VERDICTS.get(row.met)),
)


def rows(
    measurements: Measurements, thresholds: Sequence[Threshold] = THRESHOLDS
) -> list[Row]:
    """Returns the rows of the report, one for each threshold."""
    found = []
    for threshold in thresholds:
        value = threshold.measure(measurements)
        found.append(
            Row(
                name=threshold.label.format(m=measurements),
                value=f"{value:{threshold.format}}{threshold.unit}",
                threshold=threshold.range(),
                met=threshold.is_met(value),
            )
        )
    return found
