import itertools

import numpy as np
import pytest
import tiny

from duralava import themes
from duralava.rendering.film import Shot, film_lamps
from duralava.rendering.seam import SeamMeter


@pytest.fixture(scope="module")
def lamp():
    return tiny.faster(
        tiny.lamp(with_encoder=False, transition_layers=2, refresh=0.02), 2.5
    )


def take(lamp, count, *, state=None, **options):
    shot = Shot(**options)
    if state is None:
        state = lamp.start(1, count=shot.num_lamps)
    return np.stack(list(itertools.islice(film_lamps(lamp, state, shot), count)))


def test_a_film_ends_after_its_frames(lamp):
    frames = list(film_lamps(lamp, lamp.start(1), Shot(num_frames=33)))
    np.testing.assert_array_equal(frames, take(lamp, 33))


def test_a_film_of_one_lamp_is_the_film_of_its_seed(lamp):
    film = take(lamp, 12)
    expected = lamp.film(seed=1, fps=30.0)
    np.testing.assert_array_equal(film, list(itertools.islice(expected, 12)))


def test_lamps_of_a_grid_differ_and_the_first_is_that_of_the_seed(lamp):
    film = take(lamp, 3, rows=2, columns=3)
    assert film.shape == (3, 32, 48, 3)
    alone = take(lamp, 3)
    assert np.abs(np.int16(film[:, :16, :16]) - alone).max() <= 1
    assert np.abs(np.int16(film[:, 16:, :16]) - alone).max() > 2


def test_double_speed_shows_every_second_frame(lamp):
    film = take(lamp, 20, fps=10.0)
    quick = take(lamp, 10, fps=10.0, speed=2.0)
    assert np.abs(np.int16(quick) - film[::2]).max() <= 1
    assert np.abs(np.int16(quick[1:]) - film[1:10]).max() > 2


def test_a_loop_closes_and_another_film_does_not(lamp):
    def seam(loop):
        meter = SeamMeter()
        for frame in take(lamp, 150, num_frames=150, fps=10.0, loop=loop):
            meter.add(frame)
        return meter.measure()

    change, turn = seam(True)
    assert 0.5 < change < 2
    assert turn < 3
    change, _ = seam(False)
    assert change > 4


def test_a_grid_can_start_from_one_lamp(lamp):
    film = take(lamp, 1, state=lamp.start(2), rows=1, columns=2)
    np.testing.assert_array_equal(film[0, :, :16], film[0, :, 16:])


def test_the_size_of_a_frame_is_that_of_the_scaled_grid(lamp):
    shot = Shot(rows=2, columns=3, scale=1.5)
    assert shot.frame_size(lamp) == (48, 72)
    assert take(lamp, 1, rows=2, columns=3, scale=1.5).shape == (1, 48, 72, 3)


@pytest.fixture(scope="module")
def field():
    """A lamp that draws frames of any size."""
    return tiny.faster(tiny.lamp(of=tiny.FIELD, with_encoder=False, refresh=0.02), 2.5)


@pytest.mark.parametrize("loop", [False, True])
def test_lamps_are_drawn_at_any_size(field, loop):
    options = {"num_frames": 20, "loop": loop, "rows": 1, "columns": 2}
    assert Shot(**options).frame_size(field) == (512, 1024)
    small = take(field, 20, **options, size=16)
    large = take(field, 20, **options, size=40, scale=0.5)
    assert Shot(**options, size=40, scale=0.5).frame_size(field) == (20, 40)
    assert (small.shape, large.shape) == ((20, 16, 32, 3), (20, 20, 40, 3))
    shrunk = large.reshape(20, 4, 5, 8, 5, 3).mean(axis=(2, 4))
    blocks = small.reshape(20, 4, 4, 8, 4, 3).mean(axis=(2, 4))
    assert np.abs(shrunk - blocks).mean() < blocks.std() / 3


def test_a_size_that_a_lamp_does_not_draw_is_an_error(lamp, field):
    with pytest.raises(ValueError, match="draws whole frames of 16 pixels only"):
        film_lamps(lamp, lamp.start(1), Shot(size=17))
    with pytest.raises(ValueError, match="would be 5000x5000; a side has 1 to 4096"):
        film_lamps(field, field.start(1), Shot(size=5000))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fps": 0.0}, "fps must be above 0, not 0"),
        ({"speed": -1.0}, "speed must be above 0, not -1"),
        ({"scale": float("inf")}, "scale must be above 0, not inf"),
        ({"rows": 0}, "no grid has 0x1 lamps"),
        ({"num_frames": 0}, "1 frame at least"),
        ({"loop": True}, "an end"),
        ({"theme": "plaid"}, "no theme 'plaid'"),
        ({"size": 64, "frame": (64, 64)}, "not both"),
        ({"loop": True, "num_frames": 3}, "four frames"),
    ],
)
def test_impossible_shots_are_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        Shot(**options)


def test_a_theme_and_transparency_change_pixels_and_not_the_film(field):
    plain = take(field, 2, size=16)
    violet = take(field, 2, size=16, theme="violet")
    np.testing.assert_array_equal(violet, themes.recolour(plain, "violet"))
    clear = take(field, 2, size=16, theme="violet", transparent=True)
    assert clear.shape == (2, 16, 16, 4)


def test_lamps_fill_the_height_of_a_frame(field):
    shot = Shot(frame=(24, 64), rows=1, columns=2)
    assert (shot.lamp_size(field), shot.frame_size(field)) == (24, (24, 64))
    placed = take(field, 1, frame=(24, 64), rows=1, columns=2)
    assert placed.shape == (1, 24, 64, 3)
    assert not placed[..., :8, :].any() and not placed[..., -8:, :].any()
