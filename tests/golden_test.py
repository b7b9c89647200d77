"""The shipped weights draw what they drew when they were shipped, on any machine."""

import pathlib

import numpy as np
import pytest

from duralava import weights

GOLDEN = pathlib.Path(__file__).parent / "fixtures" / "golden.npz"
_CELLS, _LEVELS = 8, 4  # cells along a side, and grey levels that may be lost


def quantised(lamp):
    """Means of 8x8 cells of the frames of two lamps, after 0 and 10 steps."""
    start = lamp.start(7, count=2)
    later, _ = lamp.rollout(start.latents, start.key, num_steps=10)
    frames = np.asarray(lamp.generate(np.stack([start.latents, later])), np.float32)
    size = frames.shape[2] // _CELLS
    cells = frames.reshape(2, 2, _CELLS, size, _CELLS, size, 3).mean(axis=(3, 5))
    return np.rint(cells).astype(np.uint8)


@pytest.mark.parametrize("name", weights.names())
def test_frames_are_those_of_the_shipped_weights(name):
    with np.load(GOLDEN, allow_pickle=False) as golden:
        expected = golden[name].astype(int)
    found = quantised(weights.load(name)).astype(int)
    # Rounding differs between processors; another lamp differs by tens of levels.
    assert np.abs(found - expected).max() <= _LEVELS
    assert np.abs(found[:, ::-1] - expected).max() > 10 * _LEVELS
