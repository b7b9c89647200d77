import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from duralava.evaluation import normality

MOMENTS = ["mean", "variance", "skewness", "kurtosis", "covariance"]


def generator(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("count", "repeats"), [(64, 300), (1024, 60)])
def test_normal_draws_are_rejected_no_more_often_than_the_level(count, repeats):
    random = generator()
    results = [
        normality.normality_tests(random.normal(size=(count, 64)))
        for _ in range(repeats)
    ]
    # Three and a half standard deviations above the share of 0.05.
    allowed = 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / repeats)
    for moment in MOMENTS:
        p_values = np.array([result.p_values[moment] for result in results])
        assert 0 < np.mean(p_values < 0.05) < allowed, moment
    overall = np.array([result.p_value for result in results])
    assert 0 < np.mean(overall < 0.05) < allowed


@pytest.mark.parametrize(("count", "size"), [(64, 64), (512, 6), (30, 2)])
def test_p_values_of_all_covariances_are_uniform(count, size):
    random = generator()
    p_values = [
        normality.sum_of_squares_p_value(random.normal(size=(count, size)))
        for _ in range(1000)
    ]
    assert scipy.stats.kstest(p_values, "uniform").pvalue > 0.001
    # Within 3 standard errors in the lower tenth, which decides.
    assert np.mean(np.array(p_values) < 0.1) == pytest.approx(0.1, abs=0.03)


def test_p_values_of_light_tails_are_uniform_except_for_the_smallest():
    p_values = normality.light_tails_p_value(generator().normal(size=(64, 40_000)))
    for level in (0.2, 0.5, 0.8):
        assert np.mean(p_values < level) == pytest.approx(level, abs=0.025)
    assert 0 < np.mean(p_values < 1e-3) < 1e-3


def shifted(z):
    z[:, 3] += 0.25


def wide(z):
    z[:, 3] *= 1.2


def narrow(z):
    z[:, 3] *= 0.8


def skewed(z):
    z[:, 3] = np.random.default_rng(1).gamma(8, size=len(z))
    z[:, 3] = (z[:, 3] - 8) / np.sqrt(8)


def heavy_tailed(z):
    z[:, 3] = np.random.default_rng(1).laplace(scale=np.sqrt(0.5), size=len(z))


def light_tailed(z):
    z[:, 3] = np.random.default_rng(1).uniform(-np.sqrt(3), np.sqrt(3), len(z))


def two_correlated(z):
    z[:, 3] = 0.3 * z[:, 5] + np.sqrt(1 - 0.3**2) * z[:, 3]


def all_correlated(z):
    # Each pair has a correlation of 0.04. Its standard error is 1 / 32 for 1,024 draws,
    # so no single pair is significant.
    common = np.random.default_rng(1).normal(size=(len(z), 1))
    z[:] = np.sqrt(0.04) * common + np.sqrt(0.96) * z


@pytest.mark.parametrize(
    ("fault", "moment"),
    [
        (shifted, "mean"),
        (wide, "variance"),
        (narrow, "variance"),
        (skewed, "skewness"),
        (heavy_tailed, "kurtosis"),
        (light_tailed, "kurtosis"),
        (two_correlated, "covariance"),
        (all_correlated, "covariance"),
    ],
)
def test_a_fault_is_detected_by_its_own_moment(fault, moment):
    samples = generator(2).normal(size=(1024, 64))
    sound = normality.normality_tests(samples)
    assert sound.p_value > 0.05
    fault(samples)
    result = normality.normality_tests(samples)
    assert result.p_values[moment] < 1e-4
    assert result.p_value < 1e-3
    # Only another shape of the distribution changes more than one moment.
    if fault not in (skewed, heavy_tailed, light_tailed):
        others = [result.p_values[other] for other in MOMENTS if other != moment]
        assert min(others) > 0.05


