import numpy as np
import pytest
import scipy.signal
from balls import SHAPE, balls

from duralava.simulation import statistics


def _noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape)


def test_coarsened_blocks_are_means():
    wax = np.zeros((1, 4, 2, 3), np.float32)
    wax[0, :2, :, :2] = np.arange(8).reshape(2, 2, 2)
    wax[0, 3, 1, 2] = 1
    coarse = statistics.coarsen(wax)
    # The third column is a block of its own: as if there were two of it.
    np.testing.assert_allclose(coarse, [[[[3.5, 0]], [[0, 0.25]]]])
    assert coarse.dtype == np.float32


def test_levels_height_and_speed_of_a_filled_half():
    wax = np.zeros((2, 3, 8, 4))
    wax[0, :, :4] = 1
    wax[1, :, 4:] = 1
    levels = statistics.levels(wax)
    np.testing.assert_allclose(levels[0], [1, 1, 1, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(statistics.wax_height(levels), [0.25, 0.75])
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


def _steady(number, velocity):
    """A flow of N moments that is the same everywhere, (w, v, u) on faces."""
    shapes = SHAPE + np.eye(3, dtype=int)
    return [np.full((number, *s), u) for s, u in zip(shapes, velocity, strict=True)]


def test_a_ball_that_rises_at_a_known_speed():
    # 0.5 cells a moment for 80 moments, from row 4 to row 44 of 48.
    wax = np.stack([balls([(6, 4 + t / 2, 12)]) for t in range(81)])
    rng = np.random.default_rng(0)
    places = statistics.place_tracers(wax[0], 50, rng)
    assert np.linalg.norm(places - [6, 4, 12], axis=1).max() < 4 + 1
    end, heights = statistics.follow_tracers(
        places, wax, _steady(81, (0, 0.25, 0)), cells_per_moment=2.0, rng=rng
    )
    assert heights.shape == (80, 50)
    times = statistics.ascent_times(heights)
    # 48 rows at 0.5 cells a moment.
    assert len(times) >= 40
    assert times.mean() == pytest.approx(96, abs=1.5)
    kept = ~np.isnan(heights).any(axis=0)
    assert kept.sum() >= 40
    np.testing.assert_allclose((end - places)[kept], [[0, 40, 0]] * kept.sum())


@pytest.mark.parametrize("axes", [(1, 2), (0, 1), (0, 2)])
def test_tracers_go_round_with_a_vortex(axes):
    # psi = sin(pi a) sin(pi b) on corners: a speck stays on its stream line.
    size, many = 16, 60
    a, b = axes
    wave = np.sin(np.pi * np.linspace(0, 1, size + 1))
    stream = np.outer(wave, wave) * size
    flow = [np.zeros((size,) * 3 + np.eye(3, dtype=int)[axis]) for axis in range(3)]
    other = 3 - a - b
    flow[a] = flow[a] + np.expand_dims(np.diff(stream, axis=1), other)
    flow[b] = flow[b] - np.expand_dims(np.diff(stream, axis=0), other)
    flow = [np.tile(u, (many, 1, 1, 1)) for u in flow]
    wax = np.ones((many, size, size, size))
    places = np.full((3, 3), size / 2)
    places[:, b] = 4, 6, 7
    options = {"cells_per_moment": 0.03 * size, "rng": np.random.default_rng(0)}
    end, heights = statistics.follow_tracers(places, wax, flow, **options)

    def on_stream(places):
        return np.prod(np.sin(np.pi * places[:, axes] / size), axis=1)

    np.testing.assert_allclose(on_stream(end), on_stream(places), atol=0.015)
    np.testing.assert_allclose(end[:, other], size / 2)
    assert np.abs(end - places).max() > 2
    if 1 in axes:  # They have gone round: to above the middle and back below it.
        assert heights[:, 0].max() > 0.7
        assert heights[:, 0].min() < 0.3
    # In two runs, the second from where the first ended: the same.
    first, last = [u[:31] for u in flow], [u[30:] for u in flow]
    middle, _ = statistics.follow_tracers(places, wax[:31], first, **options)
    again, _ = statistics.follow_tracers(middle, wax[30:], last, **options)
    np.testing.assert_allclose(again, end)


def test_tracers_follow_a_flow_that_grows():
    moments = np.arange(7.0)[:, None, None, None]
    flow = [u * moments for u in _steady(7, (0.1, 0.5, 0.25))]
    end, _ = statistics.follow_tracers(
        np.array([[5.0, 7.0, 9.0]]),
        np.ones((7, *SHAPE)),
        flow,
        cells_per_moment=1.0,
        rng=np.random.default_rng(0),
        substeps=1,
    )
    np.testing.assert_allclose(end, [[5 + 18 * 0.1, 7 + 18 * 0.5, 9 + 18 * 0.25]])


def test_tracers_that_leave_the_wax_are_put_back_into_it():
    wax = np.stack([balls([(6, 10, 12)])] * 30)
    rng = np.random.default_rng(0)
    places = statistics.place_tracers(wax[0], 20, rng)
    end, heights = statistics.follow_tracers(
        places, wax, _steady(30, (0, 1, 0)), cells_per_moment=1.0, rng=rng
    )
    assert np.isnan(heights).any(axis=0).all()
    assert np.nanmax(heights) < 16 / 48
    assert (wax[-1][tuple(end.astype(int).T)] == 1).all()


def test_ascents_are_from_the_last_exit_to_the_first_entry():
    wandering = [0.1, 0.3, 0.2, 0.4, 0.6, 0.5, 0.8, 0.7, 0.9, 0.1, 0.9]
    replaced = [0.1, 0.3, np.nan, 0.5, 0.6, 0.7, 0.8, 0.8, 0.8, 0.8, 0.8]
    times = statistics.ascent_times(np.array([wandering, replaced]).T)
    # Left at item 2 and arrived at item 6; then at once.
    np.testing.assert_array_equal(times, [2 * 3, 0])
    assert statistics.ascent_times(np.zeros((5, 2))).shape == (0,)


def test_independent_lamps_and_lamps_with_something_in_common():
    def likeness(films):
        pairs = statistics.correlations(films)
        assert pairs.shape == (60, 15)
        return pairs, statistics.distance_ratio(films, 10)

    apart = _noise(6, 60, 2, 8, 8)
    free, ratio = likeness(apart)
    assert np.abs(free.mean(axis=0)).max() < 0.06
    assert ratio == pytest.approx(1, abs=0.01)

    # What all lamps show at all times is not in common.
    lit, _ = likeness(apart + 3 * _noise(2, 8, 8, seed=1))
    np.testing.assert_allclose(lit, free, atol=1e-5)
    # Moments that are alike for being close are not compared.
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
        statistics.correlations(films), np.transpose(expected), atol=1e-5
    )


def _series(seed, number=6000, memory=0.95):
    rng = np.random.default_rng(seed)
    return scipy.signal.lfilter([1], [1, -memory], rng.normal(size=number))


def test_halves_that_agree_are_seldom_told_apart():
    # A test at 5 % is wrong in one case of 20: the p-values are even, from 0 to 1.
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


def test_the_distance_of_halves_is_that_of_kolmogorov_and_smirnov():
    values = np.concatenate([np.arange(400) % 4, np.arange(400) % 4 + 1])
    distance, _ = statistics.compare_halves(values, 50, np.random.default_rng(0))
    # Shares up to 0, 1, 2, 3, 4: (1, 2, 3, 4, 4) / 4 and (0, 1, 2, 3, 4) / 4.
    assert distance == pytest.approx(0.25)
    with pytest.raises(ValueError, match="fewer than 8 blocks"):
        statistics.compare_halves(values, 101, np.random.default_rng(0))


def test_distribution():
    values = statistics.distribution(np.arange(101.0))
    assert values["mean"] == 50
    assert values["std"] == pytest.approx(np.std(np.arange(101)))
    assert [values[name] for name in ("5%", "25%", "50%", "75%", "95%")] == [
        pytest.approx(quantile) for quantile in (5, 25, 50, 75, 95)
    ]
    assert all(np.isnan(value) for value in statistics.distribution([]).values())
