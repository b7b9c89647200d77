import numpy as np
import pytest
import scipy.signal
from balls import balls

from duralava.simulation import statistics


def _noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape)


def test_coarsened_blocks_are_means():
    wax = np.zeros((1, 4, 2, 3), np.float32)
    wax[0, :2, :, :2] = np.arange(8).reshape(2, 2, 2)
    wax[0, 3, 1, 2] = 1
    coarse = statistics.coarsen(wax)
    # The third column is a block of its own, as if it stood there twice.
    np.testing.assert_allclose(coarse, [[[[3.5, 0]], [[0, 0.25]]]])
    assert coarse.dtype == np.float32


@pytest.mark.parametrize("radius", [3, 5, 9.3])
def test_the_sphericity_of_a_ball_is_one(radius):
    body = np.linalg.norm(np.mgrid[:20, :20, :20].T - 9.7, axis=-1) < radius
    assert statistics.sphericity(body) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("length", [2, 3, 5])
def test_the_sphericity_of_ellipsoids(length):
    """Of half axes 1, 1 and c: A = 2 pi (1 + c asin(e) / e), e^2 = 1 - 1 / c^2."""
    eccentricity = np.sqrt(1 - 1 / length**2)
    surface = 2 * np.pi * (1 + length * np.arcsin(eccentricity) / eccentricity)
    expected = np.cbrt(36 * np.pi * (4 / 3 * np.pi * length) ** 2) / surface
    for direction in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0.3, 0.8, 0.5)):
        along = direction / np.linalg.norm(direction)
        places = np.moveaxis(np.indices((46, 46, 46)) - 22.6, 0, -1)
        square = (places**2).sum(-1) + (1 / length**2 - 1) * (places @ along) ** 2
        found = statistics.sphericity(square < 4**2)
        assert found == pytest.approx(expected, abs=0.04)


def test_all_sides_of_a_body_at_a_wall_count():
    """A half ball has 2 pi r^2 + pi r^2; all but a few percent of that is found."""
    ball = np.linalg.norm(np.mgrid[:20, :20, :20].T - 9.5, axis=-1) < 8
    half = statistics.sphericity(ball[:, 10:])
    assert half == pytest.approx(np.cbrt(36 * (2 / 3) ** 2) / 3, abs=0.06)
    pool = np.zeros((20, 3, 20), bool)
    pool[:] = ball[:, 10:11]
    assert statistics.sphericity(pool) < 0.75


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (1, 2, 3)])
def test_columns_and_necks_are_oblong_and_pools_are_not(axis):
    places = np.moveaxis(np.indices((40, 40, 40)) - 19.6, 0, -1)
    along = places @ axis / np.linalg.norm(axis)
    across = (places**2).sum(-1) - along**2
    column = (across < 3**2) & (np.abs(along) < 9)
    neck = (np.abs(along) - 6) ** 2 + across < 6.2**2
    pool = (across < 8**2) & (np.abs(along + 10) < 2)
    assert statistics.is_oblong(column)
    assert statistics.is_oblong(neck)
    assert statistics.is_oblong(column | pool)
    assert not statistics.is_oblong(pool)


