import numpy as np
import pytest

from duralava.datasets import timing


def ticks(times, fps, durations=None):
    """Indices of the frames that are shown at each tick."""
    durations = durations or [0] * len(times)
    frames = zip(times, durations, range(len(times)), strict=True)
    return list(timing.at_even_rate(frames, fps))


@pytest.mark.parametrize("fps", [10, 23.976, 25, 29.97, 50, 59.94])
def test_times_in_whole_milliseconds_give_the_rate_of_the_film(fps):
    times = np.round(np.arange(300) / fps, 3)
    assert timing.usual_rate(times) == pytest.approx(fps, rel=2e-4)
    assert timing.is_even(times, fps)


def test_the_commonest_spacing_is_that_of_most_frames():
    times = np.r_[np.arange(150) / 30, 5 + np.arange(50) / 10]
    assert timing.usual_rate(times) == pytest.approx(30)
    assert not timing.is_even(times, 30)


def test_a_camera_that_is_not_exact_keeps_its_mean_rate():
    rng = np.random.default_rng(0)
    times = np.arange(600) / 30 + rng.normal(0, 0.002, 600)
    assert timing.usual_rate(times) == pytest.approx(30, rel=0.01)
    assert timing.is_even(times, 30)


def test_the_rate_is_60_at_most():
    assert timing.usual_rate(np.arange(100) / 240) == 60


def test_frames_at_the_rate_are_shown_once_each():
    for fps in (10, 29.97, 60):
        times = np.round(np.arange(500) / fps, 3)
        assert ticks(times, fps) == list(range(500))


def test_each_tick_shows_the_frame_that_is_nearest_in_time():
    rng = np.random.default_rng(1)
    times = np.sort(rng.uniform(0, 8, 40))
    found = ticks(times, 25)
    at = times[0] + np.arange(len(found)) / 25
    nearest = np.abs(times[:, None] - at).argmin(axis=0)
    np.testing.assert_array_equal(found, nearest)
    assert at[-1] == pytest.approx(times[-1], abs=1 / 25)


def test_the_last_frame_lasts_as_long_as_its_duration():
    assert ticks([0, 0.1], 10, [0.1, 0.5]) == [0, 1, 1, 1, 1, 1]
    assert ticks([0, 0.1], 10) == [0, 1]
    assert ticks([3.0], 10) == [0]
    assert ticks([], 10) == []


def test_times_that_are_wrong_count_as_one_tick():
    assert ticks([0, 0.1, 0.05, 0.06, 0.2], 10)[:3] == [0, 1, 2]
    assert ticks([0, 0.1, 90_000, 90_000.1], 10) == [0, 1, 2, 3]
