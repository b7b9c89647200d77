import numpy as np
import pytest

from duralava.evaluation import samples


def numbered(*lengths):
    """Film whose red is the number of the frame, and green that of its segment."""
    film = []
    for index, length in enumerate(lengths):
        segment = np.zeros((length, 4, 4, 3), np.uint8)
        segment[..., 0] = np.arange(length)[:, None, None]
        segment[..., 1] = index
        film.append(segment)
    return film


def test_clips_are_spread_evenly_and_cross_no_cut():
    film = numbered(50, 3, 30, 50)
    clips = samples.cut_clips(film, 40, 4, stride=3)[..., 0, 0, :].astype(int)
    assert clips.shape == (4, 40, 3)
    np.testing.assert_array_equal(np.diff(clips[..., 0], axis=0), 3)
    np.testing.assert_array_equal(np.diff(clips[..., 1], axis=0), 0)
    # Segments of 50, 3, 30 and 50 frames have 41, 0, 21 and 41 clips of 10 frames.
    assert samples.count_clips(film, 4, stride=3) == 41 + 0 + 21 + 41
    place = clips[0, :, 0] + np.array([0, 0, 41, 62])[clips[0, :, 1]]
    np.testing.assert_allclose(place, np.linspace(0, 102, 40), atol=0.5)


def test_all_clips_of_a_film_can_be_cut_and_no_more():
    clips = samples.cut_clips(numbered(20, 13), 10 + 3, 11, stride=1)
    first = clips[0, :, 0, 0, :2].tolist()
    assert first == [[i, 0] for i in range(10)] + [[i, 1] for i in range(3)]
    with pytest.raises(ValueError, match="33 frames has 13 clips of 11 steps"):
        samples.cut_clips(numbered(20, 13), 14, 11, stride=1)


def test_the_longest_film_is_the_longest_that_all_films_have_eight_of():
    films = numbered(30, 20), numbered(40)
    longest = samples.longest_film(films, stride=3)
    # 30 and 20 frames have 9 + 0 clips of 22 frames, 8 steps; 6 + 0 of 25 frames.
    assert longest == 8
    counts = [samples.count_clips(f, longest, stride=3) for f in films]
    assert min(counts) >= samples.NUM_LAMPS
    counts = [samples.count_clips(f, longest + 1, stride=3) for f in films]
    assert min(counts) < samples.NUM_LAMPS
    assert samples.longest_film([numbered(2000)], stride=1) == samples.MOST_STEPS
    assert samples.longest_film([numbered(3)], stride=1) == 1


@pytest.mark.parametrize(
    ("fps", "steps_per_second", "stride"),
    [(30, 5, 6), (29.97, 5, 6), (24, 5, 5), (5, 5, 1)],
)
def test_film_is_sampled_at_the_rate_of_the_lamp(fps, steps_per_second, stride):
    assert samples.film_stride(fps, steps_per_second) == stride


@pytest.mark.parametrize("fps", [2, 7.5])
def test_film_at_an_unsuitable_rate_is_refused(fps):
    with pytest.raises(ValueError, match=f"film of {fps:g} frames a second"):
        samples.film_stride(fps, 5)