def test_rows_height_and_speed_of_a_filled_half():
    wax = np.zeros((2, 3, 8, 4))
    wax[0, :, :4] = 1
    wax[1, :, 4:] = 1
    by_row = statistics.wax_by_row(wax)
    np.testing.assert_allclose(by_row[0], [1, 1, 1, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(statistics.wax_height(by_row), [0.25, 0.75])
    # (2, 4, 3) along z, y and x in the lower half; up and down in the upper.
    w, v, u = np.zeros((2, 4, 8, 4)), np.zeros((2, 3, 9, 4)), np.zeros((2, 3, 8, 5))
    w[:, :, :4] = 2
    u[:, :, :4] = 3
    v[:, :, :5] = 4
    v[:, :, 5:] = -4
    speed = statistics.rms_speed(wax, (w, v, u))
    # In the row above the middle the faces make (4 - 4) / 2 = 0.
    np.testing.assert_allclose(speed, [np.sqrt(29), np.sqrt(3 / 4 * 16)])


def test_moved_share_is_all_after_a_jump_and_none_while_frozen():
    here, away = balls([(6, 10, 12)]), balls([(6, 30, 12)])
    wax = np.stack([here] * 300 + [away] * 300)
    moved = statistics.moved_share(wax, 5)
    assert moved.shape == (595,)
    np.testing.assert_allclose(moved[:295], 0)
    np.testing.assert_allclose(moved[295:300], 1, rtol=1e-6)
    np.testing.assert_allclose(moved[300:], 0)


def test_the_autocorrelation_of_wax_is_that_of_its_cells():
    wax = _noise(50, 2, 15, 20)
    x = wax - wax.mean(axis=0)
    expected = [(x[: 50 - k] * x[k:]).mean() / (x**2).mean() for k in range(20)]
    np.testing.assert_allclose(statistics.wax_autocorrelation(wax, 19), expected)


def test_a_lamp_in_which_nothing_changes_is_correlated_at_all_lags():
    still = np.full((40, 6, 12, 6), 0.5, np.float16)
    correlations = statistics.wax_autocorrelation(still, 20)
    np.testing.assert_array_equal(correlations, np.ones(21))


def test_independent_lamps_differ_from_lamps_with_something_in_common():
    def likeness(films):
        pairs = statistics.pair_correlations(films)
        assert pairs.shape == (60, 15)
        return pairs, statistics.distance_ratio(films, 10)

    apart = _noise(6, 60, 2, 8, 8)
    free, ratio = likeness(apart)
    assert np.abs(free.mean(axis=0)).max() < 0.06
    assert ratio == pytest.approx(1, abs=0.01)

    # What all lamps show at all times does not count as common.
    lit, _ = likeness(apart + 3 * _noise(2, 8, 8, seed=1))
    np.testing.assert_allclose(lit, free, atol=1e-5)
    # Moments that are alike because they are close are not compared.
    _, ratio = likeness(np.repeat(apart[:, :6], 10, axis=1))
    assert ratio == pytest.approx(1, abs=0.03)

    alike, ratio = likeness(apart + _noise(60, 2, 8, 8, seed=1))
    assert alike.mean(axis=0).min() > 0.4
    assert ratio < 0.75

    _, ratio = likeness(apart + _noise(6, 1, 2, 8, 8, seed=1))
    assert ratio > 1.3

    apart[:, 0] += 2 * _noise(2, 8, 8, seed=2)
    start, _ = likeness(apart)
    assert start[0].mean() > 0.4
    assert start[1:].mean(axis=0).max() < 0.3


def test_correlations_are_those_of_their_definition():
    films = _noise(3, 5, 2, 4, 3)
    x = (films - films.mean(axis=(0, 1))).reshape(3, 5, -1)
    scale = np.sqrt((x**2).mean(axis=(1, 2)))
    expected = [
        (x[a] * x[b]).mean(axis=1) / (scale[a] * scale[b])
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    np.testing.assert_allclose(
        statistics.pair_correlations(films), np.transpose(expected), atol=1e-5
    )


def _series(seed, number=6000, memory=0.95):
    rng = np.random.default_rng(seed)
    return scipy.signal.lfilter([1], [1, -memory], rng.normal(size=number))


def test_halves_of_one_distribution_are_seldom_told_apart():
    # The p-values are uniform: a test at 5 % is wrong in one case of 20.
    p_values = np.array(
        [
            statistics.compare_halves(
                _series(seed), 250, np.random.default_rng(seed), shuffles=400
            )[1]
            for seed in range(60)
        ]
    )
    assert np.count_nonzero(p_values < 0.05) <= 8
    assert 0.35 < p_values.mean() < 0.65


@pytest.mark.parametrize("change", ["mean", "spread"])
def test_halves_that_differ_are_told_apart(change):
    values = _series(0)
    second = values[3000:]
    second[:] = second + 4 if change == "mean" else second * 3
    _, p_value = statistics.compare_halves(values, 100, np.random.default_rng(0))
    assert p_value < 0.005


def test_the_distance_of_halves_is_the_kolmogorov_smirnov_distance():
    values = np.concatenate([np.arange(400) % 4, np.arange(400) % 4 + 1])
    distance, _ = statistics.compare_halves(values, 50, np.random.default_rng(0))
    # Shares up to 0, 1, 2, 3, 4: (1, 2, 3, 4, 4) / 4 and (0, 1, 2, 3, 4) / 4.
    assert distance == pytest.approx(0.25)
    with pytest.raises(ValueError, match="fewer than 8 blocks"):
        statistics.compare_halves(values, 101, np.random.default_rng(0))
