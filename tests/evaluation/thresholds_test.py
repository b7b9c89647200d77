import dataclasses
import math

import evaluations
import pytest

from duralava.evaluation import ladder, thresholds

pytestmark = pytest.mark.usefixtures("quick_compilation")

NEAR, FAR = "20 steps", "1,000,000 steps"


def rows(evaluation):
    return {row.name: row for row in thresholds.rows(evaluation)}


def with_far_horizon(**measures):
    """The made-up evaluation with a second horizon of the same lamps."""
    made = evaluations.evaluation()
    near = made.contenders[NEAR]
    figures = dataclasses.replace(near, measures=near.measures | measures)
    tests = made.durability.horizons
    return dataclasses.replace(
        made,
        contenders=made.contenders | {FAR: figures},
        runs=((NEAR, FAR),),
        durability=dataclasses.replace(
            made.durability, horizons=tests | {FAR: tests[NEAR]}
        ),
    )


def with_transition(evaluation, transition):
    config = dataclasses.replace(evaluation.lamp.config, transition=transition)
    lamp = dataclasses.replace(evaluation.lamp, config=config)
    return dataclasses.replace(evaluation, lamp=lamp)


def test_the_first_rows_are_the_two_sample_tests_and_sharpness():
    names = list(rows(evaluations.evaluation()))
    expected = [f"two-sample AUC, eye form: {rung}" for rung in ladder.RUNGS]
    assert names[: len(expected)] == expected
    assert names[len(expected)] == "sharpness / film's: frames"


def test_values_are_compared_with_their_ranges():
    found = rows(evaluations.evaluation())
    row = found["two-sample AUC, eye form: stills at 64 pixels"]
    assert row.horizons == {NEAR: "0.70 ± 0.10"} and row.floor == "0.50 ± 0.10"
    assert (row.threshold, row.verdict) == ("at most 0.72", "met")
    assert found["two-sample AUC, eye form: stills at 32 pixels"].verdict == "not met"
    row = found["radial_spectrum Frechet distance / floor"]
    assert row.horizons == {NEAR: "9.00"} and row.verdict == "not met"
    assert found["random_conv_clips coverage / floor"].verdict == "met"
    assert found["nearest learned frame / held-out film's"].horizons == {NEAR: "5.12"}


def test_a_threshold_is_met_if_all_horizons_meet_it():
    name = "motion / film's"
    assert rows(with_far_horizon())[name].verdict == "met"
    row = rows(with_far_horizon(motion=1.3))[name]
    assert row.verdict == "not met"
    assert row.horizons == {NEAR: "1.00", FAR: "1.30"}


def test_what_is_not_measured_is_left_out_with_a_reason():
    found = rows(evaluations.evaluation())
    row = found[f"two-sample AUC, eye form: {ladder.WINDOWS}"]
    assert row.verdict == "left out: no windows of pictures of 256 pixels"
    assert row.horizons == {NEAR: "-"} and row.floor == "-"
    row = found["total variation of rise speeds"]  # NaN
    assert row.verdict == "left out: no value" and row.horizons == {NEAR: "-"}


def test_distances_are_compared_with_those_of_the_same_lamps_at_the_start():
    made = with_far_horizon()
    name = "largest distance / the same lamps' at their first horizon"
    assert rows(made)[name].horizons == {NEAR: "1.00", FAR: "1.00"}
    far = made.contenders[FAR]
    doubled = {
        name: dataclasses.replace(distances, frechet=2 * distances.frechet)
        for name, distances in far.features.items()
        if name == "motion_histogram"
    }
    far = dataclasses.replace(far, features=far.features | doubled)
    made = dataclasses.replace(made, contenders=made.contenders | {FAR: far})
    row = rows(made)[name]
    assert row.horizons == {NEAR: "1.00", FAR: "2.00"}
    assert row.verdict == "not met" and row.floor == "-"


def test_a_penalty_has_other_thresholds_than_a_rotation():
    made = evaluations.evaluation()
    rotation, mlp = (rows(with_transition(made, name)) for name in ("rotation", "mlp"))
    growth = "largest distance / the same lamps' at their first horizon"
    assert rotation[growth].threshold == "at most 1.05"
    assert mlp[growth].threshold == "at most 1.15"
    normal = "latents are N(0, I): p-value"
    assert rotation[normal].verdict == "met" and mlp[normal].verdict == ""


def test_features_that_were_not_compared_are_left_out():
    made = evaluations.evaluation()
    few = {
        name: dataclasses.replace(
            figures,
            features={k: v for k, v in figures.features.items() if "conv" not in k},
        )
        for name, figures in made.contenders.items()
    }
    found = rows(dataclasses.replace(made, contenders=few))
    row = found["random_conv_clips density / floor"]
    assert row.verdict == "left out: it was not asked for"
    assert found["radial_spectrum Frechet distance / floor"].floor == "1.00"


def test_the_columns_show_each_horizon_and_the_floor():
    made = with_far_horizon(motion=math.nan)
    labels = [column.label for column in thresholds.columns(made)]
    assert labels == ["", "threshold", "", "floor", NEAR, FAR]
    row = rows(made)["motion / film's"]
    texts = [column.text(row) for column in thresholds.columns(made)]
    assert texts[2:] == ["left out: no value", "1.00", "1.00", "-"]
