import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from tiny import normal

from duralava.evaluation.distances import (
    density_and_coverage,
    energy_distance,
    frechet_distance,
    kernel_distance,
    total_variation,
)

distance = jax.jit(energy_distance)


def points(*values):
    return jnp.array(values, jnp.float32)[:, None]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # Between: 10, 11, 9 and 10, mean 10; within each: 1.
        (points(0, 1), points(10, 11), 2 * 10 - 1 - 1),
        # All are 5 apart between the samples, and 0 within.
        (points(0, 0, 0), points(5, 5), 10),
        # The same two points: the mean between the samples is 1/2, because equal points
        # count, and the mean within, over different elements, is 1.
        (points(0, 1), points(0, 1), 2 * 0.5 - 1 - 1),
        # Within 0, 1, 3 the pairs are 1, 2 and 3 apart.
        (points(0, 1, 3), points(0, 0), 2 * 4 / 3 - 2 - 0),
    ],
)
def test_points_on_a_line_by_hand(first, second, expected):
    np.testing.assert_allclose(distance(first, second), expected, rtol=1e-6)


def test_it_equals_the_loop_over_all_pairs():
    first, second = normal(0, 7, 2, 3), 0.5 + normal(1, 5, 2, 3)
    x, y = (np.asarray(z, np.float64).reshape(len(z), -1) for z in (first, second))

    def mean_distance(xs, ys, same):
        return np.mean(
            [
                np.sqrt(np.sum((p - q) ** 2))
                for i, p in enumerate(xs)
                for j, q in enumerate(ys)
                if not (same and i == j)
            ]
        )

    expected = (
        2 * mean_distance(x, y, False)
        - mean_distance(x, x, True)
        - mean_distance(y, y, True)
    )
    np.testing.assert_allclose(distance(first, second), expected, rtol=1e-4)
    np.testing.assert_allclose(distance(second, first), expected, rtol=1e-4)


def test_two_normals_apart_by_d():
    # x - y is N(d, 2), of mean absolute value
    # 2 / sqrt(pi) exp(-d^2 / 4) + d erf(d / 2); within, d is 0.
    d = 1.5
    between = 2 / np.sqrt(np.pi) * np.exp(-(d**2) / 4) + d * 0.7111556  # erf(0.75)
    expected = 2 * between - 4 / np.sqrt(np.pi)
    estimate = distance(normal(0, 2000, 1), d + normal(1, 2000, 1))
    np.testing.assert_allclose(estimate, expected, atol=0.1)
    assert expected > 0.9


def test_it_is_zero_on_average_for_equal_distributions_only():
    pairs = [(normal(2 * i, 60, 3), normal(2 * i + 1, 60, 3)) for i in range(40)]
    same = np.array([distance(x, y) for x, y in pairs])
    other = np.array([distance(x, 1.5 * y) for x, y in pairs])
    # Unbiased: the mean of 40 is within 4 standard errors of zero. If pairs of an
    # element and itself counted, it would be off by 2 E|x - x'| / 60 = 0.08.
    assert abs(same.mean()) < 4 * same.std() / np.sqrt(40) < 0.03
    assert other.mean() > 0.05


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0.5, 1.5], [0.5, 1.5], 0),
        ([0.5, 0.5], [1.5, 2.5, 2.5], 1),
        # Shares 3/4, 1/4, 0 against 1/4, 1/4, 1/2.
        ([0.1, 0.2, 0.3, 1.1], [0.5, 1.5, 2.5, 2.1], 0.5),
        # Values outside count in the end bins; an edge belongs to the bin above it.
        ([-9, 1, 9, 3], [0.5, 1.5, 2.5, 2.5], 0),
    ],
)
def test_total_variation_by_hand(first, second, expected):
    edges = np.array([0.0, 1, 2, 3])
    for pair in ((first, second), (second, first)):
        assert total_variation(*map(np.array, pair), edges) == pytest.approx(expected)


def test_total_variation_of_two_normals_apart_by_d():
    # Their densities cross at d / 2: 2 Phi(d / 2) - 1, here 2 Phi(1/2) - 1.
    first, second = np.random.default_rng(0).standard_normal((2, 200_000))
    distance = total_variation(first, second + 1, np.linspace(-4, 5, 91))
    assert distance == pytest.approx(0.3829249, abs=0.01)


@pytest.mark.parametrize(
    ("sample", "edges"),
    [([], [0, 1]), ([np.nan], [0, 1]), ([1.0], [0, 0]), ([1.0], [0])],
)
def test_samples_without_a_histogram_are_refused(sample, edges):
    with pytest.raises(ValueError, match=r"values|ascend"):
        total_variation(np.array([0.5]), np.array(sample), np.array(edges))


def test_frechet_distance_of_normals_is_known():
    """Commuting covariances: |m|^2 + sum of (s1 - s2)^2."""
    rng = np.random.default_rng(0)
    # Whitened draws, scaled and shifted: their moments are exact.
    draws = rng.normal(size=(500, 3))
    draws = draws - draws.mean(axis=0)
    white = draws @ np.linalg.inv(np.linalg.cholesky(np.cov(draws.T))).T
    first, second = white * [1, 2, 3], white * [2, 2, 1] + [0, 1, -2]
    np.testing.assert_allclose(frechet_distance(first, second), 5 + 1 + 0 + 4)


