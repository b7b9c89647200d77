import films_of_discs
import numpy as np
import pytest

from duralava.learning.score import score_clips

pytestmark = pytest.mark.usefixtures("quick_compilation")

film = films_of_discs.film


def clips(frames, count, length=4, stride=6):
    starts = np.random.default_rng(9).integers(
        len(frames) - length * stride, size=count
    )
    return np.stack([frames[s : s + length * stride : stride] for s in starts], axis=1)


def scored(generated, learned):
    return score_clips(generated, learned, film(1), stride=6, mirrored=False)


def test_copies_are_called_memorised_and_other_film_is_not():
    learned = film(0)
    copied = scored(clips(learned[::6].repeat(6, axis=0), 40), learned)
    assert copied.memorised
    assert copied.nearest == 0
    other = scored(clips(film(2), 40), learned)
    assert not other.memorised
    assert other.nearest == pytest.approx(1, abs=0.3)


def test_what_is_as_far_as_learned_film_is_at_the_floor():
    learned = film(0)
    real = scored(clips(learned, 40), learned)
    dark = scored(clips(film(2), 40) // 2, learned)
    moving = clips(film(2), 40)
    still = scored(moving[:1].repeat(4, axis=0), learned)
    assert real.frames == pytest.approx(1, abs=0.4)
    assert real.clips == pytest.approx(1, abs=0.4)
    assert dark.frames > 2 * real.frames
    assert still.clips > scored(moving, learned).clips
