"""A volume with balls of wax in it, for tests of what is measured there."""

import numpy as np

SHAPE = 12, 48, 24


def balls(places, radius=4.0):
    """One moment with balls at places (layer, row, column), f32[Nz, Ny, Nx]."""
    centres = np.moveaxis(np.indices(SHAPE) + 0.5, 0, -1)
    distances = [np.linalg.norm(centres - place, axis=-1) for place in places]
    return (np.min(distances, axis=0) < radius).astype(np.float32)
