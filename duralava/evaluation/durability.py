"""Rollouts to far horizons in constant memory, monitored for repeated states."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from duralava.evaluation.normality import bonferroni, cosine_p_value
from duralava.lamp import Lamp

_BLOCK = 100  # steps of one call: the latents of 64 lamps fit into a processor's cache
_MAX_STEP = 2**31 - 1


class Monitor(NamedTuple):
    """Observations of N lamps up to some step.

    Each state is compared with an anchor, the state at the largest power of two below
    its step (at step 0 for step 1). A lamp that enters a cycle of any length is
    detected once the anchor is in the cycle and old enough (Brent 1980). Directions are
    compared, because rotations preserve |z|.

    Attributes:
      smallest_step: smallest |z_{t+1} - z_t| / |z_t|, f32[N]; 0 for a frozen lamp.
      anchor: f32[N, Z].
      largest_cosine: between a state and its anchor, at lags of at least `min_lag`
        steps, f32[N].
      lag: at which the cosine was largest, i32[N].
      repeated: whether a state was equal to its anchor, at any lag, bool[N].
      comparisons: number of steps whose cosine was compared, i32[].
    """

    smallest_step: jax.Array
    anchor: jax.Array
    largest_cosine: jax.Array
    lag: jax.Array
    repeated: jax.Array
    comparisons: jax.Array


@dataclasses.dataclass(frozen=True)
class HorizonState:
    """Lamps at a horizon.

    Attributes:
      step: number of steps made.
      latents: f32[window, N, Z], the first at `step`.
      monitor: of all steps up to `step`.
      record: f32[R, Z], states of the first lamp at multiples of `record_every`, from
        the previous horizon (or 0) up to the step before this horizon.
    """

    step: int
    latents: np.ndarray
    monitor: Monitor
    record: np.ndarray


def run_to_horizons(
    lamp: Lamp,
    latents: jax.Array,
    key: jax.Array,
    horizons: Sequence[int],
    *,
    window: int,
    min_lag: int = 1_000,
    record_every: int | None = None,
    on_steps: Callable[[int], Any] = lambda steps: None,
) -> Iterator[HorizonState]:
    """Runs lamps to far horizons, and monitors every step.

    The latents equal those of `Lamp.rollout` bit for bit. Memory does not depend on how
    far the horizons are, except for the record.

    Args:
      lamp: whose transition runs.
      latents: f32[N, Z] at step 0.
      key: of the rollout.
      horizons: numbers of steps, ascending.
      window: number of latents of each lamp at each horizon, at least 1; the last step
        must be below 2^31.
      min_lag: fewest steps between two states whose directions are compared, at least
        1. Choose it above the correlation time: otherwise the largest cosine is that of
        states that are close in time.
      record_every: steps between two states of the record; None for no record.
      on_steps: called with the number of steps made since it was last called.

    Yields:
      The state at each horizon.

    Raises:
      ValueError: horizons do not ascend or are too far, or a number is too small.
    """
    if not horizons or horizons[0] < 0:
        raise ValueError("horizons must be numbers of steps from 0 on")
    if any(b <= a for a, b in itertools.pairwise(horizons)):
        raise ValueError(f"horizons must ascend: {list(horizons)}")
    if min(window, min_lag, 1 if record_every is None else record_every) < 1:
        raise ValueError("window, min_lag and record_every must be at least 1")
    if horizons[-1] + max(window, _BLOCK) > _MAX_STEP:
        raise ValueError(f"a horizon of {horizons[-1]} steps is too far: 2^31 are made")
    return _states_at_horizons(
        lamp, latents, key, horizons, window, min_lag, record_every, on_steps
    )


def init_monitor(latents: jax.Array) -> Monitor:
    """Returns the monitor of lamps f32[N, Z] before their first step."""
    lamps = len(latents)
    return Monitor(
        smallest_step=jnp.full(lamps, jnp.inf),
        anchor=jnp.asarray(latents),
        largest_cosine=jnp.full(lamps, -1.0),
        lag=jnp.zeros(lamps, jnp.int32),
        repeated=jnp.zeros(lamps, bool),
        comparisons=jnp.zeros((), jnp.int32),
    )


def observe(
    monitor: Monitor,
    states: jax.Array,
    start: jax.Array,
    count: jax.Array,
    *,
    min_lag: int,
) -> Monitor:
    """Returns the monitor after some more steps.

    Args:
      monitor: of all steps up to `start`.
      states: f32[T + 1, N, Z], the first at step `start`.
      start: i32[].
      count: number of steps to add, i32[] from 1 to T.
      min_lag: as of `run_to_horizons`.

    Returns:
      The monitor of all steps up to `start + count`.
    """
    index = jnp.arange(1, len(states), dtype=jnp.int32)
    seen = (index <= count)[:, None]
    before, after = states[:-1], states[1:]
    change = after - before
    relative_step = jnp.sqrt(_dot(change, change) / _dot(before, before))
    relative_step = jnp.where(seen, relative_step, jnp.inf).min(axis=0)

    def state_at(steps: jax.Array) -> jax.Array:
        new = (steps >= start)[..., None, None]
        return jnp.where(new, states[jnp.maximum(steps - start, 0)], monitor.anchor)

    anchor_step = _anchor_step(start + index)
    anchor = state_at(anchor_step)
    lag = start + index - anchor_step
    compared = seen & (lag >= min_lag)[:, None]
    cosine = _dot(after, anchor) * jax.lax.rsqrt(
        _dot(after, after) * _dot(anchor, anchor)
    )
    cosine = jnp.where(compared, cosine, -1.0)
    largest = jnp.argmax(cosine, axis=0)
    largest_cosine = jnp.take_along_axis(cosine, largest[None], axis=0)[0]
    larger = largest_cosine > monitor.largest_cosine
    return Monitor(
        smallest_step=jnp.minimum(monitor.smallest_step, relative_step),
        anchor=state_at(_anchor_step(start + count + 1)),
        largest_cosine=jnp.maximum(monitor.largest_cosine, largest_cosine),
        lag=jnp.where(larger, lag[largest], monitor.lag),
        repeated=monitor.repeated | ((after == anchor).all(axis=-1) & seen).any(axis=0),
        comparisons=monitor.comparisons + compared.sum(dtype=jnp.int32),
    )


def p_value(monitor: Monitor) -> float:
    """Probability that lamps that never repeat come as near to an anchor as these.

    The directions of independent draws of N(0, I) are uniform on the sphere. With the
    probability P of `cosine_p_value`, the largest of n cosines is exceeded with
    probability 1 - (1 - P)^n. States that are close in time are similar, so fewer than
    n are independent and the error is towards a large p-value. The result is Bonferroni
    corrected for the number of lamps.

    Returns:
      0 for lamps that froze or became periodic, once they were compared, and for a lamp
      that is not finite or came to the origin. 1 if nothing was compared.
    """
    comparisons = int(monitor.comparisons)
    if comparisons == 0:
        return 1.0
    tail = cosine_p_value(monitor.largest_cosine, monitor.anchor.shape[-1])
    return bonferroni(-np.expm1(comparisons * np.log1p(-tail)))


def _states_at_horizons(
    lamp: Lamp,
    latents: jax.Array,
    key: jax.Array,
    horizons: Sequence[int],
    window: int,
    min_lag: int,
    record_every: int | None,
    on_steps: Callable[[int], Any],
) -> Iterator[HorizonState]:
    monitor = init_monitor(latents)
    step = 0
    for horizon in horizons:
        record = [np.zeros((0, latents.shape[-1]), np.float32)]
        while step < horizon:
            count = min(_BLOCK, horizon - step)
            latents, monitor, first_lamp = _run_block(
                lamp, latents, monitor, key, step, count, min_lag=min_lag
            )
            # The copy waits for the block, so that at most one block is queued.
            states = np.asarray(first_lamp)
            if record_every is not None:
                record.append(states[-step % record_every : count : record_every])
            step += count
            on_steps(count)
        _, trajectory = lamp.rollout(latents, key, step, num_steps=window)
        yield HorizonState(
            step, np.asarray(trajectory), monitor, np.concatenate(record)
        )


@functools.partial(jax.jit, static_argnames="min_lag")
def _run_block(
    lamp: Lamp,
    latents: jax.Array,
    monitor: Monitor,
    key: jax.Array,
    start: jax.Array,
    count: jax.Array,
    *,
    min_lag: int,
) -> tuple[jax.Array, Monitor, jax.Array]:
    """Returns latents f32[N, Z] after `count` steps, monitor, and f32[T, Z] of a lamp.

    The program is the same for any `count`: it ignores the steps beyond.
    """
    final, trajectory = lamp.rollout(latents, key, start, num_steps=_BLOCK)
    states = jnp.concatenate([trajectory, final[None]])
    monitor = observe(monitor, states, start, count, min_lag=min_lag)
    return states[count], monitor, trajectory[:, 0]


def _anchor_step(step: jax.Array) -> jax.Array:
    """Largest power of two below each step i32[...] from 1 on; 0 below step 1."""
    below = step - 1
    return jnp.where(below > 0, 1 << (31 - jax.lax.clz(jnp.maximum(below, 1))), 0)


def _dot(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.sum(x * y, axis=-1)
