"""Windows: parts of the pictures of a film, of the size of the frames to learn.

A film shows more detail than its frames have if its pictures are larger. Windows show
it, at the cost of a small frame: each is a square part of one picture, at some scale.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import PIL.Image

from duralava import files
from duralava.datasets import arrays

_CHUNK_FRAMES = 64

Frames = np.ndarray | arrays.Rows


class Place(NamedTuple):
    """Where a window lies in its picture, in widths of the picture.

    Attributes:
      left: left edge, from that of the picture.
      top: upper edge, from that of the picture.
      pixel: width of a pixel.
    """

    left: float
    top: float
    pixel: float


class Window(NamedTuple):
    """A part of a picture.

    Attributes:
      pixels: u8[R, R, 3].
      place: where it lies.
    """

    pixels: np.ndarray
    place: Place


RandomWindow = Callable[[int, np.random.Generator], Window]
"""Returns a window of the frame of an index, at random."""


def whole(frames: Frames, index: int) -> Window:
    """Returns a whole frame of u8[N, R, R, 3]."""
    return Window(frames[index], Place(0.0, 0.0, 1 / frames.shape[1]))


def stored(
    index: int,
    rng: np.random.Generator,
    *,
    pictures: dict[int, tuple[Frames, Frames]],
) -> Window:
    """Returns one of the windows that a data set holds of each frame.

    Args:
      index: of the frame.
      rng: decides which of them.
      pictures: for each size of a picture in pixels, windows u8[N, R, R, 3] of it, and
        row and column of their first pixels, u16[N, 2].
    """
    size = list(pictures)[rng.integers(len(pictures))]
    pixels, corners = pictures[size]
    row, column = corners[index].tolist()
    return Window(pixels[index], Place(column / size, row / size, 1 / size))


def cut(index: int, rng: np.random.Generator, *, pictures: Frames, size: int) -> Window:
    """Cuts a window from a picture, at a random place and scale.

    Its pixels are means of blocks of 1x1, 2x2, ... pixels of the picture, large blocks
    less often (log-uniform), up to less than those of a whole frame.

    Args:
      index: of the picture.
      rng: decides about scale and place.
      pictures: u8[N, kR, kR, 3].
      size: height and width R of the window.
    """
    picture = pictures[index]
    full = picture.shape[0]
    block = int((full // size) ** rng.random())
    left, top = rng.integers(full - block * size + 1, size=2).tolist()
    part = picture[top : top + block * size, left : left + block * size]
    return Window(shrunk(part, block), Place(left / full, top / full, block / full))


def mirrored(window: Window) -> Window:
    """Returns the window of the mirrored picture that shows the same part."""
    left, top, pixel = window.place
    width = window.pixels.shape[1] * pixel
    return Window(window.pixels[:, ::-1], Place(1 - left - width, top, pixel))


def shrunk(picture: np.ndarray, block: int) -> np.ndarray:
    """Returns means of blocks of pixels, u8[H, W, 3] -> u8[H/b, W/b, 3]."""
    if block == 1:
        return picture
    image = PIL.Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.reduce(block))


def small_frames(
    folder: str | os.PathLike[str], split: str, frames: arrays.Rows, *, resolution: int
) -> arrays.Rows:
    """Returns the frames of a split at a lower resolution, memory-mapped.

    They are computed once, and kept beside those of the data set.

    Args:
      folder: of the prepared data set.
      split: `train` or `test`.
      frames: of the split.
      resolution: height and width in pixels, a divisor of that of the frames.

    Raises:
      ValueError: it is not a divisor, or the frames are damaged.
      OSError: they cannot be written.
    """
    block, rest = divmod(frames.shape[1], resolution)
    if rest:
        raise ValueError(
            f"frames of {frames.shape[1]} pixels in {folder} are not a multiple of "
            f"{resolution} pixels"
        )
    name = f"frame_{resolution}"
    path = arrays.path(folder, split, name)
    if not path.exists():
        feature = arrays.Mapped(shape=(resolution, resolution, 3), dtype=np.uint8)
        with files.written_whole(path) as partial, partial.open("xb") as file:
            for first in range(0, len(frames), _CHUNK_FRAMES):
                chunk = frames[first : first + _CHUNK_FRAMES]
                rows = np.stack([shrunk(frame, block) for frame in chunk])
                arrays.write_rows(file, feature, first, rows)
            arrays.write_header(file, feature, len(frames))
        arrays.write_checksums(folder, split, name)
    remedy = f"remove {path}: it is made again from the larger frames"
    return arrays.load_rows(folder, split, name, remedy=remedy)
