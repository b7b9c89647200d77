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
MAX_LAG_SECONDS = 600.0

_BLOCK_SECONDS = 60.0
_APART_SECONDS = 120.0
_SHORTEST_TRACK_SECONDS = 1.0  # of a blob that counts in splits and merges


def measure(
    film: LongFilm, summaries: Sequence[Summary], config: LampConfig
) -> tuple[Measurements, Curves]:
    """Returns the numbers of the report, and the series and samples behind them.

    Args:
      film: of the first lamp.
      summaries: of all lamps, the first included, with fields of the same length.
      config: the lamps.
    """
    seconds = len(film.wax) / SAMPLES_PER_SECOND
    fields = np.stack([summary.fields for summary in summaries])
    apart = min(round(_APART_SECONDS / FIELD_SECONDS), fields.shape[1] // 2)
    pairs = statistics.pair_correlations(fields)
    curves = _curves(film, pairs, config)
    shortest = round(_SHORTEST_TRACK_SECONDS * SAMPLES_PER_SECOND)
    splits, merges = splits_and_merges(film.blobs, shortest)
    block = int(min(_BLOCK_SECONDS, seconds / 8) * SAMPLES_PER_SECOND)
    measurements = Measurements(
        halves=_halves(curves, block),
        block_seconds=block / SAMPLES_PER_SECOND,
        memory=_memory(curves.autocorrelation),
        mean_correlation=pairs.mean(),
        largest_correlation=np.abs(curves.pair_correlation).max(),
        start_correlation=pairs[0].mean(),
        distance_ratio=statistics.distance_ratio(fields, apart),
        stillness=_stillness(summaries),
        blobs=distribution(curves.blobs),
        blobs_from_the_front=distribution(film.front_counts),
        share_2_to_9=np.mean((curves.blobs >= 2) & (curves.blobs <= 9)),
        elongation=distribution(curves.elongation),
        column_share=np.mean(curves.elongation > 2),
        round_share=np.mean((curves.elongation > 2 / 3) & (curves.elongation < 3 / 2)),
        diameter=distribution(curves.diameter),
        splits_per_minute=60 * len(splits) / seconds,
        merges_per_minute=60 * len(merges) / seconds,
        ascents=len(film.ascents),
        ascent_seconds=distribution(film.ascents),
        speed=distribution(film.speed),
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
        elongation=film.blobs.height / film.blobs.width,
        diameter=config.cell * np.cbrt(6 / np.pi * film.blobs.cells),
        ascent_seconds=film.ascents,
        pair_correlation=pairs.mean(axis=0),
    )


def _halves(curves: Curves, block: int) -> HalvesOfSeries:
    rng = np.random.default_rng(0)

    def halves(values: np.ndarray) -> Halves:
        distance, p_value = statistics.compare_halves(values, block, rng)
        first, second = np.array_split(values, 2)
        return Halves(distance, p_value, distribution(first), distribution(second))

    return HalvesOfSeries(
        wax_height=halves(curves.wax_height),
        blobs=halves(curves.blobs),
        speed=halves(curves.speed),
    )


def _memory(autocorrelation: np.ndarray) -> Memory:
    fall, peak = fall_and_peak(autocorrelation, FORGOTTEN)
    return Memory(
        fall_seconds=fall / SAMPLES_PER_SECOND,
        peak_after=peak,
        largest_lag_seconds=(len(autocorrelation) - 1) / SAMPLES_PER_SECOND,
    )


def _stillness(summaries: Sequence[Summary]) -> Stillness:
    # The median over all lamps: relative to its own median, a frozen lamp looks alive.
    usual = np.median(np.concatenate([summary.moved for summary in summaries]))
    return Stillness(usual, [summary.moved.min() / usual for summary in summaries])
