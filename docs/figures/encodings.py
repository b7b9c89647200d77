"""Measures the videos that duralava writes: size, evenness and gradients.

  python docs/figures/encodings.py

Prints the table of `docs/encodings.md`, in Markdown. Lamp 7 of the shipped weights is
filmed in 512 pixels, for 21 seconds, and in a loop of 15 seconds.
"""

import functools
import itertools
import pathlib
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import av
import numpy as np
from absl import flags
from scipy import ndimage

from duralava import command_line, weights
from duralava.rendering import film, writers

_SEED = flags.DEFINE_integer("seed", 7, "Of the lamp.")
_SIZE = flags.DEFINE_integer("size", 512, "Height and width of a frame in pixels.")
_FPS = 30
_SECONDS, _LOOP_SECONDS = 21, 15
_AROUND = 15  # frames before and after one, which show what is usual there
_GRADIENT = 0.01, 0.125  # levels per pixel of what counts as a smooth gradient
_DARK = 20  # luma of black, and a little more
_CELL = 9  # pixels over which an eye averages, in height and width
_LUMA = 0.2126, 0.7152, 0.0722  # of BT.709


class Row(NamedTuple):
    """A line of the table, see `_HEADINGS`."""

    name: str
    kilobytes: float
    at_keys: str
    elsewhere: float
    seam: str
    equal: float
    error: float
    run: float
    speed: float


_HEADINGS = Row(
    "film",
    "kB/s",
    "change at key frames",
    "largest change elsewhere",
    "change at the seam",
    "equal frames",
    "error of gradients",
    "run of equal pixels",
    "frames/s written",
)


def _frames(loop: bool) -> np.ndarray:
    """Returns the film u8[N, H, W, 3], on the disk."""
    num_frames = _FPS * (_LOOP_SECONDS if loop else _SECONDS)
    lamp = weights.load()
    shot = film.Shot(fps=_FPS, num_frames=num_frames, size=_SIZE.value, loop=loop)
    shape = (num_frames, _SIZE.value, _SIZE.value, 3)
    with tempfile.TemporaryFile() as file:  # which the array keeps open
        frames = np.memmap(file, np.uint8, "w+", shape=shape)
    film_ = film.film_lamps(lamp, lamp.start(_SEED.value), shot)
    for index, frame in enumerate(itertools.islice(film_, num_frames)):
        frames[index] = frame
    return frames


def _measure(path: pathlib.Path, frames: np.ndarray, loop: bool) -> Row:
    start = time.monotonic()
    writers.write_frames(path, iter(frames), fps=_FPS, loop=loop)
    speed = len(frames) / (time.monotonic() - start)
    shown = writers.read_frames(path)
    changes = _changes(shown, loop)
    with av.open(path) as container:
        decoded = list(_lumas(container, len(frames)))
    keys = [index for index, (is_key, _) in enumerate(decoded) if is_key and index]
    usual = functools.partial(_compared, changes)
    others = [index for index in range(1, len(changes)) if index not in keys]
    gradients = [
        _gradient_error(luma, frames[index])
        for index, (_, luma) in enumerate(decoded)
        if luma is not None
    ]
    error, run = np.mean(gradients, axis=0)
    return Row(
        name=f"{path.suffix}{', loop' if loop else ''}",
        kilobytes=path.stat().st_size / 1000 / len(frames) * _FPS,
        at_keys=", ".join(f"{usual(index):.2f}" for index in keys) or "none",
        elsewhere=max(map(usual, others)),
        seam=f"{usual(0):.2f}" if loop else "",
        equal=float(np.mean(changes[1:] == 0)),
        error=error,
        run=run,
        speed=speed,
    )


def _changes(frames: Iterable[np.ndarray], loop: bool) -> np.ndarray:
    """Returns the mean change of a pixel from the frame before.

    Before the first frame of a loop comes its last.
    """
    first = last = None
    changes = []
    for frame in frames:
        frame = frame.astype(np.int16)
        changes.append(0.0 if last is None else np.abs(frame - last).mean())
        first = frame if first is None else first
        last = frame
    if loop:
        changes[0] = np.abs(first - last).mean()
    return np.array(changes)


def _compared(changes: np.ndarray, index: int) -> float:
    """Returns a change in units of those around it."""
    around = np.arange(index - _AROUND, index + _AROUND + 1) % len(changes)
    return changes[index] / np.median(changes[around[around != index]])


def _lumas(
    container: av.container.InputContainer, count: int
) -> Iterator[tuple[bool, np.ndarray | None]]:
    """Yields whether a frame is a key frame, and the luma of one frame in 50."""
    for index, frame in enumerate(itertools.islice(container.decode(video=0), count)):
        luma = None
        if index % 50 == 25:
            plane = np.frombuffer(frame.planes[0], np.uint8)
            luma = plane.reshape(frame.height, -1)[:, : frame.width].astype(float)
        yield frame.key_frame, luma


def _gradient_error(luma: np.ndarray, frame: np.ndarray) -> tuple[float, float]:
    """Returns how far gradients are from those of a frame u8[H, W, 3].

    Returns:
      The standard deviation of the error of the luma, averaged as an eye does, and the
      mean number of equal pixels beside each other.
    """
    true = 16 + 219 / 255 * frame.astype(float) @ _LUMA
    slope = np.hypot(*np.gradient(ndimage.uniform_filter(true, _CELL)))
    least, most = _GRADIENT
    smooth = (slope > least) & (slope < most) & (true > _DARK)
    smooth = ndimage.binary_erosion(smooth, iterations=_CELL // 2 + 1)
    error = ndimage.uniform_filter(luma - true, _CELL)[smooth].std()
    inside = smooth[:, 1:] & smooth[:, :-1]
    return float(error), float(1 / np.mean(np.diff(luma, axis=1)[inside] != 0))


def _as_text(row: Row) -> str:
    cells = [
        *(row.name, f"{row.kilobytes:.0f}", row.at_keys, f"{row.elsewhere:.2f}"),
        *(row.seam, f"{row.equal:.1%}", f"{row.error:.3f}", f"{row.run:.1f}"),
        f"{row.speed:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main(_: Sequence[str]) -> None:
    """Measures all films and prints the table."""
    print(f"| {' | '.join(_HEADINGS)} |\n{'| --- ' * len(_HEADINGS)}|")
    with tempfile.TemporaryDirectory() as folder:
        for loop in (False, True):
            frames = _frames(loop)
            for suffix in (".mp4", ".webm"):
                path = pathlib.Path(folder, f"film{suffix}")
                print(_as_text(_measure(path, frames, loop)), flush=True)


if __name__ == "__main__":
    command_line.run(main)
