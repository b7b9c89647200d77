"""Turns the records of several lamps into the numbers of a report."""

from collections.abc import Sequence

import numpy as np

from duralava.signals.blobs import splits_and_merges
from duralava.signals.correlation import fall_and_peak
from duralava.simulation import statistics
from duralava.simulation.config import LampConfig
from duralava.simulation.report.recording import (
    FIELD_SECONDS,
    SAMPLES_PER_SECOND,
    LongFilm,
    Summary,
)
from duralava.simulation.report.results import (
    Curves,
    Halves,
    HalvesOfSeries,
    Measurements,
    Memory,
    Stillness,
    distribution,
)

FORGOTTEN = 0.2  # autocorrelation below which the wax has forgotten its state
COLUMN_SPHERICITY = 0.8  # of an ellipsoid nearly four times as long as wide
MAX_LAG_SECONDS = 600.0

_BLOCK_SECONDS = 60.0
_APART_SECONDS = 120.0
_SHORTEST_TRACK_SECONDS = 1.0  # of a blob that counts in splits and merges


def measure(
    films: Sequence[LongFilm], summaries: Sequence[Summary], config: LampConfig
) -> tuple[Measurements, list[Curves]]:
    """Returns the numbers of the report, and the series and samples behind them.

    Args:
      films: of the first lamps, of the same length.
      summaries: of all lamps, the first included, with fields of the same length.
      config: the lamps.

    Returns:
      The numbers, and the series and samples of each of the films.
    """
    seconds = len(films[0].wax) / SAMPLES_PER_SECOND
    minutes = len(films) * seconds / 60
    fields = np.stack([summary.fields for summary in summaries])
    apart = min(round(_APART_SECONDS / FIELD_SECONDS), fields.shape[1] // 2)
    pairs = statistics.pair_correlations(fields)
    curves = [_curves(film, pairs, config) for film in films]

    def pooled(name: str) -> np.ndarray:
        return np.concatenate([getattr(curve, name) for curve in curves])

    shortest = round(_SHORTEST_TRACK_SECONDS * SAMPLES_PER_SECOND)
    events = [splits_and_merges(film.blobs, shortest) for film in films]
    block = int(min(_BLOCK_SECONDS, seconds / 8) * SAMPLES_PER_SECOND)
    blobs, elongation = pooled("blobs"), pooled("elongation")
    sphericity, ascents = pooled("sphericity"), pooled("ascent_seconds")
    is_oblong = np.concatenate([film.is_oblong for film in films])
    measurements = Measurements(
        halves=_halves(curves, block),
        block_seconds=block / SAMPLES_PER_SECOND,
        memory=_memory(curves),
        mean_correlation=pairs.mean(),
        largest_correlation=np.abs(curves[0].pair_correlation).max(),
        start_correlation=pairs[0].mean(),
        distance_ratio=statistics.distance_ratio(fields, apart),
        stillness=_stillness(summaries),
        blobs=distribution(blobs),
        blobs_from_the_front=distribution(
            np.concatenate([film.front_counts for film in films])
        ),
        share_4_to_14=np.mean((blobs >= 4) & (blobs <= 14)),
        sphericity=distribution(sphericity),
        column_share=np.mean(is_oblong & (sphericity < COLUMN_SPHERICITY)),
        elongation=distribution(elongation),
        diameter=distribution(pooled("diameter")),
        splits_per_minute=sum(len(splits) for splits, _ in events) / minutes,
        merges_per_minute=sum(len(merges) for _, merges in events) / minutes,
        ascents=len(ascents),
        ascent_seconds=distribution(ascents),
        speed=distribution(pooled("speed")),
        wax_share=np.mean([film.by_row.mean() for film in films]),
        volume_drift=max(summary.drift for summary in summaries),
    )
    return measurements, curves


def _curves(film: LongFilm, pairs: np.ndarray, config: LampConfig) -> Curves:
    seconds = len(film.wax) / SAMPLES_PER_SECOND
    max_lag = round(min(MAX_LAG_SECONDS, seconds / 3) * SAMPLES_PER_SECOND)
    return Curves(
        wax_height=statistics.wax_height(film.by_row),
        blobs=film.blobs.counts(),
        speed=film.speed,
        autocorrelation=statistics.wax_autocorrelation(film.wax, max_lag),
        sphericity=film.sphericity,
        elongation=film.blobs.height / film.blobs.width,
        diameter=config.cell * np.cbrt(6 / np.pi * film.blobs.cells),
        ascent_seconds=film.ascents,
        pair_correlation=pairs.mean(axis=0),
    )


def _halves(curves: Sequence[Curves], block: int) -> HalvesOfSeries:
    """Returns the halves of the film whose halves differ most, for each series."""
    rng = np.random.default_rng(0)

    def halves(values: np.ndarray) -> Halves:
        distance, p_value = statistics.compare_halves(values, block, rng)
        first, second = np.array_split(values, 2)
        return Halves(distance, p_value, distribution(first), distribution(second))

    def worst(name: str) -> Halves:
        found = [halves(getattr(curve, name)) for curve in curves]
        return min(found, key=lambda halves: halves.p_value)

    return HalvesOfSeries(worst("wax_height"), worst("blobs"), worst("speed"))


def _memory(curves: Sequence[Curves]) -> Memory:
    """Returns the slowest fall and the highest peak of all films."""
    found = [fall_and_peak(curve.autocorrelation, FORGOTTEN) for curve in curves]
    falls, peaks = zip(*found, strict=True)
    return Memory(
        fall_seconds=max(falls) / SAMPLES_PER_SECOND,
        peak_after=max(peaks),
        largest_lag_seconds=(len(curves[0].autocorrelation) - 1) / SAMPLES_PER_SECOND,
    )


def _stillness(summaries: Sequence[Summary]) -> Stillness:
    # The median over all lamps: relative to its own median, a frozen lamp looks alive.
    usual = np.median(np.concatenate([summary.moved for summary in summaries]))
    return Stillness(usual, [summary.moved.min() / usual for summary in summaries])
