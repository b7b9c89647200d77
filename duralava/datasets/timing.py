"""From frames with times to frames at an even rate."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

_MOST_FPS = 60.0
_CLUSTER = 1.25  # largest over smallest spacing of those that count as one
_EVEN = 0.5  # most by which a spacing differs from the usual one, as a share of it
LONGEST_GAP = 600.0  # seconds; a longer one is a fault of the times

Frame = TypeVar("Frame")


def usual_rate(times: Sequence[float]) -> float:
    """Returns the frames per second of the commonest spacing, at most 60.

    Times that a file rounds to milliseconds give spacings of 33 and 34 ms, and those of
    a camera vary. So the commonest spacing is the middle of the densest cluster, and
    the result is that of the mean of all spacings that differ from it by less than a
    half, to seven digits.

    Args:
      times: of at least two frames in seconds, in any order, not all the same.
    """
    spacings = np.diff(np.sort(np.asarray(times, float)))
    spacings = np.sort(spacings[spacings > 0])
    ends = np.searchsorted(spacings, _CLUSTER * spacings, side="right")
    first = int(np.argmax(ends - np.arange(len(spacings))))
    middle = np.median(spacings[first : ends[first]])
    usual = spacings[np.abs(spacings - middle) < _EVEN * middle].mean()
    return min(float(f"{1 / usual:.7g}"), _MOST_FPS)


def is_even(times: Sequence[float], fps: float) -> bool:
    """Whether frames come one after the other at a rate, as far as cameras keep it."""
    spacings = np.diff(np.sort(np.asarray(times, float))) * fps
    return bool(np.all(np.abs(spacings - 1) < _EVEN))


def at_even_rate(
    frames: Iterable[tuple[float, float, Frame]], fps: float
) -> Iterator[Frame]:
    """Yields the frame that is nearest in time at each tick of an even rate.

    The first tick is at the first frame. Frames that come at that rate are yielded
    once each. A frame whose time is not after that of the frame before it, or over ten
    minutes after it, comes one tick after it.

    Args:
      frames: time and duration in seconds, 0 if it is unknown, and the frame.
      fps: rate of the ticks.
    """
    count = 0  # ticks so far
    shown = 0.0  # seconds from the first frame to the last one
    last: tuple[float, float, Frame] | None = None
    for frame in frames:
        if last is not None:
            gap = frame[0] - last[0]
            if not 0 < gap < LONGEST_GAP:
                gap = 1 / fps
            num_ticks = _ticks_before(shown + gap / 2, fps) - count
            yield from itertools.repeat(last[2], num_ticks)
            count += max(0, num_ticks)
            shown += gap
        last = frame
    if last is not None:
        end = shown + max(last[1], 1 / fps) - 0.5 / fps
        yield from itertools.repeat(last[2], _ticks_before(end, fps) - count)


def _ticks_before(seconds: float, fps: float) -> int:
    """Returns the number of ticks k / fps before a time, k = 0, 1, ..."""
    return math.ceil(seconds * fps - 1e-6)
