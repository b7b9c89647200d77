import pytest

from duralava.benchmarks import suites
from duralava.benchmarks.measure import Result
from duralava.config import Config


def test_reading_of_clips_is_compared_with_training():
    reading = Result("data", suites.DEFAULT, (0.5, 2.0, 0.5), units=100)
    # 5 clips of 20 frames in two seconds.
    training = Result("train", suites.DEFAULT, (2.0, 2.0, 9.0), units=100)
    ratios = suites.ratios([reading, training], Config())
    assert ratios["clips read over clips trained on"] == pytest.approx(200 / 2.5)


def test_every_viewer_receives_the_frames_of_a_served_lamp():
    options = suites.Options({}, repeats=1, num_viewed_frames=6, num_viewers=(2, 3))
    results = suites.live(options)
    assert [result.name for result in results] == ["2 viewers", "3 viewers"]
    for result in results:
        # Six frames are at least five thirtieths of a second apart.
        assert result.units == 6
        assert result.median > 4 / 30
