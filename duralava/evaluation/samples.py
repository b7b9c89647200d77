"""Samples of film: many short clips, and a few lamps for longer."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from duralava.datasets import arrays
from duralava.evaluation.plan import LEAST_CLIPS, LEAST_STEPS

NUM_LAMPS = 8  # lamps in the long film of a sample
MOST_STEPS = 300  # upper limit of its length
PICTURE_SIZE = 256
"""Height and width of the pictures that windows are cut from."""

Segments = Sequence[np.ndarray | arrays.Rows]
"""Film as pieces without a cut, u8[N, H, W, 3] each."""


class Sample(NamedTuple):
    """The frames in which a contender is measured.

    Clips are in the order of the film, or of the lamps that they show.

    Attributes:
      clips: u8[T, N, H, W, 3], N clips of T steps.
      film: u8[S, L, H, W, 3], longer film of L lamps, which shows their long-term
        motion.
      windows: u8[T, N, h, w, 3], windows of pictures of `PICTURE_SIZE` pixels that show
        the same as the clips, one of each frame, at places that are uniform over the
        picture; None if the contender does not give them.
    """

    clips: np.ndarray
    film: np.ndarray
    windows: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class SampleSize:
    """Size of a sample.

    Attributes:
      num_clips: number N of clips.
      clip_length: number T of steps in a clip.
      film_length: number S of steps in the long film of `NUM_LAMPS` lamps.
    """

    num_clips: int
    clip_length: int
    film_length: int


def cut_sample(
    segments: Segments,
    size: SampleSize,
    *,
    stride: int,
    windows: Segments | None = None,
) -> Sample:
    """Cuts a sample from film, spread evenly over all of it.

    Args:
      segments: the film.
      size: of the sample.
      stride: film frames per step.
      windows: a window of each frame of the film, as of `Sample`.

    Raises:
      ValueError: the film is too short.
    """
    count, length = size.num_clips, size.clip_length
    return Sample(
        cut_clips(segments, count, length, stride=stride),
        cut_clips(segments, NUM_LAMPS, size.film_length, stride=stride),
        windows and cut_clips(windows, count, length, stride=stride),
    )


def film_stride(fps: float, steps_per_second: float) -> int:
    """Returns the number of film frames per model step.

    Raises:
      ValueError: no whole number of frames makes a step of the right length, to a
        tenth.
    """
    stride = max(1, round(fps / steps_per_second))
    if abs(stride * steps_per_second / fps - 1) > 0.1:
        raise ValueError(
            f"film of {fps:g} frames a second does not give the {steps_per_second:g} "
            "steps a second that the lamp makes"
        )
    return stride


def count_clips(segments: Segments, clip_length: int, *, stride: int) -> int:
    """Returns the number of clips with different first frames."""
    span = _span(clip_length, stride)
    return sum(max(0, len(segment) - span + 1) for segment in segments)


def cut_clips(
    segments: Segments, num_clips: int, clip_length: int, *, stride: int
) -> np.ndarray:
    """Cuts clips u8[T, N, H, W, 3] from film, spread evenly over all of it.

    Args:
      segments: the film.
      num_clips: number N of clips; they overlap if the film is short.
      clip_length: number T of steps in a clip.
      stride: film frames per step.

    Raises:
      ValueError: the film has fewer clips.
    """
    span = _span(clip_length, stride)
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


def fitting_size(
    films: Sequence[Segments], num_clips: int, clip_length: int, *, stride: int
) -> tuple[int, int]:
    """Returns the number of clips and their steps that all of these films allow.

    Clips are as long as requested if films give `LEAST_CLIPS` of them, else shorter.

    Args:
      films: from which clips are cut.
      num_clips: requested number of clips.
      clip_length: requested steps in a clip.
      stride: film frames per step.

    Raises:
      ValueError: a film is too short for the fewest and shortest clips.
    """
    for steps in range(clip_length, LEAST_STEPS - 1, -1):
        count = min(count_clips(film, steps, stride=stride) for film in films)
        if count >= LEAST_CLIPS:
            return min(num_clips, count), steps
    shortest = min(films, key=lambda film: sum(map(len, film)))
    raise ValueError(
        f"a film of {sum(map(len, shortest))} frames is too short: learned and "
        f"held-out film need {LEAST_CLIPS} clips of {LEAST_STEPS} steps each, "
        f"{_span(LEAST_STEPS, stride) + LEAST_CLIPS - 1} frames without a cut"
    )


def longest_film(films: Sequence[Segments], *, stride: int) -> int:
    """Returns the steps of the longest sample film that all of these films allow."""
    for steps in range(MOST_STEPS, 1, -1):
        counts = [count_clips(film, steps, stride=stride) for film in films]
        if min(counts) >= NUM_LAMPS:
            return steps
    return 1


def join_segments(segments: Segments) -> tuple[np.ndarray, np.ndarray]:
    """Returns all frames u8[N, H, W, 3], and where segments start and the last ends.

    Raises:
      ValueError: there is no segment, or segments differ in size.
    """
    if not segments or len({segment.shape[1:] for segment in segments}) > 1:
        raise ValueError("film needs segments of frames of one size")
    starts = np.cumsum([0, *map(len, segments)])
    return np.concatenate(segments), starts


def _span(clip_length: int, stride: int) -> int:
    """Returns the number of film frames from the first to the last of a clip."""
    return (clip_length - 1) * stride + 1
