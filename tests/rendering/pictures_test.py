import numpy as np
import pytest

from duralava.rendering import pictures


def test_lamps_are_tiled_row_by_row():
    lamps = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones(
        (1, 2, 4, 3), np.uint8
    )
    grid = pictures.tile(lamps, 2, 3)
    assert grid.shape == (4, 12, 3)
    np.testing.assert_array_equal(grid[::2, ::4, 0], [[0, 1, 2], [3, 4, 5]])
    # The pixels of each lamp keep their arrangement.
    rng = np.random.default_rng(0)
    lamps = rng.integers(0, 256, (6, 2, 4, 3), np.uint8)
    np.testing.assert_array_equal(pictures.tile(lamps, 2, 3)[2:, 4:8], lamps[4])


def test_an_enlarged_picture_shows_the_same_smooth_function():
    y, x = np.mgrid[:16, :24] / 16
    wave = np.stack([np.sin(3 * x), np.cos(2 * y), x * y / 2], axis=-1)
    frame = np.uint8(np.round(127 + 100 * wave))
    large = pictures.enlarge(frame, 4)
    assert large.shape == (64, 96, 3)
    assert large.dtype == np.uint8
    # The same function at the centres of the small pixels.
    y, x = (np.mgrid[:64, :96] + 0.5) / 64 - 0.5 / 16
    wave = np.stack([np.sin(3 * x), np.cos(2 * y), x * y / 2], axis=-1)
    error = np.abs(large - (127 + 100 * wave))[8:-8, 8:-8]
    assert error.max() < 2


def test_scale_one_changes_nothing():
    frame = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(pictures.enlarge(frame, 1), frame)


def test_sizes_are_rounded_and_bounded():
    assert pictures.scaled_size(64, 128, 1.5) == (96, 192)
    assert pictures.scaled_size(64, 64, 64) == (4096, 4096)
    with pytest.raises(
        ValueError, match="64x64 pixels, scaled by 1000, would be 64000"
    ):
        pictures.scaled_size(64, 64, 1000)
    with pytest.raises(ValueError, match="would be 0x0"):
        pictures.scaled_size(64, 64, 0.001)
