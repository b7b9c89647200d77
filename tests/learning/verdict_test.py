import pytest

from duralava.learning import verdict
from duralava.learning.score import Score

NEAR = Score(frames=1.1, clips=1.2, nearest=1.0)
FAR = Score(frames=4.0, clips=16.0, nearest=1.0)
COPY = Score(frames=1.1, clips=1.2, nearest=0.2)


def sentences(score, *, film_seconds=600.0, step=10):
    found = verdict.give_verdict(
        score,
        film_seconds=film_seconds,
        held_out_seconds=film_seconds / 10,
        step=step,
        num_steps=10,
    )
    return " ".join(found.sentences)


@pytest.mark.parametrize(
    ("distance", "expected"), [(0.7, 100), (1, 100), (4, 50), (100, 10), (1e9, 0)]
)
def test_likeness_falls_with_the_root_of_the_distance(distance, expected):
    assert verdict.likeness(distance) == expected


def test_a_lamp_that_is_near_gets_no_advice():
    words = sentences(NEAR)
    assert "look like the film 95 of 100, its motion 91 of 100" in words
    assert "the last 60 s of the film, which it has not seen" in words
    assert "not learned the film by heart" in words
    assert "help" not in words and "continues" not in words


@pytest.mark.parametrize(
    ("score", "options", "says"),
    [
        (FAR, {}, "set --minutes higher"),
        (FAR, {"step": 4}, "trained for 4 of 10 steps; the same command continues"),
        (NEAR, {"film_seconds": 30}, "The film has 30 s; 5 min would help"),
        (COPY, {}, "It has learned pictures of the film by heart"),
    ],
)
def test_what_limits_a_lamp_is_said(score, options, says):
    assert says in sentences(score, **options)


def test_the_words_suit_any_film():
    assert not {"wax", "lamp", "blob"} & set(sentences(FAR, film_seconds=9).split())
