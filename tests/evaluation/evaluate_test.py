import dataclasses
import functools

import jax
import numpy as np
import pytest

from duralava import models
from duralava.config import Config, DataConfig, ModelConfig
from duralava.evaluation import evaluate, features, measures
from duralava.pretrained import Pretrained

pytestmark = pytest.mark.usefixtures("quick_compilation")

PLAN = evaluate.Plan(
    horizons=(5, 20), num_clips=40, clip_length=4, num_lamps=32, num_far_lamps=32
)
MODEL = ModelConfig(
    resolution=32,
    latent_size=8,
    generator_hidden=0,
    generator_channels=(8,),
    transition_layers=1,
    transition_hidden=8,
)
CONFIG = Config(data=DataConfig(film_fps=5, frame_stride=1), model=MODEL)


@functools.cache
def lamp():
    init = functools.partial(models.init_lamp, config=MODEL, with_encoder=False)
    return Pretrained(jax.jit(init)(jax.random.key(0)), CONFIG)


def run(films, plan=PLAN, **rivals):
    steps, told = [], []
    evaluation = evaluate.evaluate(
        lamp(),
        *films,
        stride=2,
        plan=plan,
        rivals=rivals,
        begin=told.append,
        advance=steps.append,
    )
    return evaluation, sum(steps), told


@pytest.fixture(scope="module")
def films(film_discs):
    return [
        film_discs(seed, num_segments=2, num_frames=frames)
        for seed, frames in ((0, 300), (1, 90))
    ]


@pytest.fixture(scope="module")
def evaluated(films):
    return run(films, rival=lamp())


def leaves(tree):
    """Every number by its path."""
    flat, _ = jax.tree.flatten_with_path(tree)
    return {jax.tree_util.keystr(path): value for path, value in flat}


def test_everything_is_measured(evaluated):
    evaluation, num_steps, told = evaluated
    names = [evaluate.LEARNED, evaluate.LINEAR, evaluate.VIDEO, "rival"]
    horizons = ["5 steps", "20 steps"]
    assert list(evaluation.contenders) == names + horizons
    assert set(evaluation.films) == {evaluate.FILM, *evaluation.contenders}
    assert list(evaluation.durability["horizons"]) == horizons
    for found in evaluation.contenders.values():
        assert found["samples"] == 40
        assert set(features.EXTRACTORS) < set(found)
    # 90 frames give eight films of 41 steps of two frames to each of two pieces.
    shape = {film.shape for film in evaluation.films.values()}
    assert shape == {(44, measures.NUM_LAMPS, 32, 32, 3)}
    assert {film.dtype for film in evaluation.films.values()} == {np.dtype(np.uint8)}
    assert num_steps == PLAN.num_steps == 20
    assert told[0] == evaluate.FILM and told[-1] == "dynamics"


def test_a_lamp_that_is_not_trained_is_far_from_film_and_film_is_not(evaluated):
    contenders = evaluated[0].contenders
    for name in features.EXTRACTORS:
        floor = contenders[evaluate.LEARNED][name]
        found = contenders["20 steps"][name]
        assert found["frechet"] > 2 * floor["frechet"]
        assert found["kernel"]["low"] > floor["kernel"]["high"]
    assert contenders["20 steps"]["random_conv_frames"]["coverage"] == 0


def test_a_video_texture_copies_and_a_linear_one_does_not(evaluated):
    contenders = evaluated[0].contenders
    assert contenders[evaluate.VIDEO]["novelty"] < 0.01
    assert contenders[evaluate.LINEAR]["novelty"] > 0.3


def test_a_rival_is_measured_as_the_lamp_is(evaluated):
    """The rival is the lamp itself, and its horizon one of the lamp's."""
    contenders = evaluated[0].contenders
    assert leaves(contenders["rival"]) == leaves(contenders["20 steps"])


def test_the_same_seed_gives_the_same_numbers(films, evaluated):
    again, *_ = run(films)
    contenders = dict(evaluated[0].contenders)
    del contenders["rival"]
    np.testing.assert_equal(leaves(again.contenders), leaves(contenders))
    np.testing.assert_equal(leaves(again.durability), leaves(evaluated[0].durability))


def test_lamps_fewer_than_clips_give_neighbouring_clips_some_time_apart():
    plan = dataclasses.replace(PLAN, num_clips=70)
    model = lamp().config.model
    latents = jax.random.normal(jax.random.key(3), (150, 32, model.latent_size))
    clips, film = evaluate._pictures(lamp(), np.asarray(latents), plan, 9)
    assert clips.shape[:2] == (4, 70) and film.shape[:2] == (9, measures.NUM_LAMPS)
    for clip, (start, index) in {
        0: (0, 0),
        1: (64, 0),
        2: (128, 0),
        69: (0, 23),
    }.items():
        expected = models.to_uint8(
            models.generate(
                lamp().params["generator"],
                latents[start : start + 4, index],
                config=model,
            )
        )
        np.testing.assert_allclose(clips[:, clip], np.asarray(expected), atol=1)


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
def test_a_plan_that_cannot_be_is_refused(change, says):
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(PLAN, **change)


def test_horizons_beyond_the_near_are_those_of_fewer_lamps():
    plan = evaluate.Plan(horizons=(20, 1000, 10**6), num_lamps=100, num_far_lamps=50)
    assert plan.runs() == [((20, 1000), 100), ((10**6,), 50)]
    assert plan.num_steps == 1_001_000


def test_a_lamp_of_another_size_or_rate_is_refused(films):
    small = [[segment[:, ::2, ::2] for segment in film] for film in films]
    with pytest.raises(ValueError, match=r"the lamp makes frames of 32 .* have 16"):
        run(small)
    slow = dataclasses.replace(CONFIG, data=DataConfig(film_fps=5, frame_stride=2))
    rival = Pretrained(lamp().params, slow)
    with pytest.raises(ValueError, match=r"rival makes 2\.5 steps a second"):
        run(films, rival=rival)


def test_horizons_that_are_too_far_are_refused_before_anything_is_done(films):
    with pytest.raises(ValueError, match="too far"):
        evaluate.evaluate(
            lamp(),
            *films,
            stride=2,
            plan=dataclasses.replace(PLAN, horizons=(5, 2**31)),
            rivals={},
            begin=pytest.fail,
            advance=pytest.fail,
        )


def test_film_that_is_too_short_is_refused(films):
    plan = dataclasses.replace(PLAN, num_clips=200)
    with pytest.raises(ValueError, match="180 frames has 168 clips of 4 steps"):
        run(films, plan)


@pytest.mark.parametrize(
    ("fps", "steps_per_second", "stride"),
    [(30, 5, 6), (29.97, 5, 6), (24, 5, 5), (5, 5, 1)],
)
def test_film_is_taken_at_the_rate_of_the_lamp(fps, steps_per_second, stride):
    assert evaluate.film_stride(fps, steps_per_second) == stride


@pytest.mark.parametrize("fps", [2, 7.5])
def test_film_that_is_too_slow_is_refused(fps):
    with pytest.raises(ValueError, match=f"film of {fps:g} frames a second"):
        evaluate.film_stride(fps, 5)