def test_frechet_distance_equals_the_textbook_formula():
    rng = np.random.default_rng(1)
    first = rng.normal(size=(80, 6)) @ rng.normal(size=(6, 6))
    second = rng.normal(size=(90, 6)) @ rng.normal(size=(6, 6)) + 1
    covariances = np.cov(first.T), np.cov(second.T)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    shift = first.mean(axis=0) - second.mean(axis=0)
    expected = shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root)
    np.testing.assert_allclose(frechet_distance(first, second), expected, rtol=1e-9)


def test_frechet_distance_with_more_features_than_samples():
    first = np.random.default_rng(2).normal(size=(10, 40))
    np.testing.assert_allclose(frechet_distance(first, first), 0, atol=1e-9)
    np.testing.assert_allclose(frechet_distance(first, first + 3), 40 * 9)


def test_kernel_distance_is_the_mean_over_pairs():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(40, 2)), rng.normal(size=(50, 2)) + 1

    def square(a, b):
        return ((a - b) ** 2).sum()

    pairs = itertools.combinations(range(50), 2)
    width = np.median([square(y[i], y[j]) for i, j in pairs])

    def mean(a, b, same):
        values = [
            np.exp(-square(p, q) / width)
            for i, p in enumerate(a)
            for j, q in enumerate(b)
            if not (same and i == j)
        ]
        return np.mean(values)

    expected = mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)
    np.testing.assert_allclose(kernel_distance(x, y).value, expected, rtol=1e-9)


def test_the_interval_of_the_kernel_distance_contains_zero_for_equal_distributions():
    """In nearly all of 40 repeats, and never for different distributions."""
    rng = np.random.default_rng(4)
    inside = [0, 0]
    for _ in range(40):
        x, y = rng.normal(size=(2, 100, 3))
        for index, shift in enumerate((0, 1)):
            estimate = kernel_distance(x + shift, y)
            inside[index] += estimate.low <= 0 <= estimate.high
    assert inside[0] >= 34
    assert inside[1] == 0


def test_correlated_neighbours_do_not_make_the_interval_narrower():
    """Each row four times in succession, compared with each row once."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 60, 2))
    once = kernel_distance(x, y)
    often = kernel_distance(np.repeat(x, 4, axis=0), np.repeat(y, 4, axis=0))
    assert often.high - often.low > 0.9 * (once.high - once.low)


def test_kernel_distance_of_equal_rows_is_refused():
    rows = np.zeros((50, 2))
    with pytest.raises(ValueError, match="are the same"):
        kernel_distance(rows, rows)


def test_distances_of_too_few_rows_are_refused():
    rows = np.random.default_rng(8).normal(size=(40, 3))
    estimate = kernel_distance(rows, rows + 1)
    assert np.isfinite(dataclasses.astuple(estimate)).all()
    for pair in ((rows, rows[:39]), (rows[:39], rows)):
        with pytest.raises(ValueError, match="39 rows are too few for 20 groups"):
            kernel_distance(*pair)
    with pytest.raises(ValueError, match="two rows or more"):
        frechet_distance(rows, rows[:1])
    with pytest.raises(ValueError, match="5 real rows have no 5 neighbours"):
        density_and_coverage(rows, rows[:5])


def test_the_bias_of_the_frechet_distance_of_few_rows_is_known():
    """For two times N draws of N(0, I) in D dimensions: 2 D / N + D (D + 1) / (2 N).

    The means differ by 2 D / N. For covariances I + A and I + B the roots differ by
    |A - B|^2 / 4 to second order, and E |A|^2 = E |B|^2 = D (D + 1) / N.
    """
    size, count = 8, 400
    rng = np.random.default_rng(9)
    found = [frechet_distance(*rng.normal(size=(2, count, size))) for _ in range(60)]
    expected = 2 * size / count + size * (size + 1) / (2 * count)
    np.testing.assert_allclose(np.mean(found), expected, rtol=0.1)


def test_real_rows_that_are_mostly_equal():
    """Their nearest neighbours are at distance 0."""
    real = np.concatenate(
        [np.zeros((60, 2)), np.random.default_rng(10).normal(size=(20, 2))]
    )
    assert density_and_coverage(real, real)[1] == 1
    assert density_and_coverage(real + 50, real) == (0, 0)
    same, other = kernel_distance(real, real), kernel_distance(real + 50, real)
    assert same.value < 0.01 and other.low > 0.3


def test_density_and_coverage_of_equal_distributions_are_near_one():
    """Density exactly, coverage 1 - 2^-k for many samples (Naeem et al. 2020, 3.2)."""
    rng = np.random.default_rng(6)
    density, coverage = density_and_coverage(*rng.normal(size=(2, 1000, 4)))
    np.testing.assert_allclose(density, 1, atol=0.1)
    np.testing.assert_allclose(coverage, 1 - 2**-5, atol=0.02)


def test_missing_modes_lower_coverage_and_not_density():
    rng = np.random.default_rng(7)
    real, generated = rng.normal(size=(2, 1000, 2))
    real[:300] += 100
    density, coverage = density_and_coverage(generated, real)
    np.testing.assert_allclose(coverage, 0.7 * (1 - 2**-5), atol=0.03)
    far_density, _ = density_and_coverage(generated + 1000, real)
    assert far_density == 0
    assert density > 0.8
