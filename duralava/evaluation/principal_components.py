"""The principal components of film."""

import numpy as np

# Directions beyond the rank, and repetitions, of the subspace iteration.
_OVERSAMPLING = 16
_REPETITIONS = 3


def principal_components(
    frames: np.ndarray, rank: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the mean f32[D], components f32[R, D] and coordinates f64[N, R].

    By subspace iteration from random directions (Halko, Martinsson & Tropp 2011,
    algorithm 4.4), which reads the film a few times. R is `rank`, or less if the film
    varies in fewer directions.
    """
    pixels = frames.reshape(len(frames), -1).astype(np.float32)
    mean = pixels.mean(axis=0, dtype=np.float64).astype(np.float32)
    pixels -= mean
    size = min(rank + _OVERSAMPLING, *pixels.shape)
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((pixels.shape[1], size), np.float32)
    for _ in range(_REPETITIONS):
        basis = np.linalg.qr(pixels @ basis)[0]
        basis = np.linalg.qr(pixels.T @ basis)[0]
    _, lengths, turn = np.linalg.svd(pixels @ basis, full_matrices=False)
    components = turn[:rank][lengths[:rank] > 1e-5 * lengths[0]] @ basis.T
    return mean, components, (pixels @ components.T).astype(np.float64)
