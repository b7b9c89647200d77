import numpy as np
import pytest

from duralava.signals.correlation import (
    autocorrelation,
    correlation_time,
    fall_and_peak,
)


def autoregression(coefficient, *shape, seed=0):
    """x_t = c x_{t-1} + noise, of unit variance: correlation c^k at lag k."""
    noise = np.random.default_rng(seed).normal(size=shape)
    series = np.empty(shape)
    series[0] = noise[0]
    for t in range(1, shape[0]):
        series[t] = coefficient * series[t - 1] + noise[t] * np.sqrt(1 - coefficient**2)
    return series


def test_the_autocorrelation_equals_the_sum_over_pairs():
    series = np.random.default_rng(0).normal(size=(11, 3, 2)).cumsum(axis=0)
    x = series - series.mean(axis=(0, 1))
    covariance = [np.mean(x[: 11 - k] * x[k:]) for k in range(11)]
    np.testing.assert_allclose(
        autocorrelation(series, 10), covariance / covariance[0], atol=1e-12
    )


def test_the_autocorrelation_of_an_autoregression():
    correlations = autocorrelation(autoregression(0.9, 4000, 8, 4), 30)
    np.testing.assert_allclose(correlations, 0.9 ** np.arange(31), atol=0.03)


def test_lamps_that_rest_are_correlated_at_all_lags():
    resting = np.broadcast_to(
        np.random.default_rng(0).normal(size=(1, 5, 3)), (9, 5, 3)
    )
    np.testing.assert_allclose(autocorrelation(resting, 8), 1)


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.9])
def test_the_correlation_time_of_an_autoregression(coefficient):
    correlations = autocorrelation(autoregression(coefficient, 4000, 8, 4), 400)
    # 1 + 2 (c + c^2 + ...); the window of 5 of them leaves out exp(-10).
    expected = (1 + coefficient) / (1 - coefficient)
    assert correlation_time(correlations) == pytest.approx(expected, rel=0.08)


def test_series_that_are_too_short_or_constant_are_refused():
    with pytest.raises(ValueError, match="no lag of 5"):
        autocorrelation(np.ones((5, 1, 1)), 5)
    with pytest.raises(ValueError, match="does not vary"):
        autocorrelation(np.ones((5, 1, 1)), 4)
    with pytest.raises(ValueError, match="not finite"):
        autocorrelation(np.full((5, 1, 1), np.nan), 4)
    with pytest.raises(ValueError, match="lag 20 are too few"):
        correlation_time(0.9 ** np.arange(21))


def test_the_autocorrelation_of_many_values_equals_the_sum_over_pairs():
    series = np.random.default_rng(0).random((50, 1, 600))  # more than one block
    x = series - series.mean(axis=0)
    expected = [(x[: 50 - k] * x[k:]).mean() / (x**2).mean() for k in range(20)]
    np.testing.assert_allclose(autocorrelation(series, 19), expected)


def test_a_periodic_film_comes_back_and_noise_does_not():
    rng = np.random.default_rng(1)
    noise = rng.random((400, 1, 432))
    fall, peak = fall_and_peak(autocorrelation(noise, 200), 0.2)
    assert fall == 1
    assert abs(peak) < 0.1
    phase = 2 * np.pi * np.arange(400)[:, None, None] / 40 + 6 * rng.random(432)
    periodic = 0.5 + 0.3 * np.sin(phase)
    fall, peak = fall_and_peak(autocorrelation(periodic, 200), 0.2)
    # cos(2 pi lag / 40) falls below 0.2 in the ninth step.
    assert fall == 9
    assert peak == pytest.approx(1, abs=0.02)


def test_a_film_that_never_forgets_has_no_fall():
    assert fall_and_peak(np.ones(20), 0.2) == (np.inf, 1)
