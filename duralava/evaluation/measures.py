"""What is asked of clips: how far they are from film that was never learned.

All is relative to a `Reference`, made of two films: the one that was learned, and
another of the same kind that was held out. Figures of the learned film against the
held-out one are the floor: what a perfect model would reach.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from duralava.evaluation import distances, dynamics, features, novelty, wax
from duralava.signals.correlation import autocorrelation, correlation_time

NUM_LAMPS = 8  # of a film that shows how they move in the long run
_SMALLEST_BLOB = 0.01  # of the glass; less is spray
_MOST_BLOBS = 8
_HEIGHT_BINS = 10
_SPEED_EDGES = np.linspace(-0.3, 0.3, 13)  # heights of the frame a second
_SPEED_STEPS, _SEARCH = 3, 6  # steps between two frames compared, pixels searched
_MOTION = {"motion_histogram": features.motion_histogram}
_LEAST_SPREAD = 0.3  # of a feature, in usual ones
_SMALL = 16  # height and width of the frames whose dynamics are looked at

Segments = Sequence[np.ndarray]
"""Pieces of film without a cut, u8[N, H, W, 3] each."""


@dataclasses.dataclass(frozen=True)
class Reference:
    """Held-out film, and what is known of the film that was learned.

    Attributes:
      step_seconds: time from one frame of a clip to the next.
      extractors: of features; those that do not vary in one of the
        films are left out.
      scales: mean of each feature over the learned film, and what it is divided by,
        by extractor.
      features: of the held-out clips f64[N, D], scaled, by extractor.
      wax_colour: how wax is told from liquid.
      share: of wax in the held-out clips' first frames, f64[N].
      blobs: of the same frames.
      speeds: at which wax rises in the held-out clips, f64[M].
      motion: mean change from frame to frame of each held-out clip, f64[N].
      learned: frames u8[M, H, W, 3] that a copy would be a copy of.
      mirrored: whether their mirror images were learned too.
      nearest: median distance of held-out frames to learned ones.
      memory: steps after which the held-out lamps have largely forgotten where they
        were.
    """

    step_seconds: float
    extractors: Mapping[str, features.Extractor]
    scales: Mapping[str, tuple[np.ndarray, np.ndarray]]
    features: Mapping[str, np.ndarray]
    wax_colour: wax.WaxColour
    share: np.ndarray
    blobs: wax.Blobs
    speeds: np.ndarray
    motion: np.ndarray
    learned: np.ndarray
    mirrored: bool
    nearest: float
    memory: int


def count_clips(segments: Segments, clip_length: int, *, stride: int) -> int:
    """Returns the number of clips that can be cut, each from another frame on."""
    span = (clip_length - 1) * stride + 1
    return sum(max(0, len(segment) - span + 1) for segment in segments)


def cut_clips(
    segments: Segments, num_clips: int, clip_length: int, *, stride: int
) -> np.ndarray:
    """Cuts clips u8[T, N, H, W, 3] from film, evenly spread over all of it.

    Args:
      segments: the film.
      num_clips: number N of clips; where the film is short they overlap.
      clip_length: steps T of a clip.
      stride: frames of film per step.

    Raises:
      ValueError: the film has not as many clips.
    """
    span = (clip_length - 1) * stride + 1
    count = count_clips(segments, clip_length, stride=stride)
    if count < num_clips:
        raise ValueError(
            f"a film of {sum(map(len, segments))} frames has {count} clips of "
            f"{clip_length} steps, {span} frames without a cut, but {num_clips} are "
            "needed: take fewer or shorter ones, or a longer film"
        )
    starts = [
        (segment, start)
        for segment in segments
        for start in range(len(segment) - span + 1)
    ]
    chosen = np.linspace(0, count - 1, num_clips).round().astype(int)
    return np.stack(
        [
            segment[start : start + span : stride]
            for segment, start in (starts[index] for index in chosen)
        ],
        axis=1,
    )


def make_reference(
    learned: Segments,
    held_out: Segments,
    *,
    num_clips: int,
    clip_length: int,
    film_length: int,
    stride: int,
    step_seconds: float,
    mirrored: bool,
    extractors: Mapping[str, features.Extractor] = features.EXTRACTORS,
) -> tuple[Reference, np.ndarray]:
    """Measures the held-out film.

    Args:
      learned: film that the model was trained on.
      held_out: other film.
      num_clips: number N of clips that are cut from each.
      clip_length: in steps.
      film_length: in steps, of films that show how a lamp moves in the long run.
      stride: frames of film per step.
      step_seconds: time from one step to the next.
      mirrored: whether mirror images were trained on too.
      extractors: of features.

    Returns:
      The reference, and N clips of the learned film u8[T, N, H, W, 3], whose figures
      are the floor.

    Raises:
      ValueError: the films are too short, or one of them does not move.
    """
    known, clips = (
        cut_clips(film, num_clips, clip_length, stride=stride)
        for film in (learned, held_out)
    )
    known_rows, rows = (features.extract(c, extractors) for c in (known, clips))
    extractors = {
        name: extractor
        for name, extractor in extractors.items()
        if np.ptp(known_rows[name], axis=0).any() and np.ptp(rows[name], axis=0).any()
    }
    scales = {name: fit_scale(known_rows[name]) for name in extractors}
    film = cut_clips(held_out, NUM_LAMPS, film_length, stride=stride)
    motion = motion_energy(clips)
    if not motion.any():
        raise ValueError("nothing changes in the held-out film")
    frames = np.concatenate([segment[::stride] for segment in learned])
    colour = wax.fit_wax_colour(frames)
    nearest = novelty.nearest_distances(clips[0], frames, mirrored=mirrored)
    return Reference(
        step_seconds=step_seconds,
        extractors=extractors,
        scales=scales,
        features=rescale({name: rows[name] for name in extractors}, scales),
        wax_colour=colour,
        share=wax.wax_share(clips[0], colour),
        blobs=wax.find_blobs(clips[0], colour, _SMALLEST_BLOB),
        speeds=_speeds(clips, colour, step_seconds),
        motion=motion,
        learned=frames,
        mirrored=mirrored,
        nearest=float(np.median(nearest)),
        memory=_memory(_shrunk(film)),
    ), known


def compare(
    clips: np.ndarray, film: np.ndarray, reference: Reference
) -> dict[str, Any]:
    """Measures how far clips are from the held-out film.

    Args:
      clips: u8[T, N, H, W, 3], as long and as many as the reference's.
      film: some lamps for as long as the reference's films, u8[S, L, H, W, 3].
      reference: of the film.

    Returns:
      By extractor, `frechet`, `kernel` (with its 95 % interval), `density` and
      `coverage`; then `wax` (share over that of the film, spread of the share over the
      film's, total variation of blob counts, heights and rise speeds), `novelty`
      (nearest learned frame, over that of held-out film), `motion` (mean change from
      frame to frame, over the film's), `backwards` (kernel distance of
      `motion_histogram` if the clips are played backwards: more than forwards if they
      know where time goes) and `dynamics` of `film` beyond the held-out film's memory
      (`recurrence`: that of the median lamp, 0 if it is frozen or loops;
      `autocorrelation`: the largest, 1 if all lamps are frozen or loop).
      What cannot be told, as the speed of wax where there is none, is NaN.
    """
    found = rescale(features.extract(clips, reference.extractors), reference.scales)
    by_extractor = {
        name: feature_distances(rows, reference.features[name])
        for name, rows in found.items()
    }
    nearest = novelty.nearest_distances(
        clips[0], reference.learned, mirrored=reference.mirrored
    )
    energy = motion_energy(clips)
    return {
        "samples": clips.shape[1],
        **by_extractor,
        "wax": _wax(clips, reference),
        "novelty": _ratio(np.median(nearest), reference.nearest),
        "motion": _ratio(energy.mean(), reference.motion.mean()),
        "backwards": _backwards(clips, reference),
        "dynamics": _dynamics(_shrunk(film), reference.memory),
    }


def feature_distances(found: np.ndarray, real: np.ndarray) -> dict[str, Any]:
    """Returns all distances between features f64[N, D] by their names."""
    density, coverage = distances.density_and_coverage(found, real)
    return {
        "frechet": distances.frechet_distance(found, real),
        "kernel": distances.kernel_distance(found, real)._asdict(),
        "density": density,
        "coverage": coverage,
    }


def motion_energy(clips: np.ndarray) -> np.ndarray:
    """Mean absolute change from frame to frame f64[N], in units of [-1, 1]."""
    changes = [
        np.abs(second.astype(np.int16) - first).mean(axis=(1, 2, 3))
        for first, second in itertools.pairwise(clips)
    ]
    return np.mean(changes, axis=0) / 127.5


def _backwards(clips: np.ndarray, reference: Reference) -> dict[str, float]:
    (name,) = _MOTION
    if name not in reference.extractors:
        return dict.fromkeys(distances.Estimate._fields, float("nan"))
    turned = rescale(features.extract(clips[::-1], _MOTION), reference.scales)
    return distances.kernel_distance(turned[name], reference.features[name])._asdict()


def _wax(clips: np.ndarray, reference: Reference) -> dict[str, float]:
    colour = reference.wax_colour
    share = wax.wax_share(clips[0], colour)
    blobs = wax.find_blobs(clips[0], colour, _SMALLEST_BLOB)
    speeds = _speeds(clips, colour, reference.step_seconds)
    counts = np.arange(_MOST_BLOBS + 2) - 0.5
    heights = np.linspace(0, 1, _HEIGHT_BINS + 1)
    return {
        "share": _ratio(share.mean(), reference.share.mean()),
        "spread": _ratio(share.std(), reference.share.std()),
        "blob_count": _variation(blobs.counts, reference.blobs.counts, counts),
        "blob_height": _variation(blobs.heights, reference.blobs.heights, heights),
        "rise_speed": _variation(speeds, reference.speeds, _SPEED_EDGES),
    }


def _ratio(found: float, real: float) -> float:
    return float(found / real) if real else float("nan")


def _variation(found: np.ndarray, real: np.ndarray, edges: np.ndarray) -> float:
    """Total variation; 1 where only the real film has values, NaN where it has none."""
    if not real.size:
        return float("nan")
    return distances.total_variation(found, real, edges) if found.size else 1.0


def _dynamics(series: np.ndarray, memory: int) -> dict[str, float]:
    try:
        correlations = autocorrelation(series, len(series) // 2)
    except ValueError:  # all lamps rest at one state
        correlations = np.ones(memory + 1)
    return {
        "recurrence": float(np.median(dynamics.recurrence(series, memory))),
        "autocorrelation": float(correlations[memory:].max()),
    }


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


def _speeds(
    clips: np.ndarray, colour: wax.WaxColour, step_seconds: float
) -> np.ndarray:
    return wax.rise_speeds(
        clips[::_SPEED_STEPS], colour, _SPEED_STEPS * step_seconds, search=_SEARCH
    )


def fit_scale(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and divisor of features, so that all together vary by about 1.

    What hardly varies in the learned film is not blown up: a bin of a histogram that is
    hit once in a film would drown all others.
    """
    std = rows.std(axis=0, dtype=np.float64)
    least = _LEAST_SPREAD * np.sqrt(np.mean(np.square(std)))
    return rows.mean(axis=0), np.maximum(std, least) * np.sqrt(len(std))


def rescale(
    rows: Mapping[str, np.ndarray],
    scales: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Returns features by extractor, less their means and divided by their divisors."""
    return {name: (rows[name] - scales[name][0]) / scales[name][1] for name in rows}
