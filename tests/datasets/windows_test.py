import numpy as np

from duralava.datasets import windows


def random_pictures(count, size):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, size, size, 3), np.uint8)


def crop(picture, place, size):
    """The part of a picture at a place, as means over blocks of its pixels."""
    full = len(picture)
    left, top, block = (round(x * full) for x in place)
    part = picture[top : top + block * size, left : left + block * size].astype(float)
    return part.reshape(size, block, size, block, 3).mean(axis=(1, 3))


def test_a_cut_window_is_the_crop_of_the_picture_at_its_place():
    pictures = random_pictures(3, 32)
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(60):
        index = rng.integers(3)
        window = windows.cut(index, rng, pictures=pictures, size=8)
        expected = crop(pictures[index], window.place, 8)
        np.testing.assert_allclose(window.pixels, expected, atol=0.6)
        seen.add(window.place.pixel * 32)
    assert seen == {1, 2, 3}  # whole frames have pixels of 4


def test_a_stored_window_has_its_place_in_the_picture():
    pictures = {size: random_pictures(2, size) for size in (16, 32)}
    corners = {
        16: np.array([[0, 8], [3, 4]], np.uint16),
        32: np.array([[24, 0], [5, 6]], np.uint16),
    }
    stored = {
        size: (
            np.stack(
                [
                    picture[row : row + 8, column : column + 8]
                    for picture, (row, column) in zip(
                        pictures[size], corners[size], strict=True
                    )
                ]
            ),
            corners[size],
        )
        for size in pictures
    }
    rng = np.random.default_rng(0)
    seen = set()
    for index in (0, 1) * 20:
        window = windows.stored(index, rng, pictures=stored)
        size = round(1 / window.place.pixel)
        expected = crop(pictures[size][index], window.place, 8)
        np.testing.assert_array_equal(window.pixels, expected)
        seen.add((size, index))
    assert len(seen) == 4


def test_a_mirrored_window_is_the_crop_of_the_mirrored_picture():
    pictures = random_pictures(1, 32)
    rng = np.random.default_rng(2)
    for _ in range(10):
        window = windows.mirrored(windows.cut(0, rng, pictures=pictures, size=8))
        expected = crop(pictures[0][:, ::-1], window.place, 8)
        np.testing.assert_allclose(window.pixels, expected, atol=0.6)


def test_a_whole_frame_is_where_the_frame_is():
    frames = random_pictures(2, 8)
    pixels, place = windows.whole(frames, 1)
    np.testing.assert_array_equal(pixels, frames[1])
    assert place == (0, 0, 1 / 8)
    assert windows.mirrored(windows.Window(pixels, place)).place == place
