"""The measures of clips: how far they are from film that was never learned.

All figures are relative to a `Reference`. The figures of the learned film are the
floor: what a perfect model would reach.

Two tables decide what is measured. Each extractor of `features.EXTRACTORS` gives
`distances.FeatureDistances`; each entry of `MEASURES` gives a value of its own.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from duralava.evaluation import (
    distances,
    dynamics,
    features,
    ladder,
    novelty,
    sharpness,
    wax,
)
from duralava.evaluation.reference import Reference
from duralava.evaluation.samples import PICTURE_SIZE, Sample
from duralava.signals.correlation import autocorrelation, correlation_time
from duralava.tables import Column

_SMALLEST_BLOB = 0.01  # of the glass; smaller ones are spray
_MOST_BLOBS = 8
_HEIGHT_BINS = 10
_ROUNDNESS_EDGES = np.linspace(0.3, 1, 8)
_SPEED_EDGES = np.linspace(-0.3, 0.3, 13)  # heights of the frame a second
_SPEED_STEPS, _SEARCH = 3, 6  # steps between two frames compared, pixels searched
_SMALL = 16  # height and width of the frames whose dynamics are measured


@dataclasses.dataclass(frozen=True)
class Measure:
    """One measure that is not a distance between features.

    Attributes:
      fit: takes the reference and returns the function that measures a sample. What
        depends on the reference alone is computed here, once. The value of a sample is
        a number or a frozen dataclass of numbers; NaN where there is no value.
      columns: how the value is shown in tables.
    """

    fit: Callable[[Reference], Callable[[Sample], Any]]
    columns: Sequence[Column]


@dataclasses.dataclass(frozen=True)
class ClipFigures:
    """All figures of a sample.

    Attributes:
      samples: number of clips.
      features: distances by extractor.
      measures: values by the names of `MEASURES`, as many as were asked for.
    """

    samples: int
    features: dict[str, distances.FeatureDistances]
    measures: dict[str, Any]


def fit_measures(
    reference: Reference, measures: Mapping[str, Measure]
) -> Callable[[Sample], ClipFigures]:
    """Returns the function that measures a sample, of the reference sample's size.

    Args:
      reference: film that samples are compared with.
      measures: some of `MEASURES`, by name.

    Raises:
      ValueError: nothing moves in the film of the reference, or a measure and an
        extractor have the same name.
    """
    if both := sorted(reference.extractors.keys() & {"samples", *measures}):
        raise ValueError(f"both an extractor and a measure: {', '.join(both)}")
    fitted = {name: measure.fit(reference) for name, measure in measures.items()}

    def measure_clips(sample: Sample) -> ClipFigures:
        rows = features.extract(sample.clips, reference.extractors)
        rows = features.rescale(rows, reference.scales)
        return ClipFigures(
            samples=sample.clips.shape[1],
            features={
                name: distances.feature_distances(rows[name], reference.features[name])
                for name in rows
            },
            measures={name: measure(sample) for name, measure in fitted.items()},
        )

    return measure_clips


@dataclasses.dataclass(frozen=True)
class WaxFigures:
    """The wax in a sample's clips.

    Attributes:
      share: mean share of the glass that is wax, over that of the held-out clips.
      spread: standard deviation of that share, over that of the held-out clips.
      blob_count: total variation between the numbers of blobs and the held-out ones.
      blob_height: the same of the blobs' heights.
      roundness: the same of `wax.roundness` of the blobs.
      rise_speed: the same of the speeds at which wax rises.
    """

    share: float
    spread: float
    blob_count: float
    blob_height: float
    roundness: float
    rise_speed: float


def wax_figures(reference: Reference) -> Callable[[Sample], WaxFigures]:
    """Measures the wax, which is identified by its colour."""
    colour = wax.fit_wax_colour(reference.learned)
    seconds = _SPEED_STEPS * reference.step_seconds
    count_edges = np.arange(_MOST_BLOBS + 2) - 0.5
    height_edges = np.linspace(0, 1, _HEIGHT_BINS + 1)

    def observe(clips: np.ndarray) -> tuple[np.ndarray, wax.BlobSizes, np.ndarray]:
        return (
            wax.wax_share(clips[0], colour),
            wax.measure_blobs(clips[0], colour, _SMALLEST_BLOB),
            wax.rise_speeds(clips[::_SPEED_STEPS], colour, seconds, search=_SEARCH),
        )

    real_share, real_blobs, real_speeds = observe(reference.sample.clips)

    def measure(sample: Sample) -> WaxFigures:
        share, blobs, speeds = observe(sample.clips)
        return WaxFigures(
            share=_ratio(share.mean(), real_share.mean()),
            spread=_ratio(share.std(), real_share.std()),
            blob_count=_variation(blobs.counts, real_blobs.counts, count_edges),
            blob_height=_variation(blobs.heights, real_blobs.heights, height_edges),
            roundness=_variation(
                blobs.roundness, real_blobs.roundness, _ROUNDNESS_EDGES
            ),
            rise_speed=_variation(speeds, real_speeds, _SPEED_EDGES),
        )

    return measure


def relative_novelty(reference: Reference) -> Callable[[Sample], float]:
    """Median distance to the nearest learned frame, over that of held-out frames."""

    def nearest(clips: np.ndarray) -> np.ndarray:
        distance = novelty.nearest_distances(
            clips[0], reference.learned, mirrored=reference.mirrored
        )
        return np.median(distance)

    real = float(nearest(reference.sample.clips))
    return lambda sample: _ratio(nearest(sample.clips), real)


def relative_motion(reference: Reference) -> Callable[[Sample], float]:
    """Mean change from frame to frame, over that of the held-out clips."""
    real = motion_energy(reference.sample.clips)
    if not real.any():
        raise ValueError("nothing changes in the held-out film")
    return lambda sample: _ratio(motion_energy(sample.clips).mean(), real.mean())


def motion_energy(clips: np.ndarray) -> np.ndarray:
    """Mean absolute change from frame to frame f64[N], in units of [-1, 1]."""
    changes = [
        np.abs(second.astype(np.int16) - first).mean(axis=(1, 2, 3))
        for first, second in itertools.pairwise(clips)
    ]
    return np.mean(changes, axis=0) / 127.5


def backwards_distance(
    reference: Reference,
) -> Callable[[Sample], distances.Estimate]:
    """Kernel distance of `motion_histogram` for clips that are played backwards.

    It is larger than forwards if the motion of the clips has a direction in time.
    """
    name = features.motion_histogram.__name__
    extractors = {name: features.motion_histogram}

    def measure(sample: Sample) -> distances.Estimate:
        if name not in reference.extractors:
            return distances.Estimate(math.nan, math.nan, math.nan)
        rows = features.extract(sample.clips[::-1], extractors)
        rows = features.rescale(rows, reference.scales)
        return distances.kernel_distance(rows[name], reference.features[name])

    return measure


@dataclasses.dataclass(frozen=True)
class Dynamics:
    """Long-term motion, at lags that are beyond the memory of the held-out film.

    Attributes:
      recurrence: `dynamics.recurrence` of the median lamp; 0 if it is frozen or loops.
      autocorrelation: the largest one; 1 if all lamps are frozen or loop.
    """

    recurrence: float
    autocorrelation: float


def film_dynamics(reference: Reference) -> Callable[[Sample], Dynamics]:
    """Measures whether the lamps of the long film return to earlier states."""
    memory = _memory(_shrunk(reference.sample.film))

    def measure(sample: Sample) -> Dynamics:
        series = _shrunk(sample.film)
        try:
            correlations = autocorrelation(series, len(series) // 2)
        except ValueError:  # all lamps rest in one state
            correlations = np.ones(memory + 1)
        return Dynamics(
            recurrence=float(np.median(dynamics.recurrence(series, memory))),
            autocorrelation=float(correlations[memory:].max()),
        )

    return measure


@dataclasses.dataclass(frozen=True)
class Sharpness:
    """`sharpness.steepest_slopes`, over those of the held-out film.

    Attributes:
      frames: of the clips' frames.
      windows: of windows of larger pictures; why there is no value if there are none.
    """

    frames: float
    windows: float | distances.Untested


def relative_sharpness(reference: Reference) -> Callable[[Sample], Sharpness]:
    """Measures the steepest slopes of pictures, over those of the held-out film."""
    real = reference.sample
    real_frames = sharpness.steepest_slopes(real.clips)
    real_windows = (
        None if real.windows is None else sharpness.steepest_slopes(real.windows)
    )

    def measure(sample: Sample) -> Sharpness:
        frames = _ratio(sharpness.steepest_slopes(sample.clips), real_frames)
        for windows in (real.windows, sample.windows):
            if windows is None:
                return Sharpness(frames, ladder.NO_WINDOWS)
        slopes = sharpness.steepest_slopes(sample.windows)
        return Sharpness(frames, _ratio(slopes, real_windows))

    return measure


def _text(value: float | distances.Untested) -> str:
    return "-" if isinstance(value, distances.Untested) else f"{value:.3f}"


MEASURES: dict[str, Measure] = {
    "two_sample": Measure(
        ladder.climb,
        tuple(
            Column(
                f"two-sample AUC, {form} form: {rung}",
                lambda found, form=form, rung=rung: getattr(found, form)[rung],
                ladder.auc_text,
            )
            for form in ladder.FORMS
            for rung in ladder.RUNGS
        ),
    ),
    "sharpness": Measure(
        relative_sharpness,
        (
            Column("sharpness / film's: frames", lambda found: found.frames, ".3f"),
            Column(
                f"sharpness / film's: windows at {PICTURE_SIZE} pixels",
                lambda found: found.windows,
                _text,
            ),
        ),
    ),
    "wax": Measure(
        wax_figures,
        (
            Column("wax share / film's", lambda found: found.share, ".3f"),
            Column("spread of wax share / film's", lambda found: found.spread, ".3f"),
            Column("total variation of blob counts", lambda f: f.blob_count, ".3f"),
            Column("total variation of blob heights", lambda f: f.blob_height, ".3f"),
            Column("total variation of roundness", lambda f: f.roundness, ".3f"),
            Column("total variation of rise speeds", lambda f: f.rise_speed, ".3f"),
        ),
    ),
    "novelty": Measure(
        relative_novelty,
        (Column("nearest learned frame / film's", float, ".3f"),),
    ),
    "motion": Measure(
        relative_motion,
        (Column("motion / film's", float, ".3f"),),
    ),
    "backwards": Measure(
        backwards_distance,
        (Column("MMD x 1000, played backwards", lambda f: 1e3 * f.value, ".1f"),),
    ),
    "dynamics": Measure(
        film_dynamics,
        (
            Column("nearest return to an earlier state", lambda f: f.recurrence, ".3f"),
            Column("largest late autocorrelation", lambda f: f.autocorrelation, ".3f"),
        ),
    ),
}
"""The measures that are not distances between features, by their names in reports."""


def _ratio(found: float, real: float) -> float:
    return float(found / real) if real else math.nan


def _variation(found: np.ndarray, real: np.ndarray, edges: np.ndarray) -> float:
    """Total variation; 1 if only the real film has values, NaN if it has none."""
    if not real.size:
        return math.nan
    return distances.total_variation(found, real, edges) if found.size else 1.0


def _memory(series: np.ndarray) -> int:
    """Returns the correlation time in whole steps, at most a third of the series."""
    longest = max(1, len(series) // 3)
    try:
        time = correlation_time(autocorrelation(series, longest))
    except ValueError:  # the series is too short for it
        return longest
    return min(math.ceil(time), longest)


def _shrunk(film: np.ndarray) -> np.ndarray:
    """Returns lamps u8[T, N, H, W, 3] as series f32[T, N, D] of small pictures."""
    steps, lamps, size = film.shape[:3]
    small = min(size, _SMALL)
    pieces = film.reshape(steps, lamps, small, size // small, small, size // small, 3)
    return pieces.mean(axis=(3, 5), dtype=np.float32).reshape(steps, lamps, -1)
