"""A ladder of two-sample tests: from the layout of a picture to its detail."""

import dataclasses
from collections.abc import Callable

import numpy as np

from duralava.evaluation import two_sample
from duralava.evaluation.distances import Estimate, Untested
from duralava.evaluation.reference import Reference
from duralava.evaluation.samples import PICTURE_SIZE, Sample


@dataclasses.dataclass(frozen=True)
class Rung:
    """One rung of the ladder.

    Attributes:
      size: height and width that pictures are shrunk to.
      frames: number of frames that the classifier sees together.
      windows: whether it sees windows of larger pictures, as they are.
    """

    size: int
    frames: int = 1
    windows: bool = False


NO_WINDOWS = Untested(f"no windows of pictures of {PICTURE_SIZE} pixels")
FORMS = ("eye", "exact")
WINDOWS = f"windows at {PICTURE_SIZE} pixels"
RUNGS = {
    "stills at 16 pixels": Rung(16),
    "stills at 32 pixels": Rung(32),
    "stills at 64 pixels": Rung(64),
    WINDOWS: Rung(64, windows=True),
    "clips at 64 pixels": Rung(64, frames=4),
}
"""Where on the ladder a test begins to tell says whether the layout, the shapes or the
detail differs."""


@dataclasses.dataclass(frozen=True)
class LadderFigures:
    """Results of two-sample tests, AUC by the names of `RUNGS`.

    Attributes:
      eye: of pictures that are disturbed at random.
      exact: of the pictures as they are.
    """

    eye: dict[str, Estimate | Untested]
    exact: dict[str, Estimate | Untested]


def climb(reference: Reference) -> Callable[[Sample], LadderFigures]:
    """Tests on each rung whether a classifier can tell a sample from held-out film."""
    film = {name: pictures(reference.sample, rung) for name, rung in RUNGS.items()}

    def test(sample: Sample, name: str, form: str) -> Estimate | Untested:
        found = pictures(sample, RUNGS[name])
        for side in (film[name], found):
            if isinstance(side, Untested):
                return side
        view = two_sample.View(RUNGS[name].frames, disturbed=form == "eye")
        return two_sample.two_sample_auc(film[name], found, view)

    return lambda sample: LadderFigures(
        *({name: test(sample, name, form) for name in RUNGS} for form in FORMS)
    )


def pictures(sample: Sample, rung: Rung) -> np.ndarray | Untested:
    """Returns what a classifier sees of a sample, u8[T, N, size, size, 3]."""
    if rung.windows:
        return NO_WINDOWS if sample.windows is None else sample.windows
    return shrink(sample.clips, rung.size)


def shrink(clips: np.ndarray, size: int) -> np.ndarray | Untested:
    """Returns clips u8[T, N, H, H, 3] in a smaller size; by means of pixels."""
    length = clips.shape[2]
    if length % size:
        return Untested(f"frames of {length} pixels do not shrink to {size}")
    if length == size:
        return clips
    steps, count = clips.shape[:2]
    pieces = (steps, size, length // size, size, length // size, 3)
    shrunk = np.empty((steps, count, size, size, 3), np.uint8)
    for index in range(count):
        mean = clips[:, index].reshape(pieces).mean(axis=(2, 4), dtype=np.float32)
        shrunk[:, index] = np.rint(mean)
    return shrunk


def auc_text(auc: Estimate | Untested) -> str:
    """Returns an AUC with its interval as text."""
    if isinstance(auc, Untested):
        return "-"
    return f"{auc.value:.2f} ± {(auc.high - auc.low) / 2:.2f}"
