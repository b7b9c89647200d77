import jax
import jax.numpy as jnp
import numpy as np
import pytest

from duralava.evaluation.distances import energy_distance, total_variation

distance = jax.jit(energy_distance)


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def points(*values):
    return jnp.array(values, jnp.float32)[:, None]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # Between: 10, 11, 9 and 10, mean 10; within each: 1.
        (points(0, 1), points(10, 11), 2 * 10 - 1 - 1),
        # All 5 apart, nothing within.
        (points(0, 0, 0), points(5, 5), 10),
        # The same two points: the mean between is 1/2, as equal ones count, and the
        # mean within, over different samples, is 1.
        (points(0, 1), points(0, 1), 2 * 0.5 - 1 - 1),
        # Within 0, 1, 3: the pairs are 1, 2 and 3 apart.
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


def test_it_is_zero_on_average_for_one_distribution_and_not_for_two():
    pairs = [(normal(2 * i, 60, 3), normal(2 * i + 1, 60, 3)) for i in range(40)]
    same = np.array([distance(x, y) for x, y in pairs])
    other = np.array([distance(x, 1.5 * y) for x, y in pairs])
    # Unbiased: the mean of 40 lies within 4 of its standard errors from zero; with
    # the pairs of a sample and itself it would be off by 2 E|x - x'| / 60 = 0.08.
    assert abs(same.mean()) < 4 * same.std() / np.sqrt(40) < 0.03
    assert other.mean() > 0.05


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0.5, 1.5], [0.5, 1.5], 0),
        ([0.5, 0.5], [1.5, 2.5, 2.5], 1),
        # Shares 3/4, 1/4, 0 against 1/4, 1/4, 1/2.
        ([0.1, 0.2, 0.3, 1.1], [0.5, 1.5, 2.5, 2.1], 0.5),
        # Outside the edges: the end bins; an edge belongs to the bin above it.
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
def test_what_has_no_histogram_is_refused(sample, edges):
    with pytest.raises(ValueError, match=r"values|ascend"):
        total_variation(np.array([0.5]), np.array(sample), np.array(edges))
