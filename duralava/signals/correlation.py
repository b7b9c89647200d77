"""Autocorrelation of a series, and how long the series remembers."""

import numpy as np
import scipy.fft

# Values whose series are transformed at once. An hour of film then needs little memory.
_BLOCK = 256

# Sokal's constant: the window is this many correlation times long.
_WINDOW = 5.0


def autocorrelation(series: np.ndarray, max_lag: int) -> np.ndarray:
    """Returns the autocorrelation of films at lags of 0 to `max_lag` steps.

    The mean of each value, over all moments and films, is subtracted. The products of
    deviations that are k steps apart are averaged over the T - k pairs of moments of
    each film (so that a periodic film does not fade), over films and over values. The
    result is divided by its value at lag 0. A film that rests away from the mean is
    therefore correlated at all lags.

    Args:
      series: f[T, N, D], T moments of N films of D values each.
      max_lag: below T.

    Returns:
      f64[max_lag + 1], 1 at lag 0.

    Raises:
      ValueError: the series is too short for `max_lag`, does not vary, or is not
        finite.
    """
    length, films, size = series.shape
    if not 0 <= max_lag < length:
        raise ValueError(f"a series of {length} steps has no lag of {max_lag}")
    # The transform treats a series as periodic: zeros keep the ends apart.
    padded = scipy.fft.next_fast_len(length + max_lag, real=True)
    power = np.zeros(padded // 2 + 1)
    block = max(1, _BLOCK // films)
    for start in range(0, size, block):
        part = series[:, :, start : start + block].T.astype(np.float64)
        part -= part.mean(axis=(1, 2), keepdims=True)
        power += (np.abs(scipy.fft.rfft(part, padded)) ** 2).sum(axis=(0, 1))
    covariance = scipy.fft.irfft(power, padded)[: max_lag + 1]
    covariance /= length - np.arange(max_lag + 1)
    if not covariance[0] > 0:
        raise ValueError("the series does not vary, or is not finite")
    return covariance / covariance[0]


def correlation_time(correlations: np.ndarray) -> float:
    """Returns the integrated correlation time t, in steps.

    A series of T steps holds T / t independent samples. t is
    `1 + 2 (r_1 + ... + r_M)` with the smallest M that is at least 5 t: a longer window
    would add noise, a shorter one would leave out correlation (Sokal 1997, "Monte Carlo
    methods in statistical mechanics", section 3).

    Args:
      correlations: f[K + 1] of `autocorrelation`.

    Returns:
      Steps; 1 for samples that are independent of each other.

    Raises:
      ValueError: no M up to K is large enough.
    """
    times = 2 * np.cumsum(correlations) - 1
    enough = np.arange(len(times)) >= _WINDOW * times
    enough[0] = False
    if not enough.any():
        raise ValueError(
            f"correlations up to lag {len(times) - 1} are too few for the correlation"
            " time"
        )
    return float(times[np.argmax(enough)])


def fall_and_peak(correlations: np.ndarray, level: float) -> tuple[float, float]:
    """Returns the first lag below `level`, and the largest correlation from there on.

    Infinity and 1 if the correlations f[K + 1] never fall below `level`: a film that
    does not forget is no better than a periodic film.
    """
    below = np.flatnonzero(correlations < level)
    if not below.size:
        return np.inf, 1.0
    return float(below[0]), float(correlations[below[0] :].max())
