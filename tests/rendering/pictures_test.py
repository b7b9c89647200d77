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


def lamp_in_front_of_black():
    """A lamp with bright sides, and dark liquid between them."""
    frame = np.zeros((12, 16, 3), np.uint8)
    frame[2:10, 4:12] = (3, 1, 2)
    frame[2:10, [4, 11]] = (120, 20, 110)
    frame[2:10, [3, 12]] = (8, 1, 7)  # a soft edge
    return frame


def test_only_what_is_outside_of_a_lamp_is_transparent():
    frame = lamp_in_front_of_black()
    opacity = pictures.cut_out(frame, frame)[..., 3]
    assert (opacity[2:10, 4:12] == 255).all()
    assert (opacity[2:10, [3, 12]] == 128).all()
    opacity[2:10, 3:13] = 0
    assert not opacity.any()


def test_a_lamp_that_is_cut_out_looks_the_same_in_front_of_black():
    frame = lamp_in_front_of_black()
    shown = frame[..., ::-1]  # in other colours
    cut = pictures.cut_out(frame, shown).astype(float)
    over_black = cut[..., :3] * cut[..., 3:] / 255
    assert np.abs(over_black - shown).max() <= 1


def test_a_lamp_is_as_high_as_the_frame_and_keeps_to_its_middle():
    assert pictures.side_in(1080, 1920) == 1080
    assert pictures.side_in(1920, 1080) == 1620  # its dark sides are cut off
    assert pictures.side_in(1080, 1920, rows=2, columns=4) == 540
    frame = lamp_in_front_of_black()
    wide = pictures.place(frame, 12, 30)
    assert wide.shape == (12, 30, 3)
    np.testing.assert_array_equal(wide[:, 7:23], frame)
    assert not wide[:, :7].any() and not wide[:, 23:].any()
    narrow = pictures.place(frame, 20, 10)
    np.testing.assert_array_equal(narrow[4:16], frame[:, 3:13])


def test_a_bright_edge_turns_black_softly():
    placed = pictures.place(np.full((96, 96, 3), 200, np.uint8), 96, 192)
    row = placed[48, :, 0].astype(int)
    assert row[47] == 0 and row[96] == 200
    assert np.abs(np.diff(row)).max() < 100
    np.testing.assert_array_equal(placed[0], placed[48])
