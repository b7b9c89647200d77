import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import tiny

from duralava import models
from duralava.evaluation import durability
from duralava.evaluation.durability import (
    init_monitor,
    observe,
    p_value,
    run_to_horizons,
)
from duralava.lamp import Lamp

ROTATION, REFRESHED = tiny.model(), tiny.model(refresh=0.2)
KEY = jax.random.key(3)

observe_block = jax.jit(observe, static_argnames="min_lag")


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def random_lamp(config):
    """A lamp without a generator, whose transition has random parameters."""
    init = functools.partial(models.init_transition, config=config)
    shapes = jax.eval_shape(init, jax.random.key(0))
    random = np.random.default_rng(1)
    transition = jax.tree.map(
        lambda leaf: random.normal(size=leaf.shape).astype(leaf.dtype), shapes
    )
    return Lamp({"transition": transition}, config, steps_per_second=5.0)


def last_horizon(lamp, horizons, lamps=3, **options):
    latents = jnp.asarray(normal(0, lamps, lamp.config.latent_size))
    options = {"window": 1, "min_lag": 100} | options
    return list(run_to_horizons(lamp, latents, KEY, horizons, **options))[-1]


def monitor_of(states, start=0, min_lag=1, block=None, monitor=None):
    """The monitor of f32[T + 1, N, Z], observed in blocks of equal length."""
    block = block or len(states) - 1
    if monitor is None:
        monitor = init_monitor(states[0])
    for first in range(0, len(states) - 1, block):
        part = states[first : first + block + 1]
        count = len(part) - 1
        filler = np.full((block - count, *states.shape[1:]), 7.0, np.float32)
        padded = np.concatenate([part, filler])
        monitor = observe_block(monitor, padded, start + first, count, min_lag=min_lag)
    return monitor


def brent(states, min_lag):
    """The monitor of one lamp f64[T + 1, Z] from step 0, by a loop."""
    power, anchor, anchor_step = 1, states[0], 0
    smallest_step, largest, lag, comparisons = np.inf, -1.0, 0, 0
    for step in range(1, len(states)):
        z, before = states[step], states[step - 1]
        change = np.linalg.norm(z - before) / np.linalg.norm(before)
        smallest_step = min(smallest_step, change)
        if step - anchor_step >= min_lag:
            comparisons += 1
            cosine = z @ anchor / (np.linalg.norm(z) * np.linalg.norm(anchor))
            if cosine > largest:
                largest, lag = cosine, step - anchor_step
        if step == power:
            power, anchor, anchor_step = 2 * power, z, step
    return smallest_step, anchor, largest, lag, comparisons


@pytest.mark.parametrize("min_lag", [1, 5])
@pytest.mark.parametrize("block", [1, 7, 32, 100])
def test_the_monitor_equals_brents_loop_for_any_block_length(block, min_lag):
    states = normal(0, 101, 3, 4)
    monitor = monitor_of(states, min_lag=min_lag, block=block)
    for lamp in range(3):
        smallest_step, anchor, largest, lag, comparisons = brent(
            states[:, lamp].astype(np.float64), min_lag
        )
        np.testing.assert_allclose(monitor.smallest_step[lamp], smallest_step, 1e-5)
        np.testing.assert_allclose(monitor.anchor[lamp], anchor)
        np.testing.assert_allclose(monitor.largest_cosine[lamp], largest, 1e-5)
        assert monitor.lag[lamp] == lag
        assert monitor.comparisons == comparisons
    assert not np.any(monitor.repeated)


def test_steps_are_counted_exactly_beyond_the_range_of_float32():
    # float32 represents all integers up to 2^24 only. The anchor is renewed at 2^30,
    # and the state 3 steps later equals it.
    states = normal(0, 9, 1, 4)
    states[7] = states[4]
    monitor = monitor_of(states, start=2**30 - 4)
    np.testing.assert_array_equal(monitor.anchor, states[4])
    assert monitor.lag[0] == 3 and monitor.repeated[0]
    # Before that the anchor is the state at 2^29: only the last lag is long enough.
    monitor = monitor_of(states[:5], start=2**30 - 4, min_lag=2**29)
    np.testing.assert_array_equal(monitor.anchor, states[4])
    assert monitor.comparisons == 1 and monitor.lag[0] == 2**29


def test_p_values_of_independent_draws_are_uniform():
    states = normal(0, 129, 600, 6)
    monitor = monitor_of(states, min_lag=3)
    p_values = [
        p_value(
            monitor._replace(largest_cosine=monitor.largest_cosine[lamp : lamp + 1])
        )
        for lamp in range(600)
    ]
    assert scipy.stats.kstest(p_values, "uniform").pvalue > 0.001
    together = p_value(monitor)
    assert together == pytest.approx(min(1, 600 * min(p_values)), rel=1e-6)


def test_a_small_p_value_keeps_its_digits():
    # In three dimensions a cap is the share (1 - c) / 2 of the sphere (Archimedes).
    monitor = init_monitor(normal(0, 1, 3))._replace(
        largest_cosine=np.float32([1 - 2**-20]), comparisons=1000
    )
    assert p_value(monitor) == pytest.approx(1000 * 2**-21, rel=1e-3)
    assert p_value(monitor._replace(comparisons=0)) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_lamp_that_diverges_or_vanishes_is_detected(value):
    states = normal(0, 41, 3, 6)
    states[20:, 1] = value
    assert p_value(monitor_of(states, block=8)) == 0


