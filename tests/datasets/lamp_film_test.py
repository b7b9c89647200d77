import itertools

import numpy as np
import pytest

from duralava import simulation
from duralava.datasets import lamp_film

LAMP = simulation.LampConfig(columns=12, rows=24, warm_up_seconds=0.0)
SIZES = (48, 64)


def chunks(seed=0, fps=5, window_pictures=SIZES, resolution=32):
    return lamp_film.film_chunks(
        seed,
        resolution=resolution,
        fps=fps,
        window_pictures=window_pictures,
        config=LAMP,
        theme="sunset",
    )


def whole_film(resolution, fps):
    film = next(simulation.film_chunks(0, resolution, config=LAMP))
    return film[:: simulation.FRAMES_PER_SECOND // fps]


@pytest.fixture(scope="module")
def chunk():
    return next(chunks())


@pytest.mark.parametrize("fps", [30, 10, 5])
def test_frames_are_those_of_the_film_at_another_rate(fps):
    chunk = next(chunks(fps=fps, window_pictures=()))

    assert list(chunk) == ["frame"]
    np.testing.assert_array_equal(chunk["frame"], whole_film(32, fps))


@pytest.mark.parametrize("size", SIZES)
def test_windows_are_crops_of_the_large_picture_at_their_places(chunk, size):
    pictures = whole_film(size, 5)

    places = chunk[f"place_{size}"]
    assert len(pictures) == len(places) == len(chunk[f"window_{size}"]) == 25
    for picture, (row, column), window in zip(
        pictures, places, chunk[f"window_{size}"], strict=True
    ):
        crop = picture[row : row + 32, column : column + 32]
        np.testing.assert_array_equal(window, crop)


def test_places_are_uniform_over_the_picture():
    film = itertools.islice(chunks(window_pictures=(34,)), 8)
    places = np.concatenate([chunk["place_34"] for chunk in film])

    counts = np.bincount(3 * places[:, 0] + places[:, 1], minlength=9)
    assert len(counts) == 9
    # 200 draws of nine places: 22.2 each, with a standard deviation of 4.4.
    assert (np.abs(counts - 200 / 9) < 4 * 4.4).all()


def test_places_differ_between_sizes_and_between_seeds(chunk):
    assert (chunk["place_48"] != chunk["place_64"]).any()
    assert (chunk["place_48"] != next(chunks(seed=1))["place_48"]).any()


def test_same_seed_gives_the_same_film(chunk):
    again = next(chunks())

    assert list(again) == list(chunk)
    for name, values in chunk.items():
        np.testing.assert_array_equal(again[name], values)


@pytest.mark.parametrize(("resolution", "pictures"), [(16, ()), (32, (16384,))])
def test_size_out_of_range_is_refused(resolution, pictures):
    with pytest.raises(ValueError, match="resolution is 16"):
        next(chunks(resolution=resolution, window_pictures=pictures))
