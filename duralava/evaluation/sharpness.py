"""How sharp pictures are: the steepest slopes between neighbouring pixels."""

import numpy as np

STEEPEST = 0.02  # share of all slopes
_CHUNK = 256  # pictures at once


def steepest_slopes(pictures: np.ndarray) -> float:
    """Returns the mean of the steepest 2 % of the slopes of brightness.

    The slope at a pixel is the length of the vector of differences from the pixel to
    its right and lower neighbours. All slopes of all pictures are taken together, so
    that a picture without an edge does not count as a blurred one.

    Args:
      pictures: u8[..., H, W, 3], H and W at least 2.

    Returns:
      Grey levels per pixel.
    """
    flat = pictures.reshape(-1, *pictures.shape[-3:])
    slopes = np.concatenate(
        [_slopes(flat[i : i + _CHUNK]).ravel() for i in range(0, len(flat), _CHUNK)]
    )
    count = max(1, round(STEEPEST * slopes.size))
    return float(np.partition(slopes, -count)[-count:].mean(dtype=np.float64))


def _slopes(pictures: np.ndarray) -> np.ndarray:
    """Returns f32[N, H - 1, W - 1] of pictures u8[N, H, W, 3]."""
    grey = pictures.mean(axis=-1, dtype=np.float32)
    corner = grey[:, :-1, :-1]
    return np.hypot(grey[:, :-1, 1:] - corner, grey[:, 1:, :-1] - corner)
