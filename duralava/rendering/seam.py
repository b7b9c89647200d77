"""How well a loop closes: the change from its last frame to its first."""

from typing import NamedTuple

import numpy as np


class Seam(NamedTuple):
    """The changes at the seam of a loop; 1 is the usual change of the film.

    Attributes:
      change: mean change of a pixel from the last frame to the first, over the median
        change from frame to frame: far above 1 for a jump, 0 for a still.
      turn: largest mean change of that change, at the seam and one frame before and
        after, over the median: far above 1 where the motion continues at another
        speed or in another direction.
    """

    change: float
    turn: float


class SeamMeter:
    """Measures a loop frame by frame; it stores four frames."""

    def __init__(self) -> None:
        self._first: list[np.ndarray] = []
        self._last: list[np.ndarray] = []
        self._changes: list[float] = []
        self._turns: list[float] = []

    def add(self, frame: np.ndarray) -> None:
        """Adds the next frame u8[H, W, 3]."""
        frame = frame.astype(np.int16)
        if len(self._first) < 2:
            self._first.append(frame)
        self._last = [*self._last[-2:], frame]
        if len(self._last) > 1:
            self._changes.append(_change(self._last))
        if len(self._last) > 2:
            self._turns.append(_turn(self._last))

    def measure(self) -> Seam:
        """Returns the changes at the seam.

        Raises:
          ValueError: fewer than four frames, or nothing has moved.
        """
        if len(self._turns) < 2:
            raise ValueError("a loop has four frames at least")
        usual_change, usual_turn = np.median(self._changes), np.median(self._turns)
        if not (usual_change and usual_turn):
            raise ValueError("nothing moves in this loop")
        around = [*self._last[-2:], *self._first]
        return Seam(
            change=_change(around[1:3]) / usual_change,
            turn=max(_turn(around[:3]), _turn(around[1:])) / usual_turn,
        )


def _change(frames: list[np.ndarray]) -> float:
    return float(np.abs(frames[-1] - frames[-2]).mean())


def _turn(frames: list[np.ndarray]) -> float:
    before, here, after = frames
    return float(np.abs(after - 2 * here + before).mean())
