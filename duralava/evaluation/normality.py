"""Statistical tests of whether samples are draws of N(0, I)."""

import dataclasses
import math

import numpy as np
import scipy.special
import scipy.stats

from duralava.signals.correlation import autocorrelation

_MIN_SAMPLES = 20  # needed by the approximation of the kurtosis' distribution
_CORRELATED = 0.05
_STANDARD_ERRORS = 5


@dataclasses.dataclass(frozen=True)
class NormalityTests:
    """Moments of samples, and the probabilities that N(0, I) deviates as far.

    Attributes:
      num_samples: number of samples N.
      mean: f64[Z].
      std: f64[Z], of the unbiased variance.
      skewness: f64[Z], 0 for a normal distribution.
      kurtosis: f64[Z], 3 for a normal distribution.
      p_values: of `mean`, `variance`, `skewness`, `kurtosis` and `covariance`, each
        Bonferroni corrected for the number of tests of that moment.
      p_value: the smallest of these, corrected for their number.
    """

    num_samples: int
    mean: np.ndarray
    std: np.ndarray
    skewness: np.ndarray
    kurtosis: np.ndarray
    p_values: dict[str, float]
    p_value: float


def normality_tests(samples: np.ndarray) -> NormalityTests:
    """Tests independent samples against N(0, I), moment by moment.

    Two-sided tests of each dimension:

    - mean: sqrt(N) times the mean is N(0, 1).
    - variance: N - 1 times the variance is chi-square with N - 1 degrees of freedom.
      It is the variance about the mean of the samples, so a shift has no effect.
    - skewness: D'Agostino (1970).
    - kurtosis: Anscombe and Glynn (1983) for heavy tails, `light_tails_p_value` for
      light tails. Skewness and kurtosis do not depend on mean or variance.

    One-sided tests of all dimensions together: `sum_of_squares_p_value` detects many
    small covariances. A single large one is detected by the largest cosine between the
    samples of two dimensions, which has the distribution of `cosine_p_value`.

    Args:
      samples: f[N, Z], N at least 20, Z at least 2.

    Returns:
      The tests. A p-value that cannot be computed is 0, as for a dimension that is
      constant or not finite: such samples are not draws of N(0, I).

    Raises:
      ValueError: there are too few samples or dimensions.
    """
    z = np.asarray(samples, np.float64)
    if z.ndim != 2 or len(z) < _MIN_SAMPLES or z.shape[1] < 2:
        raise ValueError(
            f"samples are [N, Z] with N at least {_MIN_SAMPLES} and Z at least 2,"
            f" not {list(z.shape)}"
        )
    count, _ = z.shape
    # Values that are not finite, or constant, give a p-value of 0.
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean, variance = z.mean(axis=0), z.var(axis=0, ddof=1)
        chi_square = scipy.stats.chi2(count - 1)
        scaled = (count - 1) * variance
        heavy_tails = scipy.stats.kurtosistest(z, alternative="greater")
        covariances = [sum_of_squares_p_value(z), _largest_cosine_p_value(z)]
        p_values = {
            "mean": bonferroni(2 * scipy.stats.norm.sf(np.sqrt(count) * np.abs(mean))),
            "variance": bonferroni(
                2 * np.minimum(chi_square.cdf(scaled), chi_square.sf(scaled))
            ),
            "skewness": bonferroni(scipy.stats.skewtest(z).pvalue),
            "kurtosis": bonferroni([heavy_tails.pvalue, light_tails_p_value(z)]),
            "covariance": bonferroni(covariances),
        }
        return NormalityTests(
            num_samples=count,
            mean=mean,
            std=np.sqrt(variance),
            skewness=scipy.stats.skew(z),
            kurtosis=scipy.stats.kurtosis(z, fisher=False),
            p_values=p_values,
            p_value=bonferroni(list(p_values.values())),
        )


def light_tails_p_value(samples: np.ndarray) -> np.ndarray:
    """P-value of each dimension's tails, small if they are lighter than a normal's.

    The statistic is a, the mean absolute deviation over the root mean square deviation
    (Geary 1935): 0.798 for a normal distribution, more for lighter tails. It is
    independent of its denominator, so its moments are ratios of the moments of both:
    for N draws of N(0, 1) the mean absolute deviation has the mean
    sqrt(2 (N - 1) / (pi N)) and the variance of Godwin (1945).

    The distribution of a is approximated by a normal one. The true distribution falls
    off more quickly on this side, so the error is towards a large p-value. The kurtosis
    itself is no alternative: in this tail, the approximation of Anscombe and Glynn
    gives p-values of 1e-4 that are five times too small at N = 64.

    Args:
      samples: f64[N, Z].

    Returns:
      f64[Z], the probability of as large an a.
    """
    n = len(samples)
    deviations = np.abs(samples - samples.mean(axis=0)).mean(axis=0)
    ratio = deviations / samples.std(axis=0)
    absolute = np.sqrt(2 * (n - 1) / (np.pi * n))
    variance_of_absolute = (
        2
        * (n - 1)
        / (np.pi * n**2)
        * (np.pi / 2 + np.sqrt(n * (n - 2)) - n + np.arcsin(1 / (n - 1)))
    )
    # E a^k is E d^k / E s^k; s^2 is chi-square with N - 1 degrees of freedom, over N.
    log_gammas = scipy.special.gammaln(n / 2) - scipy.special.gammaln((n - 1) / 2)
    mean = absolute / (np.sqrt(2 / n) * np.exp(log_gammas))
    square = (variance_of_absolute + absolute**2) * n / (n - 1)
    return scipy.stats.norm.sf((ratio - mean) / np.sqrt(square - mean**2))


