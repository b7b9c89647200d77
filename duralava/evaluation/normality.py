"""Whether samples are draws of N(0, I), decided by tests whose errors are known."""

import dataclasses
import math

import numpy as np
import scipy.special
import scipy.stats

from duralava.signals.correlation import autocorrelation

_MIN_SAMPLES = 20  # the approximation of the kurtosis' distribution asks for as many
_CORRELATED = 0.05
_STANDARD_ERRORS = 5


@dataclasses.dataclass(frozen=True)
class NormalityTests:
    """Moments of samples, and how likely N(0, I) is to stray as far.

    Attributes:
      num_samples: number of samples N.
      mean: f64[Z].
      std: f64[Z], of the unbiased variance.
      skewness: f64[Z], 0 for a normal.
      kurtosis: f64[Z], 3 for a normal.
      p_values: of `mean`, `variance`, `skewness`, `kurtosis` and `covariance`, each
        Bonferroni corrected for all tests made of that moment.
      p_value: of them all: the smallest, corrected for their number.
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

    Of each dimension, two-sided:

    - mean: sqrt(N) times it is N(0, 1).
    - variance: N - 1 times it, taken about the mean of the samples so that a shift
      does not count, is chi-square with N - 1 degrees of freedom.
    - skewness: D'Agostino (1970).
    - kurtosis: Anscombe and Glynn (1983) for heavy tails, `light_tails_p_value` for
      light ones. Neither they nor skewness depend on mean or variance.

    Of all dimensions together, one-sided: `sum_of_squares_p_value` for many small
    covariances, and for a single large one the largest cosine between the samples of
    two dimensions, which has the distribution of `cosine_p_value`.

    Args:
      samples: f[N, Z], N at least 20, Z at least 2.

    Returns:
      A p-value that cannot be computed, as of a dimension that does not vary or is
      not finite, is 0: such samples are no draws of N(0, I).

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
    # What is not finite, or is constant, ends as a p-value of 0.
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean, variance = z.mean(axis=0), z.var(axis=0, ddof=1)
        chi_square = scipy.stats.chi2(count - 1)
        scaled = (count - 1) * variance
        heavy_tails = scipy.stats.kurtosistest(z, alternative="greater")
        of_covariance = [sum_of_squares_p_value(z), _largest_cosine_p_value(z)]
        p_values = {
            "mean": bonferroni(2 * scipy.stats.norm.sf(np.sqrt(count) * np.abs(mean))),
            "variance": bonferroni(
                2 * np.minimum(chi_square.cdf(scaled), chi_square.sf(scaled))
            ),
            "skewness": bonferroni(scipy.stats.skewtest(z).pvalue),
            "kurtosis": bonferroni([heavy_tails.pvalue, light_tails_p_value(z)]),
            "covariance": bonferroni(of_covariance),
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
    """P-value of the tails of each dimension against a normal's, small for light ones.

    Mean absolute over root mean square deviation a (Geary 1935): 0.798 for a normal,
    more for lighter tails. It is independent of the latter, so its moments are ratios
    of theirs: for N draws of N(0, 1) the mean absolute deviation has the mean
    sqrt(2 (N - 1) / (pi N)) and the variance of Godwin (1945). Its distribution is
    taken as normal; in truth it falls off more quickly on this side, which errs towards
    a large p-value. Not by the kurtosis itself: in this tail the approximation of
    Anscombe and Glynn gives p-values of 1e-4 that are five times too small at N = 64.

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
    the variance Z (Z - 1) (N + 2 Z - 1) / N^3. They follow from those of a Wishart
    matrix W = N S: E W_ij^2 = N and E W_ij^4 = 3 N (N + 2); squares that share an
    index have the covariance 2 N, others 0. A multiple of chi-square with this mean
    and variance stands for the sum's distribution; it is nearly exact for two
    dimensions, and becomes normal as they grow in number. See Ledoit and Wolf (2002)
    for tests of this kind where Z is not small beside N.

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

    A draw of N(0, I) points anywhere on the sphere with equal chance; the cap within
    arccos(c) of another direction is the share I_{1 - c^2}((Z - 1) / 2, 1 / 2) / 2 of
    it for c above 0, with I the regularised incomplete beta function (Li 2011).

    Args:
      cosine: f[...]; beyond [-1, 1] by rounding at most.
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
    """How many steps apart draws of one lamp may be taken as independent.

    The smallest L such that, at all lags from L to T / 4, the autocorrelations of the
    values and of the squared norm are both below 0.05 in magnitude. Where a short
    series shows them with a larger error (Bartlett 1946), five standard errors take the
    place of 0.05, and L is as much longer as an exponential needs to fall from there to
    0.05. L is T / 8 at most, so that they have been seen to stay there for as long
    again.

    Args:
      series: f[T, N, Z], latents of N lamps at T moments.

    Returns:
      L in steps.

    Raises:
      ValueError: there is no such L: the series is too short, or its draws never
        become independent, as where a lamp keeps its norm. (A squared norm that varies
        along the lamps by less than a hundredth of what N(0, I) has, the variance
        2 Z, is taken as kept.)
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
    # Bartlett's variance of each, from those at smaller lags.
    variances = (2 * np.cumsum(np.square(correlations)) - 1) / count
    bars = np.maximum(_CORRELATED, _STANDARD_ERRORS * np.sqrt(variances))
    lag = int(np.flatnonzero(np.abs(correlations[1:]) >= bars[:-1]).max(initial=-1)) + 2
    bar = bars[min(lag, len(bars)) - 1]
    if bar >= 1:
        return math.inf  # so few values cannot tell
    return math.ceil(lag * math.log(_CORRELATED) / math.log(bar))


def _largest_cosine_p_value(samples: np.ndarray) -> float:
    """P-value of the largest cosine, in magnitude, between two columns f64[N]."""
    count, size = samples.shape
    directions = samples / np.linalg.norm(samples, axis=0)
    cosines = _gram(directions)[np.triu_indices(size, 1)]
    return bonferroni(2 * cosine_p_value(np.abs(cosines), count))


def _gram(z: np.ndarray) -> np.ndarray:
    """Returns z'z of f64[N, Z] without BLAS, whose threads wait in a busy loop."""
    columns = np.ascontiguousarray(z.T)
    return np.einsum("in,jn->ij", columns, columns)