@pytest.mark.parametrize(
    ("period", "repeats"), [(1, True), (7, True), (50, True), (7, False)]
)
def test_a_cycle_that_begins_late_is_detected(period, repeats):
    states = normal(0, 401, 2, 16)
    index = np.arange(150, 401)
    states[150:, 1] = states[150 + (index - 150) % period, 1]
    if not repeats:
        states[150:] += 1e-3 * normal(1, 251, 2, 16)
    monitor = monitor_of(states, min_lag=60, block=64)
    assert p_value(monitor) < 1e-6
    assert monitor.lag[1] % period == 0 and monitor.lag[1] >= 60
    np.testing.assert_array_equal(monitor.repeated, [False, repeats])
    # The other lamp has no cycle.
    other = monitor._replace(largest_cosine=monitor.largest_cosine[:1])
    assert p_value(other) > 0.01
    assert (monitor.smallest_step[1] == 0) == (period == 1)


def test_a_frozen_transition_is_detected():
    still = jax.tree.map(jnp.zeros_like, random_lamp(ROTATION))
    monitor = last_horizon(still, [700]).monitor
    np.testing.assert_array_equal(monitor.smallest_step, 0)
    assert np.all(monitor.repeated)
    assert p_value(monitor) == 0


def test_a_transition_of_period_seven_is_detected():
    lamp = jax.tree.map(jnp.zeros_like, random_lamp(ROTATION))
    angle = 2 * np.pi / 7
    # Only the bias of the last layer is left of the angles, before their tanh.
    last = lamp.params["transition"]["turn"]["Dense_2"]
    last["bias"] = jnp.full_like(last["bias"], np.arctanh(angle))
    state = last_horizon(lamp, [7, 700], window=8)
    monitor = state.monitor
    np.testing.assert_allclose(state.latents[7], state.latents[0], atol=1e-3)
    # A chord of the circle.
    np.testing.assert_allclose(monitor.smallest_step, 2 * np.sin(angle / 2), 1e-3)
    assert np.all(monitor.lag % 7 == 0) and np.all(monitor.lag >= 100)
    assert p_value(monitor) < 1e-6


@pytest.mark.parametrize("config", [ROTATION, REFRESHED], ids=["rotation", "refreshed"])
def test_a_sound_transition_passes(config):
    # Not one layer: it would preserve the radius of each pair.
    config = dataclasses.replace(config, transition_layers=2)
    monitor = last_horizon(random_lamp(config), [5000]).monitor
    assert p_value(monitor) > 0.01
    assert not np.any(monitor.repeated)
    assert np.all(monitor.smallest_step > 0.01)
    # Windows between powers of two, without the first 99 lags of each.
    expected = sum(
        max(0, min(2 * anchor, 5000) - anchor - 99)
        for anchor in (64, 128, 256, 512, 1024, 2048, 4096)
    )
    assert monitor.comparisons == expected


@pytest.mark.parametrize("config", [ROTATION, REFRESHED], ids=["rotation", "refreshed"])
def test_states_at_horizons_equal_the_rollout_bit_for_bit(config):
    lamp, latents = random_lamp(config), jnp.asarray(normal(0, 3, 8))
    _, whole = lamp.rollout(latents, KEY, num_steps=1240)
    steps = []
    states = list(
        run_to_horizons(
            lamp,
            latents,
            KEY,
            [0, 3, 500, 1234],
            window=6,
            record_every=70,
            on_steps=steps.append,
        )
    )
    assert [state.step for state in states] == [0, 3, 500, 1234]
    assert sum(steps) == 1234
    for state in states:
        np.testing.assert_array_equal(
            state.latents, whole[state.step : state.step + 6], strict=True
        )
    record = np.concatenate([state.record for state in states])
    np.testing.assert_array_equal(record, whole[:1234:70, 0], strict=True)


def test_the_monitor_observes_the_rollout():
    lamp, latents = random_lamp(REFRESHED), jnp.asarray(normal(0, 3, 8))
    _, whole = lamp.rollout(latents, KEY, num_steps=1001)
    expected = monitor_of(np.asarray(whole), min_lag=100)
    monitor = last_horizon(lamp, [3, 1000]).monitor
    for got, wanted in zip(monitor, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("horizons", "options", "message"),
    [
        ([], {}, "from 0 on"),
        ([-1, 5], {}, "from 0 on"),
        ([5, 5], {}, "must ascend"),
        ([2**31 - 100], {}, "too far"),
        ([5], {"window": 0}, "at least 1"),
        ([5], {"min_lag": 0}, "at least 1"),
        ([5], {"record_every": 0}, "at least 1"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(horizons, options, message):
    with pytest.raises(ValueError, match=message):
        run_to_horizons(
            random_lamp(ROTATION),
            jnp.zeros((1, 8)),
            KEY,
            horizons,
            **({"window": 1} | options),
        )


def test_noise_without_effect_is_not_drawn():
    latents = jnp.zeros((3, 8))

    def operations(config):
        lamp, monitor = random_lamp(config), init_monitor(latents)
        lowered = durability._run_block.lower(
            lamp, latents, monitor, KEY, 0, 5, min_lag=1
        )
        return lowered.compile().as_text()

    assert " xor(" in operations(REFRESHED)
    assert " xor(" not in operations(ROTATION)
