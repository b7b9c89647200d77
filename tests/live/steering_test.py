import pytest
from live_cases import CASES

from duralava.live import steering


@pytest.mark.parametrize(
    "case", CASES["steering"]["cases"], ids=lambda case: case["name"]
)
def test_requests_change_what_the_lamp_does(case):
    settings = steering.Settings("first", seed=0)
    for expected in case["ticks"]:
        tick = steering.steer(settings, expected["requests"], expected["seconds"])
        settings = tick.settings
        assert tick.lamp_seconds == pytest.approx(expected["lamp_seconds"])
        assert tick.restart == expected["restart"]
        assert tick.push == (expected["push"] and pytest.approx(expected["push"]))
        assert (settings.seed, settings.speed) == (expected["seed"], expected["speed"])
        assert settings.held == expected.get("held", False)
        assert tick.latent == expected.get("latent")
        assert settings.checkpoint == "first"


def test_another_checkpoint_restarts_the_lamp():
    settings = steering.Settings("first", seed=3, speed=2.0)
    tick = steering.steer(settings, {"checkpoint": "second"}, 0.25)
    assert tick.restart
    assert tick.settings == steering.Settings("second", seed=3, speed=2.0)


@pytest.mark.parametrize("case", CASES["catching_up"]["cases"])
def test_a_late_lamp_catches_up(case):
    due = 100.0
    now = due + 1 / case["fps"] + case["late"]
    # From then until now, frames follow one another without a pause.
    following = steering.next_due(due, now, fps=case["fps"])
    assert now - following == pytest.approx(case["made_up"])
