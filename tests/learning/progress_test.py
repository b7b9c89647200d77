import time

import pytest

from duralava.learning import progress


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (5400, "1.5 h")],
)
def test_durations(seconds, text):
    assert progress.duration(seconds) == text


def test_stages_are_as_long_as_they_are_expected_to_take():
    with progress.StageBar({"one": 100, "two": 300}) as bar:
        assert bar.share_done() == pytest.approx(0, abs=0.01)
        assert bar.seconds_left() == pytest.approx(400, abs=1)
        bar.begin("two")
        assert bar.share_done() == pytest.approx(0.25, abs=0.01)
        bar.report(0.5)
        assert bar.share_done() == pytest.approx(0.25 + 0.75 / 2)


def test_the_pace_is_that_of_what_is_reported_even_after_a_resumption():
    with progress.StageBar({"one": 100, "two": 300}) as bar:
        bar.report(0.6)
        assert bar.seconds_left() == pytest.approx(400, abs=1)
        time.sleep(0.2)
        bar.report(0.7)  # a tenth in 0.2 s: 0.6 s are left, and the second stage
        assert 300.5 < bar.seconds_left() < 303


def test_a_stage_that_reports_nothing_moves_with_time_but_does_not_end():
    with progress.StageBar({"one": 0.1, "two": 0.1}) as bar:
        time.sleep(0.3)
        assert 0.4 < bar.share_done() < 0.5
        assert bar.seconds_left() == pytest.approx(0.1)


def test_the_bar_ends_at_100_percent_unless_there_was_an_error(capsys):
    with progress.StageBar({"one": 10}):
        pass
    assert "done: 100%" in capsys.readouterr().err
    with pytest.raises(ValueError), progress.StageBar({"one": 10}):
        raise ValueError
    assert "100%" not in capsys.readouterr().err
