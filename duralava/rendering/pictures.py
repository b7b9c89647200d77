"""Frames before they are shown: tiled in a grid, enlarged."""

import numpy as np
from PIL import Image

LARGEST = 4096  # pixels, height or width of a picture


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
