import dataclasses

import pytest

from duralava.evaluation.plan import DEFAULT_PLAN, Plan


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"horizons": (10, 5)}, "ascending .* not 10, 5"),
        ({"horizons": ()}, "ascending"),
        ({"horizons": (-1, 5)}, "ascending"),
        ({"num_clips": 39}, "num_clips must be at least 40, not 39"),
        ({"clip_length": 3}, "clip_length must be at least 4"),
        ({"num_far_lamps": 31}, "num_far_lamps must be at least 32"),
    ],
)
def test_an_impossible_plan_is_refused(change, says):
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(DEFAULT_PLAN, **change)


def test_fewer_lamps_run_to_far_horizons():
    plan = Plan(horizons=(20, 1000, 10**6), num_lamps=100, num_far_lamps=50)
    # The far lamps are measured at the first horizon as well.
    assert plan.runs() == [((20, 1000), 100), ((20, 10**6), 50)]
    assert plan.num_steps == 1_001_000