def test_moments_are_those_of_each_dimension():
    z = generator().normal(size=(50, 3)) * [1, 2, 3] + [0, 1, 2]
    result = normality.normality_tests(z.astype(np.float32))
    standard = (z - z.mean(axis=0)) / z.std(axis=0)
    assert result.num_samples == 50
    np.testing.assert_allclose(result.mean, z.sum(axis=0) / 50, rtol=1e-5)
    np.testing.assert_allclose(result.std, z.std(axis=0) * np.sqrt(50 / 49), rtol=1e-5)
    np.testing.assert_allclose(result.skewness, (standard**3).mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(result.kurtosis, (standard**4).mean(axis=0), rtol=1e-4)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_constant_or_infinite_dimension_is_not_normal(value):
    samples = generator().normal(size=(64, 4))
    samples[:, 2] = value
    assert normality.normality_tests(samples).p_value == 0


@pytest.mark.parametrize("shape", [(19, 4), (64, 1), (64,)])
def test_too_few_samples_or_dimensions_are_refused(shape):
    with pytest.raises(ValueError, match="N at least 20 and Z at least 2"):
        normality.normality_tests(np.zeros(shape))


@pytest.mark.parametrize("size", [2, 3, 10])
def test_the_share_of_a_sphere_within_a_cap(size):
    # The density of the angle to a fixed direction is sin(angle)^(Z - 2).
    def density(angle):
        return np.sin(angle) ** (size - 2)

    whole, _ = scipy.integrate.quad(density, 0, np.pi)
    for cosine in (-0.7, 0.0, 0.3, 0.9):
        cap, _ = scipy.integrate.quad(density, 0, np.arccos(cosine))
        assert normality.cosine_p_value(cosine, size) == pytest.approx(cap / whole)


def autoregression(coefficient, shape, seed=0):
    noise = generator(seed).normal(size=shape)
    noise[1:] *= np.sqrt(1 - coefficient**2)
    for t in range(1, len(noise)):
        noise[t] += coefficient * noise[t - 1]
    return noise


def test_the_spacing_of_an_autoregression():
    # 0.8^13 = 0.055 and 0.8^14 = 0.044; the squared norm has the square of that.
    series = autoregression(0.8, (3000, 16, 16))
    assert normality.independent_spacing(series) in (13, 14, 15)


def test_a_squared_norm_that_lasts_longer_than_the_values_counts():
    # Independent directions at each step, with a correlated norm. Its square is
    # log-normal up to a constant, with the correlation (exp(v c^k) - 1) / (exp(v) - 1),
    # which is nearly c^k for v = 0.04; 0.8^13 = 0.055.
    directions = generator(1).normal(size=(3000, 64, 16))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    norm = np.exp(0.1 * autoregression(0.8, (3000, 64, 1)))
    series = 4 * norm * directions
    assert normality.independent_spacing(series) in (13, 14, 15)


def test_the_spacing_of_one_lamp_alone():
    # The correlation of its squared norm falls to 0.05 in 30 steps. Autocorrelations of
    # one series have errors of some hundredths at all lags, which are not memory.
    spacings = []
    for seed in range(12):
        directions = generator(seed).normal(size=(10_000, 1, 16))
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        memory = autoregression(np.exp(-0.1), (10_000, 1, 1), seed=100 + seed)
        series = 4 * np.exp(0.1 * memory) * directions
        spacings.append(normality.independent_spacing(series))
    assert min(spacings) > 20
    assert np.median(spacings) == pytest.approx(30, abs=6)
    assert max(spacings) < 60


def test_one_lamp_has_no_independent_draws_if_it_keeps_its_norm():
    series = generator().normal(size=(1000, 1, 16))
    series *= 4 / np.linalg.norm(series, axis=-1, keepdims=True)
    with pytest.raises(ValueError, match="keeps its norm"):
        normality.independent_spacing(series)


def test_a_series_shorter_than_its_memory_has_no_spacing():
    with pytest.raises(ValueError, match="too short"):
        normality.independent_spacing(autoregression(0.97, (200, 16, 16)))
