import itertools

import jax
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from duralava.evaluation import two_sample
from duralava.evaluation.two_sample import View

SIZE = 16


def discs(seed, *, num_clips=128, steps=4, bodies=(1, 4), blur=0.0, speed=0.5):
    """Clips of bright discs that rise from random places, u8[T, N, 16, 16, 3]."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((SIZE, SIZE)) + 0.5
    grey = np.full((steps, num_clips, SIZE, SIZE), 40.0)
    for clip in range(num_clips):
        for _ in range(rng.integers(*bodies)):
            row, column, radius = rng.uniform((4, 0, 2), (20, 16, 4))
            for step in range(steps):
                away = np.hypot(rows - row + speed * step, columns - column)
                share = np.clip(radius - away + 0.5, 0, 1)
                grey[step, clip] += share * (220 - grey[step, clip])
    if blur:
        grey = scipy.ndimage.gaussian_filter(grey, (0, 0, blur, blur), mode="nearest")
    return np.rint(grey[..., None] * (1, 0.6, 0.3)).astype(np.uint8)


def test_the_area_is_the_share_of_pairs_in_the_right_order():
    rng = np.random.default_rng(0)
    high, low = rng.integers(0, 6, 40) + 1, rng.integers(0, 6, 30)
    pairs = [(a > b) + (a == b) / 2 for a, b in itertools.product(high, low)]
    found = two_sample.area_under_curve(high, low)
    assert found == pytest.approx(np.mean(pairs))
    assert two_sample.area_under_curve(low, high) == pytest.approx(1 - found)
    assert two_sample.area_under_curve(low, low) == 0.5
    assert two_sample.area_under_curve(high + 6, low) == 1


def test_the_area_of_two_normal_distributions_is_the_known_one():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=4000)
    shifted = rng.normal(0.8, 1, size=4000)
    expected = scipy.stats.norm.cdf(0.8 / np.sqrt(2))
    found = two_sample.area_under_curve(shifted, scores)
    assert found == pytest.approx(expected, abs=4 * np.sqrt(1 / 12 * 2 / 4000))


def test_blur_is_that_of_scipy():
    rng = np.random.default_rng(2)
    pictures = rng.uniform(-1, 1, (3, 2, 12, 16, 3)).astype(np.float32)
    sigmas = np.array([0.3, 0.6, 1.0], np.float32)
    found = np.asarray(two_sample.blur(pictures, sigmas))
    inside = np.s_[:, 3:-3, 3:-3]  # away from the borders
    for index, sigma in enumerate(sigmas):
        expected = scipy.ndimage.gaussian_filter(
            pictures[index], (0, sigma, sigma, 0), radius=(0, 3, 3, 0)
        )
        np.testing.assert_allclose(found[index][inside], expected[inside], atol=1e-6)
    plain = np.full_like(pictures, 0.25)
    np.testing.assert_allclose(two_sample.blur(plain, sigmas), 0.25, atol=1e-6)


def test_pictures_are_disturbed_by_as_much_as_is_stated():
    grey = np.zeros((4000, 2, 8, 8, 3), np.float32)  # the middle of the range
    found = 127.5 * np.asarray(two_sample.disturb(grey, jax.random.key(0)))
    noise = found - found.mean(axis=(1, 2, 3), keepdims=True)
    assert noise.std() == pytest.approx(6, rel=0.02)
    # Blur keeps a plain picture: what is left are colour and light, of all its frames.
    first, second = found.mean(axis=(2, 3)).swapaxes(0, 1)
    assert (first - second).std() == pytest.approx(6 / 8 * np.sqrt(2), rel=0.05)
    light = first.mean(axis=-1)
    colour = first - light[:, None]
    # Colours move 0.04 of 127.5 each, light moves 0.04 of 255.
    expected = np.sqrt((0.04 * 255) ** 2 + (0.04 * 127.5) ** 2 / 3 + 0.75**2 / 3)
    assert light.std() == pytest.approx(expected, rel=0.05)
    expected = np.sqrt(((0.04 * 127.5) ** 2 + 0.75**2) * 2 / 3)
    assert colour.std() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("view", [View(), View(disturbed=False), View(frames=3)])
def test_film_is_not_told_from_film_of_the_same_kind(view):
    found = two_sample.two_sample_auc(discs(0), discs(1), view)
    # 58 independent test clips of each side.
    assert found.value == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 * 2 / 58))
    assert found.low < found.value < found.high


@pytest.mark.parametrize(
    ("fault", "view"),
    [
        ({"bodies": (4, 7)}, View()),
        ({"blur": 1.5}, View()),
        ({"blur": 1.5}, View(disturbed=False)),
        ({"speed": -0.5}, View(frames=3)),
    ],
)
def test_other_film_is_told_from_film(fault, view):
    found = two_sample.two_sample_auc(discs(0), discs(1, **fault), view)
    assert found.value > 0.8
    assert found.low > 0.5


def test_a_faint_pattern_is_told_in_the_exact_form_only():
    film, other = discs(0), discs(1)
    chequers = np.indices((SIZE, SIZE)).sum(axis=0) % 2
    faint = other + 8 * chequers[..., None].astype(np.uint8)
    exact = two_sample.two_sample_auc(film, faint, View(disturbed=False))
    eye = two_sample.two_sample_auc(film, faint, View())
    assert exact.value > 0.95
    assert eye.value < 0.8


def test_motion_is_told_by_frames_seen_together_only():
    film, fallen = discs(0), discs(1, speed=-0.5)[::-1]
    backwards = discs(1)[::-1]
    for other, view in ((fallen, View()), (backwards, View())):
        found = two_sample.two_sample_auc(film, other, view)
        assert found.value == pytest.approx(0.5, abs=0.2)
    found = two_sample.two_sample_auc(film, backwards, View(frames=3))
    assert found.value > 0.8


def test_the_same_pictures_give_the_same_area():
    film, other = discs(0, num_clips=40), discs(1, num_clips=40)
    first, second = (two_sample.two_sample_auc(film, other, View()) for _ in range(2))
    assert first == second