def sum_of_squares_p_value(samples: np.ndarray) -> float:
    """P-value of the summed squares of all covariances under N(0, I), one-sided.

    With S = z'z / N, the sum of S_ij^2 over i < j has the mean Z (Z - 1) / (2 N) and
    the variance Z (Z - 1) (N + 2 Z - 1) / N^3. They follow from the moments of a
    Wishart matrix W = N S: E W_ij^2 = N and E W_ij^4 = 3 N (N + 2); squares that share
    an index have the covariance 2 N, others 0. The distribution of the sum is
    approximated by a multiple of chi-square with this mean and variance. This is nearly
    exact for two dimensions, and tends to a normal distribution as their number grows.
    See Ledoit and Wolf (2002) for such tests if Z is not small compared with N.

    Args:
      samples: f64[N, Z].

    Returns:
      The probability of as large a sum.
    """
    count, size = samples.shape
    covariance = _gram(samples) / count
    statistic = np.square(np.triu(covariance, 1)).sum()
    pairs = size * (size - 1)
    mean = pairs / (2 * count)
    variance = pairs * (count + 2 * size - 1) / count**3
    scale = variance / (2 * mean)
    return float(scipy.stats.chi2.sf(statistic / scale, mean / scale))


def cosine_p_value(cosine: np.ndarray, size: int) -> np.ndarray:
    """Probability that the cosine between two random directions exceeds `cosine`.

    The direction of a draw of N(0, I) is uniform on the sphere. The cap within
    arccos(c) of another direction is the share I_{1 - c^2}((Z - 1) / 2, 1 / 2) / 2 of
    the sphere for c above 0, with the regularised incomplete beta function I (Li 2011).

    Args:
      cosine: f[...], outside [-1, 1] only by rounding errors.
      size: number of dimensions Z, at least 2.

    Returns:
      f64[...].
    """
    c = np.clip(np.asarray(cosine, np.float64), -1, 1)
    cap = scipy.special.betainc((size - 1) / 2, 0.5, 1 - c**2) / 2
    return np.where(c < 0, 1 - cap, cap)


def bonferroni(p_values: np.ndarray) -> float:
    """Returns the p-value of the smallest of `p_values`; 0 where one is NaN."""
    p = np.asarray(p_values, np.float64)
    return float(np.nan_to_num(np.minimum(p.size * p.min(), 1)))


def independent_spacing(series: np.ndarray) -> int:
    """Returns how many steps apart states of one lamp are nearly independent.

    The smallest L such that, at all lags from L to T / 4, the autocorrelations of the
    values and of the squared norm are both below 0.05 in magnitude. If the series is so
    short that their standard error (Bartlett 1946) is above 0.01, the limit is five
    standard errors instead, and L is increased by the lags that an exponential takes to
    fall from this limit to 0.05. L is at most T / 8, so that the autocorrelations have
    been observed for twice that time.

    Args:
      series: f[T, N, Z], latents of N lamps at T moments.

    Returns:
      L in steps.

    Raises:
      ValueError: there is no such L: the series is too short, or its states never
        become independent, as those of a lamp that keeps its norm. (It keeps its norm
        if the variance of the squared norm over time is less than a hundredth of 2 Z,
        the variance under N(0, I).)
    """
    length, _, size = series.shape
    norms = np.square(series, dtype=np.float64).sum(axis=-1, keepdims=True)
    if not norms.var(axis=0).mean() > 0.01 * 2 * size:
        raise ValueError("a lamp keeps its norm: its draws never become independent")
    spacing = max(
        _forgotten_after(autocorrelation(values, length // 4), values.size)
        for values in (series, norms)
    )
    if spacing > length // 8:
        raise ValueError(
            f"a series of {length} steps is too short: independent draws are {spacing}"
            " steps apart"
        )
    return spacing


def _forgotten_after(correlations: np.ndarray, count: int) -> float:
    """Returns L of `independent_spacing` for the autocorrelations of `count` values."""
    # Bartlett's variance of each one, from the autocorrelations at smaller lags.
    variances = (2 * np.cumsum(np.square(correlations)) - 1) / count
    bars = np.maximum(_CORRELATED, _STANDARD_ERRORS * np.sqrt(variances))
    lag = int(np.flatnonzero(np.abs(correlations[1:]) >= bars[:-1]).max(initial=-1)) + 2
    bar = bars[min(lag, len(bars)) - 1]
    if bar >= 1:
        return math.inf  # there are too few values
    return math.ceil(lag * math.log(_CORRELATED) / math.log(bar))


def _largest_cosine_p_value(samples: np.ndarray) -> float:
    """P-value of the largest cosine, in magnitude, between two columns f64[N]."""
    count, size = samples.shape
    directions = samples / np.linalg.norm(samples, axis=0)
    cosines = _gram(directions)[np.triu_indices(size, 1)]
    return bonferroni(2 * cosine_p_value(np.abs(cosines), count))


def _gram(z: np.ndarray) -> np.ndarray:
    """Returns z'z of f64[N, Z] without BLAS, whose threads wait in busy loops."""
    columns = np.ascontiguousarray(z.T)
    return np.einsum("in,jn->ij", columns, columns)
