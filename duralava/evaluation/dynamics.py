"""How a series of states moves: its memory, its returns, whether neighbours part."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft
import scipy.spatial

from duralava.config import ModelConfig
from duralava.models.rollout import numbered_step

# Sokal's constant: a window of so many correlation times.
_WINDOW = 5.0


def autocorrelation(series: np.ndarray, max_lag: int) -> np.ndarray:
    """Correlation of a series with itself, for lags of 0 to `max_lag` steps.

    Deviations are from each dimension's mean over all moments and lamps. The product
    of two deviations that are k steps apart is averaged over the T - k pairs of each
    lamp, over lamps and over dimensions, and divided by what it is at lag 0. A lamp
    that rests away from the mean is therefore correlated at all lags.

    Args:
      series: f[T, N, D], T moments of N lamps.
      max_lag: below T.

    Returns:
      f64[max_lag + 1], 1 at lag 0.

    Raises:
      ValueError: the series is too short for `max_lag`, does not vary, or is not
        finite.
    """
    length, lamps, _ = series.shape
    if not 0 <= max_lag < length:
        raise ValueError(f"a series of {length} steps has no lag of {max_lag}")
    mean = series.mean(axis=(0, 1), dtype=np.float64)
    # Padded, as the transform takes a series for periodic.
    padded = scipy.fft.next_fast_len(length + max_lag, real=True)
    total = np.zeros(max_lag + 1)
    for lamp in range(lamps):
        spectrum = scipy.fft.rfft(series[:, lamp] - mean, padded, axis=0)
        power = np.square(np.abs(spectrum)).sum(axis=1)
        total += scipy.fft.irfft(power, padded)[: max_lag + 1]
    covariance = total / (length - np.arange(max_lag + 1))
    if not covariance[0] > 0:
        raise ValueError("the series does not vary, or is not finite")
    return covariance / covariance[0]


def correlation_time(correlations: np.ndarray) -> float:
    """Integrated correlation time: T / it is the number of independent draws in T.

    `1 + 2 (r_1 + ... + r_M)` with the smallest M that is at least 5 times the result:
    a longer window would add noise, a shorter one leaves correlation out (Sokal 1997,
    "Monte Carlo methods in statistical mechanics", section 3).

    Args:
      correlations: f[K + 1] of `autocorrelation`.

    Returns:
      Steps; 1 for draws that are independent of each other.

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


def recurrence(series: np.ndarray, min_lag: int) -> np.ndarray:
    """How near each lamp comes to a state that it has been in before.

    The smallest distance of any state to one at least `min_lag` steps earlier (the
    least of a recurrence plot off its diagonal: Eckmann, Kamphorst & Ruelle 1987), over
    the root mean square distance of two independent states. That is sqrt(2 tr S) with
    the covariance S over all moments and lamps.

    Args:
      series: f[T, N, D], T moments of N lamps.
      min_lag: at least 1, below T. Take more than a lamp needs to forget where it was.

    Returns:
      f64[N]: 0 for a lamp that is frozen, or periodic with some period below T.

    Raises:
      ValueError: the series is too short for `min_lag`.
    """
    length = len(series)
    if not 1 <= min_lag < length:
        raise ValueError(f"a series of {length} steps has no states {min_lag} apart")
    pairs = np.tril_indices(length, -min_lag)
    lamps = np.asarray(series, np.float64).swapaxes(0, 1)
    nearest = np.array(
        [scipy.spatial.distance.cdist(lamp, lamp)[pairs].min() for lamp in lamps]
    )
    spread = np.sqrt(2 * lamps.var(axis=(0, 1)).sum())
    return nearest / spread if spread > 0 else nearest


def lyapunov_exponent(
    params: Any,
    latents: jax.Array,
    key: jax.Array,
    *,
    num_steps: int,
    config: ModelConfig,
) -> jax.Array:
    """Largest Lyapunov exponent of the transition, along the rollout of `key`.

    How fast two lamps that start a hair apart, and get the same noise, part: by a
    factor exp(exponent) a step. Above zero the motion is chaotic.

    Args:
      params: of `init_transition`.
      latents: f32[B, Z] at step 0.
      key: of the rollout.
      num_steps: over which it is averaged, at least 1.
      config: shape of the network.

    Returns:
      f32[B], per step.
    """
    # The noise of steps below `num_steps` has the other numbers.
    tangents = jax.random.normal(jax.random.fold_in(key, num_steps), latents.shape)
    step = numbered_step(params, key, config=config)
    return largest_exponent(step, latents, tangents, num_steps)


def largest_exponent(
    step: Callable[[jax.Array, jax.Array], jax.Array],
    states: jax.Array,
    tangents: jax.Array,
    num_steps: int,
) -> jax.Array:
    """Largest Lyapunov exponent of any map (Benettin et al. 1980).

    A tangent is carried along by the map's derivative and brought back to length 1
    after each step; the exponent is the mean logarithm of what it was stretched by.

    Args:
      step: (states f32[B, D], index i32[]) -> f32[B, D], each state by itself.
      states: f32[B, D] at index 0.
      tangents: f32[B, D], of any length but 0; where they point is soon forgotten.
      num_steps: at least 1.

    Returns:
      f32[B], per step.
    """

    def advance(
        carry: tuple[jax.Array, jax.Array], index: jax.Array
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        states, tangents = carry
        states, tangents = jax.jvp(lambda z: step(z, index), (states,), (tangents,))
        length = jnp.linalg.norm(tangents, axis=-1, keepdims=True)
        return (states, tangents / length), jnp.log(length[:, 0])

    tangents = tangents / jnp.linalg.norm(tangents, axis=-1, keepdims=True)
    _, growth = jax.lax.scan(
        advance, (states, tangents), jnp.arange(num_steps, dtype=jnp.int32)
    )
    return growth.mean(axis=0)
