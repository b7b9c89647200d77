import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from duralava import simulation
from duralava.simulation import lamp

_SMALL = lamp.LampConfig(rows=36, columns=24, warm_up_seconds=1.0)


_ONE_BODY = dataclasses.replace(_SMALL, bodies=(0.08,), surface_tension=2.0)

_flow = jax.jit(lamp.flow, static_argnames="config")
_step = jax.jit(lamp.step, static_argnames="config")


def _states(seed, chunk_size, num_chunks=1):
    chunks = lamp.simulate(seed, config=_SMALL, chunk_size=chunk_size)
    return jax.tree.map(
        lambda *parts: np.concatenate(parts), *itertools.islice(chunks, num_chunks)
    )


def test_wax_keeps_its_volume_and_its_bounds():
    states = _states(seed=0, chunk_size=12, num_chunks=25)
    volumes = states.wax.mean(axis=(2, 3), dtype=np.float64)
    expected = np.broadcast_to(_SMALL.bodies, volumes.shape)
    np.testing.assert_allclose(volumes, expected, rtol=1e-5)
    assert states.wax.min() >= -1e-5
    assert states.wax.max() <= 1 + 1e-5
    assert states.temperature.min() >= 0
    assert states.temperature.max() <= 1
    # Not because it stands still.
    assert np.abs(states.wax[-1] - states.wax[0]).mean() > 0.01


def test_a_seed_is_a_film():
    first, again, other = (_states(seed, chunk_size=12) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.wax, again.wax)
    np.testing.assert_array_equal(first.temperature, again.temperature)
    assert np.abs(first.wax - other.wax).mean() > 0.01


def test_twelve_states_are_three_times_four():
    whole = _states(seed=0, chunk_size=12)
    parts = _states(seed=0, chunk_size=4, num_chunks=3)
    np.testing.assert_allclose(whole.wax, parts.wax, atol=1e-5)


@pytest.mark.parametrize(("temperature", "sign"), [(0.9, 1), (0.1, -1)])
def test_warm_wax_rises_and_cold_wax_sinks(temperature, sign):
    config = _ONE_BODY
    state = lamp.initial_state(jax.random.key(0), config)
    state = state._replace(
        temperature=jnp.full((config.rows, config.columns), temperature)
    )
    height = (np.arange(config.rows) + 0.5)[:, None] / config.rows
    _, v = _flow(state, config)
    inside = 0.5 * (v[1:] + v[:-1]) * state.wax[0]
    assert sign * float(jnp.sum(inside)) > 0
    moved = state
    for _ in range(60):
        moved = _step(moved, config)
    rise = float(jnp.sum((moved.wax - state.wax) * height) / jnp.sum(state.wax))
    assert sign * rise > 0.02


def test_wax_at_the_neutral_temperature_pulls_itself_round():
    config = _ONE_BODY
    x = (jnp.arange(config.columns) + 0.5) * config.cell - 0.5
    y = (jnp.arange(config.rows)[:, None] + 0.5) * config.cell - 0.75
    ellipse = jnp.hypot(x / 1.5, y * 1.5)
    wax = jax.nn.sigmoid((0.195 - ellipse) / config.surface_width)[None]
    state = lamp.LampState(wax, jnp.full((config.rows, config.columns), 0.43))

    def elongation(wax):
        return float(jnp.sum(wax * x**2) / jnp.sum(wax * y**2))

    for _ in range(240):
        state = _step(state, config)
    assert elongation(wax) > 3
    assert 0.8 < elongation(state.wax) < 1.25


def test_film_chunks():
    chunks = simulation.film_chunks(0, 32, config=_SMALL, chunk_size=4)
    first, second = itertools.islice(chunks, 2)
    assert first.shape == second.shape == (4, 32, 32, 3)
    assert first.dtype == np.uint8
    assert (first != second).any()
