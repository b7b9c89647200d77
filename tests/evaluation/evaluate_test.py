import dataclasses
import functools
import json

import jax
import numpy as np
import pytest
import tiny

from duralava.evaluation import evaluate, features, report
from duralava.evaluation.contenders import LEARNED, LINEAR, VIDEO
from duralava.evaluation.evaluate import FILM
from duralava.evaluation.measures import MEASURES, Measure
from duralava.evaluation.plan import Plan
from duralava.evaluation.samples import NUM_LAMPS
from duralava.tables import Column

pytestmark = pytest.mark.usefixtures("quick_compilation", "short_ladder")

PLAN = Plan(
    horizons=(5, 20), num_clips=40, clip_length=4, num_lamps=32, num_far_lamps=32
)


@functools.cache
def lamp():
    return tiny.lamp(resolution=32, with_encoder=False)


def run(films, plan=PLAN, **rivals):
    steps, stages = [], []
    evaluation = evaluate.evaluate_on_segments(
        lamp(),
        *films,
        stride=2,
        plan=plan,
        rivals=rivals,
        on_stage=stages.append,
        on_steps=steps.append,
    )
    return evaluation, sum(steps), stages


@pytest.fixture(scope="module")
def films(film_discs):
    return [
        film_discs(seed, num_segments=2, num_frames=frames)
        for seed, frames in ((0, 300), (1, 90))
    ]


@pytest.fixture(scope="module")
def evaluated(films):
    return run(films, rival=lamp())


def numbers(results):
    """All numbers of a dataclass by their paths."""
    flat, _ = jax.tree.flatten_with_path(dataclasses.asdict(results))
    return {jax.tree_util.keystr(path): value for path, value in flat}


def test_everything_is_measured(evaluated):
    evaluation, num_steps, stages = evaluated
    names = [LEARNED, LINEAR, VIDEO, "rival"]
    horizons = ["5 steps", "20 steps"]
    assert list(evaluation.contenders) == names + horizons
    assert set(evaluation.films) == {FILM, *evaluation.contenders}
    assert list(evaluation.durability.horizons) == horizons
    for found in evaluation.contenders.values():
        assert found.samples == 40
        assert set(found.features) == set(features.EXTRACTORS)
        assert set(found.measures) == set(MEASURES)
    # 90 frames give eight films of 41 steps of two frames to each of two pieces.
    shape = {film.shape for film in evaluation.films.values()}
    assert shape == {(44, NUM_LAMPS, 32, 32, 3)}
    assert {film.dtype for film in evaluation.films.values()} == {np.dtype(np.uint8)}
    assert num_steps == PLAN.num_steps == 20
    assert stages[0] == FILM and stages[-1] == "dynamics"


def test_an_untrained_lamp_is_far_from_film_and_learned_film_is_not(evaluated):
    contenders = evaluated[0].contenders
    for name in features.EXTRACTORS:
        floor = contenders[LEARNED].features[name]
        found = contenders["20 steps"].features[name]
        assert found.frechet > 2 * floor.frechet
        assert found.kernel.low > floor.kernel.high
    assert contenders["20 steps"].features["random_conv_frames"].coverage == 0


def test_a_video_texture_copies_film_and_a_linear_texture_does_not(evaluated):
    contenders = evaluated[0].contenders
    assert contenders[VIDEO].measures["novelty"] < 0.01
    assert contenders[LINEAR].measures["novelty"] > 0.3


def test_a_rival_is_measured_in_the_same_way_as_the_lamp(evaluated):
    """The rival is the lamp itself, and its horizon one of the lamp's."""
    contenders = evaluated[0].contenders
    assert numbers(contenders["rival"]) == numbers(contenders["20 steps"])


def test_the_same_seed_gives_the_same_numbers(films, evaluated):
    again, *_ = run(films)
    first = evaluated[0]
    assert set(first.contenders) - set(again.contenders) == {"rival"}
    for name, figures in again.contenders.items():
        np.testing.assert_equal(numbers(figures), numbers(first.contenders[name]))
    np.testing.assert_equal(numbers(again.durability), numbers(first.durability))


def test_a_lamp_of_another_size_or_rate_is_refused(films):
    small = [[segment[:, ::2, ::2] for segment in film] for film in films]
    with pytest.raises(ValueError, match=r"the lamp makes frames of 32 .* have 16"):
        run(small)
    rival = dataclasses.replace(lamp(), steps_per_second=2.5)
    with pytest.raises(ValueError, match=r"rival makes 2\.5 steps a second"):
        run(films, rival=rival)


def test_horizons_that_are_too_far_are_refused_before_anything_runs(films):
    with pytest.raises(ValueError, match="too far"):
        evaluate.evaluate_on_segments(
            lamp(),
            *films,
            stride=2,
            plan=dataclasses.replace(PLAN, horizons=(5, 2**31)),
            rivals={},
            on_stage=pytest.fail,
            on_steps=pytest.fail,
        )


def test_film_that_is_too_short_is_refused(films):
    learned, held_out = films
    with pytest.raises(ValueError, match="a film of 30 frames is too short"):
        run((learned, [held_out[0][:30]]))


def mean_colour(clips):
    return clips.mean(axis=(0, 2, 3))


def relative_brightness(reference):
    real = reference.sample.clips.mean()
    return lambda sample: sample.clips.mean() / real


def test_a_new_extractor_and_a_new_measure_take_one_entry_each(
    films, evaluated, monkeypatch, tmp_path
):
    monkeypatch.setitem(features.EXTRACTORS, "mean_colour", mean_colour)
    monkeypatch.delitem(MEASURES, "two_sample")  # it takes long
    brightness = Measure(relative_brightness, [Column("brightness", float, ".6f")])
    monkeypatch.setitem(MEASURES, "brightness", brightness)
    evaluation, *_ = run(films)
    text = report.write_report(
        tmp_path / "report", evaluation, about={"checkpoint": "tiny"}, fps=5
    )

    written = json.loads((tmp_path / "report" / "report.json").read_text())
    page = (tmp_path / "report" / "report.html").read_text()
    lines = {line.partition("  ")[0]: line for line in text.splitlines()}
    for name, figures in evaluation.contenders.items():
        found = written["contenders"][name]
        assert found["brightness"] == figures.measures["brightness"]
        colours = figures.features["mean_colour"]
        assert found["mean_colour"]["frechet"] == colours.frechet
        for label, shown in (
            ("brightness", f"{found['brightness']:.6f}"),
            ("mean_colour Frechet distance", f"{colours.frechet:.4f}"),
        ):
            assert shown in lines[label].split()
            assert f"<td>{shown}</td>" in page
    # Learned film is as bright as held-out film.
    assert 0.9 < evaluation.contenders[LEARNED].measures["brightness"] < 1.1
    # The new entries do not change the other figures.
    assert found["novelty"] == evaluated[0].contenders[name].measures["novelty"]


def test_an_extractor_with_the_name_of_a_measure_is_refused(films, monkeypatch):
    monkeypatch.setitem(features.EXTRACTORS, "wax", mean_colour)
    with pytest.raises(ValueError, match="both an extractor and a measure: wax"):
        run(films)
