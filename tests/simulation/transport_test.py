import jax
import jax.numpy as jnp
import numpy as np
import pytest

from duralava.simulation import stokes, transport

_ROWS, _COLUMNS, _CELL = 48, 32, 1 / 32
_WIDTH = _CELL

_advect = jax.jit(transport.advect)
_sharpen = jax.jit(transport.sharpen)


def _disc(x, y, radius):
    column = (jnp.arange(_COLUMNS) + 0.5) * _CELL
    row = (jnp.arange(_ROWS)[:, None] + 0.5) * _CELL
    distance = radius - jnp.hypot(column - x, row - y)
    return jax.nn.sigmoid(distance / _WIDTH)


def _centre(wax):
    row, column = np.indices(wax.shape) + 0.5
    mass = np.asarray(wax, np.float64)
    return (column * mass).sum() * _CELL / mass.sum(), (
        row * mass
    ).sum() * _CELL / mass.sum()


def _closed_flow(fastest):
    """A random flow without divergence inside closed walls."""
    source = jax.random.normal(jax.random.key(1), (_ROWS - 1, _COLUMNS - 1))
    u, v = stokes.velocity(stokes.stream_function(source, _CELL), _CELL)
    scale = fastest / jnp.maximum(jnp.max(jnp.abs(u)), jnp.max(jnp.abs(v)))
    return scale * u, scale * v


def _total(field):
    return np.asarray(field, np.float64).sum()


@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1), (0.7, -0.7)])
def test_advection_transports_a_blob(direction):
    start = _disc(0.5, 0.75, 0.15)
    u = jnp.full((_ROWS, _COLUMNS + 1), direction[0]).at[:, 0].set(0).at[:, -1].set(0)
    v = jnp.full((_ROWS + 1, _COLUMNS), direction[1]).at[0].set(0).at[-1].set(0)
    num_steps, time_step = 20, 0.3 * _CELL
    wax = start
    for _ in range(num_steps):
        wax = _advect(wax, u, v, time_step, _CELL)
    moved = num_steps * time_step
    x, y = _centre(wax)
    np.testing.assert_allclose(x, 0.5 + direction[0] * moved, atol=0.1 * _CELL)
    np.testing.assert_allclose(y, 0.75 + direction[1] * moved, atol=0.1 * _CELL)
    expected = _disc(0.5 + direction[0] * moved, 0.75 + direction[1] * moved, 0.15)
    assert float(jnp.mean(jnp.abs(wax - expected))) < 0.01
    assert float(jnp.mean(jnp.abs(wax - start))) > 0.03


def test_advection_keeps_the_sum_the_bounds_and_constants():
    u, v = _closed_flow(fastest=1.0)
    start = _disc(0.4, 0.5, 0.2)
    wax, constant = start, jnp.full_like(start, 0.7)
    for _ in range(100):
        wax = _advect(wax, u, v, 0.4 * _CELL, _CELL)
        constant = _advect(constant, u, v, 0.4 * _CELL, _CELL)
    assert float(jnp.mean(jnp.abs(wax - start))) > 0.05
    np.testing.assert_allclose(_total(wax), _total(start), rtol=1e-6)
    assert float(jnp.min(wax)) > -1e-3
    assert float(jnp.max(wax)) < 1 + 1e-3
    np.testing.assert_allclose(constant, 0.7, atol=1e-4)


def test_sharpening_restores_a_smeared_surface_and_keeps_the_sum():
    sharp = _disc(0.5, 0.75, 0.25)
    column = (jnp.arange(_COLUMNS) + 0.5) * _CELL
    row = (jnp.arange(_ROWS)[:, None] + 0.5) * _CELL
    distance = 0.25 - jnp.hypot(column - 0.5, row - 0.75)
    smeared = jax.nn.sigmoid(distance / (2 * _WIDTH))
    wax = smeared
    for _ in range(300):
        wax = _sharpen(wax, 1.0, _WIDTH, 0.2 * _CELL**2 / _WIDTH, _CELL)
    np.testing.assert_allclose(_total(wax), _total(smeared), rtol=1e-6)
    before = float(jnp.mean(jnp.abs(smeared - sharp)))
    assert float(jnp.mean(jnp.abs(wax - sharp))) < 0.5 * before


def test_chemical_potential_is_the_curvature():
    radius = 0.3
    wax = _disc(0.5, 0.75, radius)
    potential = transport.chemical_potential(wax, _WIDTH, _CELL)
    # Averaged across the surface, with the weight that the force has there.
    weight = wax * (1 - wax)
    curvature = jnp.sum(weight * potential) / jnp.sum(weight)
    np.testing.assert_allclose(curvature, 1 / radius, rtol=0.1)


def test_walls_that_repel_wax_raise_its_potential():
    wax = jnp.full((_ROWS, _COLUMNS), 0.5)
    potential = transport.chemical_potential(
        wax, _WIDTH, _CELL, wall_contact=-1.0, floor_contact=1.0
    )
    np.testing.assert_allclose(potential[1:-1, 1:-1], 0, atol=1e-4)
    assert float(potential[20, 0]) == float(potential[20, -1]) > 0
    assert float(potential[-1, 10]) > 0
    assert float(potential[0, 10]) < 0


def test_restored_volume_is_exact_and_moves_the_surface_only():
    wax = _disc(0.5, 0.75, 0.25)
    volume = 1.1 * float(jnp.mean(wax))
    restored = transport.restore_volume(wax, volume)
    np.testing.assert_allclose(_total(restored) / restored.size, volume, rtol=1e-6)
    assert float(jnp.min(restored)) >= 0
    assert float(jnp.max(restored)) <= 1
    change = np.abs(restored - wax)
    assert change[24, 16] < 0.01 * change.max()
    assert change[0, 0] < 0.01 * change.max()
