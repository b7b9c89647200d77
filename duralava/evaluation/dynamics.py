"""How a series of states moves: whether it returns, and whether it is chaotic."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.spatial

from duralava.lamp import Lamp
from duralava.models.rollout import numbered_step


def recurrence(series: np.ndarray, min_lag: int) -> np.ndarray:
    """How near each lamp comes to one of its earlier states.

    The smallest distance between any state and one at least `min_lag` steps earlier
    (the minimum of a recurrence plot off its diagonal: Eckmann, Kamphorst & Ruelle
    1987), divided by the root mean square distance of two independent states. The
    latter is sqrt(2 tr S) with the covariance S over all moments and lamps.

    Args:
      series: f[T, N, D], T moments of N lamps.
      min_lag: at least 1, below T. Choose it above the correlation time.

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
    lamp: Lamp, latents: jax.Array, key: jax.Array, *, num_steps: int
) -> jax.Array:
    """Largest Lyapunov exponent of the transition, along the rollout of `key`.

    Two rollouts that start very near to each other, with the same noise, separate by a
    factor exp(exponent) in each step. Above zero the motion is chaotic.

    Args:
      lamp: whose transition is measured.
      latents: f32[B, Z] at step 0.
      key: of the rollout.
      num_steps: number of steps that are averaged over, at least 1.

    Returns:
      f32[B], per step.
    """
    # Numbers below `num_steps` are those of the noise of the steps.
    tangents = jax.random.normal(jax.random.fold_in(key, num_steps), latents.shape)
    step = numbered_step(lamp.params["transition"], key, config=lamp.config)
    return largest_exponent(step, latents, tangents, num_steps)


def largest_exponent(
    step: Callable[[jax.Array, jax.Array], jax.Array],
    states: jax.Array,
    tangents: jax.Array,
    num_steps: int,
) -> jax.Array:
    """Largest Lyapunov exponent of any map (Benettin et al. 1980).

    The derivative of the map is applied to a tangent, which is scaled back to length 1
    after each step. The exponent is the mean logarithm of the factors by which the
    tangent was stretched.

    Args:
      step: (states f32[B, D], index i32[]) -> f32[B, D], for each state independently.
      states: f32[B, D] at index 0.
      tangents: f32[B, D], of any length but 0. Their directions have no effect after
        some steps.
      num_steps: at least 1.

    Returns:
      f32[B], per step.
    """

    def scan_step(
        carry: tuple[jax.Array, jax.Array], index: jax.Array
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        states, tangents = carry
        states, tangents = jax.jvp(lambda z: step(z, index), (states,), (tangents,))
        length = jnp.linalg.norm(tangents, axis=-1, keepdims=True)
        return (states, tangents / length), jnp.log(length[:, 0])

    tangents = tangents / jnp.linalg.norm(tangents, axis=-1, keepdims=True)
    _, growth = jax.lax.scan(
        scan_step, (states, tangents), jnp.arange(num_steps, dtype=jnp.int32)
    )
    return growth.mean(axis=0)
