import numpy as np
import pytest

from duralava.evaluation.video_texture import (
    fit_video_texture,
    play,
    sample_video_texture,
)

SIZE = 8


def with_number(film):
    """Writes the number of each frame into a corner, hardly visible."""
    number = np.arange(len(film))
    film[:, 0, 0] = np.stack([number // 16, number % 16, 0 * number], axis=1)
    return film


def number_of(frames):
    return frames[..., 0, 0, 0].astype(int) * 16 + frames[..., 0, 0, 1]


def periodic_film(num_frames=125, period=8):
    """A travelling wave, whose frames are different in all phases."""
    phase = 2 * np.pi * np.arange(num_frames)[:, None, None, None] / period
    place = 2 * np.pi * np.arange(SIZE)[:, None, None] / SIZE
    wave = 128 + 100 * np.sin(phase - place)
    film = np.broadcast_to(wave, (num_frames, SIZE, SIZE, 3))
    return with_number(film.round().astype(np.uint8))


def numbers_played(film_segments, num_frames=2000):
    texture = fit_video_texture(film_segments)
    clips = sample_video_texture(
        texture, 2, num_frames // 2, rng=np.random.default_rng(0)
    )
    playback = clips.swapaxes(0, 1).reshape(num_frames, SIZE, SIZE, 3)
    film = np.concatenate(film_segments)
    numbers = number_of(playback)
    # Every played frame is a frame of the film.
    np.testing.assert_array_equal(playback, film[numbers])
    return numbers


def test_periodic_film_jumps_between_equal_phases():
    numbers = numbers_played([periodic_film()])
    jumps = np.diff(numbers)
    assert np.count_nonzero(jumps != 1) > 20
    np.testing.assert_array_equal((jumps - 1) % 8, 0)


def test_jumps_lead_from_segment_to_segment():
    film = periodic_film()
    numbers = numbers_played([film[:67], film[67:]])
    segment = numbers >= 67
    assert np.count_nonzero(np.diff(segment.astype(int))) > 5
    np.testing.assert_array_equal((np.diff(numbers) - 1) % 8, 0)


def test_film_that_never_returns_starts_again():
    level = np.arange(60)[:, None, None, None]
    film = np.broadcast_to(60 + 3 * level, (60, SIZE, SIZE, 3)).astype(np.uint8)
    numbers = numbers_played([with_number(film)], 1000)
    jumps = np.diff(numbers)
    # The only jump is from the end to the start; 4 frames lack neighbours.
    assert numbers.min() == 2 and numbers.max() == 57
    assert set(np.unique(jumps)) == {1, -55}


def test_a_playback_is_decided_by_its_generator():
    texture = fit_video_texture([periodic_film()])
    first, second, other = (
        play(texture, 500, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    np.testing.assert_allclose(texture.probabilities.sum(axis=1), 1)


def test_a_dead_end_is_left_before_it_is_reached():
    # Phases recur until a fade, whose end is similar to no other frame.
    film = periodic_film(120)
    fade = np.linspace(1, 0, 20)[:, None, None, None]
    film[100:] = np.round(film[100:] * fade)
    numbers = numbers_played([with_number(film)], 3000)
    assert np.mean(numbers >= 105) < 0.02
    assert np.count_nonzero(np.diff(numbers) != 1) > 20


@pytest.mark.parametrize("shapes", [[], [(9, 8, 8, 3), (9, 4, 8, 3)], [(1, 8, 8, 3)]])
def test_unusable_film_is_refused(shapes):
    with pytest.raises(ValueError, match="segment"):
        fit_video_texture([np.zeros(shape, np.uint8) for shape in shapes])
