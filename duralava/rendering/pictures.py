"""Frames before they are shown: cut out, tiled in a grid, enlarged, placed."""

import numpy as np
from PIL import Image

LARGEST = 4096  # pixels, height or width of a picture
# The largest brightness of black surroundings, in which a lamp is not opaque.
_OPAQUE = 16
# Side of a square picture of a lamp, in widths of a narrow frame: the picture's dark
# sides, a sixth of it each, may lie outside.
_MAX_SIDE = 1.5
_SOFT_EDGE = 1 / 24  # of a picture's height, where its edge turns black


def tile(frames: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Arranges the frames of several lamps in a grid, row by row.

    Args:
      frames: u8[rows * columns, H, W, 3].
      rows: of the grid.
      columns: of the grid.

    Returns:
      u8[rows * H, columns * W, 3].
    """
    height, width, channels = frames.shape[1:]
    grid = frames.reshape(rows, columns, height, width, channels)
    return grid.swapaxes(1, 2).reshape(rows * height, columns * width, channels)


def enlarge(frame: np.ndarray, scale: float) -> np.ndarray:
    """Scales a picture u8[H, W, 3] with a Lanczos filter; 1 changes nothing."""
    if scale == 1:
        return frame
    height, width = scaled_size(*frame.shape[:2], scale)
    picture = Image.fromarray(frame)
    return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))


def scaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Returns height and width in pixels of an enlarged picture.

    Raises:
      ValueError: a side would be shorter than a pixel or longer than `LARGEST`.
    """
    size = round(height * scale), round(width * scale)
    if not (min(size) >= 1 and max(size) <= LARGEST):
        raise ValueError(
            f"{height}x{width} pixels, scaled by {scale:g}, would be "
            f"{size[0]}x{size[1]}; a side has 1 to {LARGEST}"
        )
    return size


def cut_out(drawn: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Makes the black around lamps transparent.

    A pixel is opaque if it is bright, or between bright pixels of its row: the liquid
    and the foot may be dark. At the edge of the lamp, its opacity is its brightness,
    and its colour is divided by the opacity, so that over black nothing changes.

    Args:
      drawn: frames u8[..., H, W, 3] of lamps in front of black.
      shown: the same in any colours, u8[..., H, W, 3].

    Returns:
      u8[..., H, W, 4], the last channel is opacity.
    """
    bright = drawn.max(axis=-1)
    from_left = np.maximum.accumulate(bright, axis=-1)
    from_right = np.maximum.accumulate(bright[..., ::-1], axis=-1)[..., ::-1]
    inside = np.minimum(from_left, from_right).astype(np.float32)
    opacity = np.minimum(inside / _OPAQUE, 1)[..., None]
    colour = np.minimum(shown / np.maximum(opacity, 1 / 255), 255)
    both = np.concatenate([colour, 255 * opacity], axis=-1)
    return np.round(both).astype(np.uint8)


def side_in(height: int, width: int, rows: int = 1, columns: int = 1) -> int:
    """Returns height and width of each lamp of a grid that fills a frame."""
    return max(1, min(height // rows, round(_MAX_SIDE * width / columns)))


def place(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Places a picture u8[H, W, C] in the middle of a black or transparent frame.

    What is wider or higher than the frame is cut off. An edge inside the frame turns
    black softly; that of a lamp in front of black is not changed by it.

    Returns:
      u8[height, width, C].
    """
    soft = max(1, round(_SOFT_EDGE * len(picture)))
    for axis, length in enumerate((height, width)):
        size = picture.shape[axis]
        if size > length:
            start = (size - length) // 2
            picture = picture.take(range(start, start + length), axis)
        elif size < length:
            ends = np.arange(size) + 0.5
            share = np.clip(np.minimum(ends, ends[::-1]) / soft, 0, 1)
            share = (share * share * (3 - 2 * share))[(...,) + (None,) * (2 - axis)]
            picture = np.round(picture * share).astype(np.uint8)
            before = (length - size) // 2
            padding = [(0, 0)] * 3
            padding[axis] = before, length - size - before
            picture = np.pad(picture, padding)
    return picture
