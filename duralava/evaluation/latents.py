"""Tests of a lamp's latents: their distribution, repetitions, memory and chaos."""

import dataclasses

import numpy as np

from duralava.evaluation import durability, dynamics, normality
from duralava.evaluation.distances import Untested
from duralava.lamp import Lamp
from duralava.signals.correlation import autocorrelation, correlation_time

_NUM_LAMPS, _NUM_STEPS = 64, 2_000  # of the rollout that memory and chaos are seen in


@dataclasses.dataclass(frozen=True)
class HorizonTests:
    """Tests of all lamps at a horizon; a small p-value means that something is wrong.

    Attributes:
      normality: whether the latents are draws of N(0, I).
      smallest_step: smallest |z_{t+1} - z_t| / |z_t| up to the horizon; 0 if a lamp
        froze.
      repeated: number of lamps that came back to exactly an earlier state.
      largest_cosine: between a state and an earlier one of the same lamp.
      period_p_value: `durability.p_value` of that cosine.
    """

    normality: normality.NormalityTests
    smallest_step: float
    repeated: int
    largest_cosine: float
    period_p_value: float


@dataclasses.dataclass(frozen=True)
class OneLampTests:
    """Tests of one lamp over time.

    Attributes:
      spacing: number of steps between the states that are tested.
      normality: whether they are draws of N(0, I).
    """

    spacing: int
    normality: normality.NormalityTests


@dataclasses.dataclass(frozen=True)
class LatentMotion:
    """How the latents move.

    Attributes:
      correlation_seconds: integrated correlation time; infinite if it is too long to
        be measured.
      lyapunov_per_second: largest Lyapunov exponent, mean over lamps.
    """

    correlation_seconds: float
    lyapunov_per_second: float


@dataclasses.dataclass(frozen=True)
class Durability:
    """All tests of a lamp's latents.

    Attributes:
      horizons: by name, `20 steps`, ...
      one_lamp: over time, up to the last horizon.
      motion: of the latents.
    """

    horizons: dict[str, HorizonTests]
    one_lamp: OneLampTests | Untested
    motion: LatentMotion


def horizon_tests(state: durability.HorizonState) -> HorizonTests:
    """Tests lamps at a horizon."""
    monitor = state.monitor
    return HorizonTests(
        normality=normality.normality_tests(state.latents[0]),
        smallest_step=float(monitor.smallest_step.min()),
        repeated=int(monitor.repeated.sum()),
        largest_cosine=float(monitor.largest_cosine.max()),
        period_p_value=durability.p_value(monitor),
    )


def one_lamp_tests(record: np.ndarray) -> OneLampTests | Untested:
    """Tests states f32[R, Z] of one lamp over time, those that are independent."""
    try:
        spacing = normality.independent_spacing(record[:, None])
        tests = normality.normality_tests(record[::spacing])
    except ValueError as reason:
        return Untested(str(reason))
    return OneLampTests(spacing, tests)


def latent_motion(lamp: Lamp, seed: int) -> LatentMotion:
    """Measures the memory and the chaos of a lamp's latents."""
    start = lamp.start(seed, count=_NUM_LAMPS)
    exponents = dynamics.lyapunov_exponent(
        lamp, start.latents, start.key, num_steps=_NUM_STEPS
    )
    _, trajectory = lamp.rollout(start.latents, start.key, num_steps=_NUM_STEPS)
    seconds = 1 / lamp.steps_per_second
    try:
        correlations = autocorrelation(np.asarray(trajectory), _NUM_STEPS // 2)
        memory = seconds * correlation_time(correlations)
    except ValueError:  # it is too long for so many steps
        memory = float("inf")
    return LatentMotion(memory, float(exponents.mean()) / seconds)
