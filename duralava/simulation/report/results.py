"""What the report of a simulated lamp measures, as typed results."""

import dataclasses
from typing import Any

import numpy as np


def as_json(value: Any) -> Any:
    """Returns a dataclass, and those inside it, as dictionaries.

    A field is called by its name, or by the `json_key` of its metadata.
    """
    if not dataclasses.is_dataclass(value):
        return value
    return {
        field.metadata.get("json_key", field.name): as_json(getattr(value, field.name))
        for field in dataclasses.fields(value)
    }


@dataclasses.dataclass(frozen=True)
class Distribution:
    """Mean, standard deviation and quantiles of a sample; NaN if it is empty."""

    mean: float
    std: float
    quantile_5: float = dataclasses.field(metadata={"json_key": "5%"})
    quartile_1: float = dataclasses.field(metadata={"json_key": "25%"})
    median: float = dataclasses.field(metadata={"json_key": "50%"})
    quartile_3: float = dataclasses.field(metadata={"json_key": "75%"})
    quantile_95: float = dataclasses.field(metadata={"json_key": "95%"})

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.std:.3f}"


def distribution(values: np.ndarray) -> Distribution:
    """Returns the distribution of a sample f[N]."""
    if not len(values):
        values = np.array([np.nan])
    quantiles = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
    return Distribution(float(np.mean(values)), float(np.std(values)), *quantiles)


@dataclasses.dataclass(frozen=True)
class Halves:
    """The first and the second half of one series of a long film.

    Attributes:
      distance: Kolmogorov-Smirnov distance between them.
      p_value: of the hypothesis that both have the same distribution.
      first: distribution of the first half.
      second: distribution of the second half.
    """

    distance: float
    p_value: float
    first: Distribution
    second: Distribution


@dataclasses.dataclass(frozen=True)
class HalvesOfSeries:
    """Each series of a long film, compared in halves; the worst of all long films."""

    wax_height: Halves = dataclasses.field(metadata={"json_key": "wax height"})
    blobs: Halves
    speed: Halves


@dataclasses.dataclass(frozen=True)
class Memory:
    """Autocorrelation of the wax in the long films.

    Attributes:
      fall_seconds: smallest lag at which it is below 0.2, in seconds; the largest of
        all films.
      peak_after: its largest value at that lag and beyond, of all films.
      largest_lag_seconds: the largest lag that was measured.
    """

    fall_seconds: float = dataclasses.field(
        metadata={"json_key": "below_0.2_after_seconds"}
    )
    peak_after: float
    largest_lag_seconds: float


@dataclasses.dataclass(frozen=True)
class Stillness:
    """How much of the wax moves within a window of time.

    Attributes:
      usual_moved_share: median over all windows of all lamps.
      smallest_of_usual: smallest share of each lamp, divided by the median.
    """

    usual_moved_share: float
    smallest_of_usual: list[float]


@dataclasses.dataclass(frozen=True)
class Measurements:
    """All numbers of a report.

    Blobs, their shapes, ascents, speed and memory are those of the long films;
    correlations, distances, stillness and volume are those of all lamps.

    Attributes:
      halves: whether the long films keep their distribution.
      block_seconds: length of the blocks of that test.
      memory: how long the lamp remembers.
      mean_correlation: of pairs of lamps, over all pairs and moments.
      largest_correlation: largest magnitude of a pair's mean over moments.
      start_correlation: mean over pairs at the first moment after the warm-up.
      distance_ratio: distance of two lamps over that of far moments of one lamp.
      stillness: whether a lamp ever stands still.
      blobs: number of blobs; a pool is one, and blobs of different fields are several
        even if they touch.
      blobs_from_the_front: number of blobs as seen from the front, where those that
        touch or cover each other are one.
      share_4_to_14: share of moments with 4 to 14 blobs.
      sphericity: surface of a ball of the volume of a blob, over the blob's own. Pools
        and blobs at walls count, with all of their surface.
      column_share: share of blobs that are columns or have a neck: they are long
        rather than flat, and have a sphericity below 0.8.
      elongation: height over width of a blob.
      diameter: of a ball with the volume of a blob, in widths of the glass.
      splits_per_minute: how often a blob splits, such as when a drop pinches off.
      merges_per_minute: how often two blobs become one body of one field; blobs that
        only touch do not count.
      ascents: number of ascents that were timed.
      ascent_seconds: time of an ascent from floor to top.
      speed: root mean square of the wax, in widths per second.
      wax_share: share of the volume of the lamp that is wax.
      volume_drift: largest relative change of the volume of wax.
    """

    halves: HalvesOfSeries
    block_seconds: float
    memory: Memory
    mean_correlation: float
    largest_correlation: float
    start_correlation: float
    distance_ratio: float
    stillness: Stillness
    blobs: Distribution
    blobs_from_the_front: Distribution
    share_4_to_14: float
    sphericity: Distribution
    column_share: float
    elongation: Distribution
    diameter: Distribution
    splits_per_minute: float = dataclasses.field(
        metadata={"json_key": "partings_a_minute"}
    )
    merges_per_minute: float = dataclasses.field(
        metadata={"json_key": "mergings_a_minute"}
    )
    ascents: int
    ascent_seconds: Distribution
    speed: Distribution
    wax_share: float
    volume_drift: float


@dataclasses.dataclass(frozen=True)
class Curves:
    """The series and samples of a film that the report plots, as arrays f[N].

    Attributes:
      wax_height: mean height of the wax at each moment, 0 to 1.
      blobs: number of blobs at each moment, i64[N].
      speed: of the wax at each moment, in widths per second.
      autocorrelation: of the wax, by lag.
      sphericity: of each blob, once a second.
      elongation: height over width of each blob.
      diameter: of a ball with the volume of each blob, in widths.
      ascent_seconds: time of each ascent.
      pair_correlation: of each pair of lamps, mean over moments.
    """

    wax_height: np.ndarray
    blobs: np.ndarray
    speed: np.ndarray
    autocorrelation: np.ndarray
    sphericity: np.ndarray
    elongation: np.ndarray
    diameter: np.ndarray
    ascent_seconds: np.ndarray
    pair_correlation: np.ndarray
