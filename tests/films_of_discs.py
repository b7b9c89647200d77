"""Film with a bright disc, for tests of what is learned from film."""

import numpy as np


def film(seed, length=240):
    """A bright disc that jumps to a new place each second and rises, u8[M, H, W, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16]
    frames = np.full((length, 16, 16, 3), 30.0)
    for start in range(0, length, 30):
        across, height = rng.uniform(3, 13, 2)
        for index in range(start, min(start + 30, length)):
            distance = np.hypot(x - across, y - height + (index - start) / 10)
            frames[index] += np.clip(4 - distance, 0, 1)[..., None] * (200, 90, 20)
    return frames.astype(np.uint8)
