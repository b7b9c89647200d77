"""Whether frames are new, or copies of learned film."""

import numpy as np

_ROWS = 1024


def nearest_distances(
    frames: np.ndarray, film: np.ndarray, *, mirrored: bool = False
) -> np.ndarray:
    """Returns the distance of each frame to the nearest frame of the film.

    Args:
      frames: u8[N, H, W, 3].
      film: u8[M, H, W, 3].
      mirrored: whether the film's mirror image counts too.

    Returns:
      Root mean square difference f64[N], in units of [-1, 1].
    """
    # The mirror image of a query is as far from the film as the query from its mirror.
    versions = (frames, frames[:, :, ::-1]) if mirrored else (frames,)
    queries = np.concatenate([_flatten(version) for version in versions])
    squares = np.full(len(queries), np.inf)
    for start in range(0, len(film), _ROWS):
        known = _flatten(film[start : start + _ROWS])
        # By |a - b|^2 = |a|^2 + |b|^2 - 2ab: one matrix product.
        square = np.square(known).sum(axis=1) - 2 * queries @ known.T
        np.minimum(squares, square.min(axis=1), out=squares)
    squares += np.square(queries).sum(axis=1)
    nearest = squares.reshape(len(versions), -1).min(axis=0)
    return np.sqrt(np.maximum(nearest, 0) / queries.shape[1])


def _flatten(frames: np.ndarray) -> np.ndarray:
    return frames.reshape(len(frames), -1).astype(np.float32) / 127.5 - 1
