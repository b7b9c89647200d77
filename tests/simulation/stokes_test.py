import jax
import jax.numpy as jnp
import numpy as np

from duralava.simulation import grid, stokes

_HEIGHT = 1.5


def _error(columns):
    """Largest error of the flow driven by a force whose flow is known.

    psi = sin(a x) sin(b y) with a = pi, b = 2 pi / height has lap lap psi = k psi with
    k = (a^2 + b^2)^2, which is the curl of f = (0, -k / a cos(a x) sin(b y)); its
    velocity is u = b sin(a x) cos(b y), v = -a cos(a x) sin(b y).
    """
    cell = 1 / columns
    rows = round(_HEIGHT * columns)
    a, b = np.pi, 2 * np.pi / _HEIGHT
    centre_x, edge_x = (np.arange(columns) + 0.5) * cell, np.arange(columns + 1) * cell
    centre_y, edge_y = (np.arange(rows) + 0.5) * cell, np.arange(rows + 1) * cell
    v_shape = np.cos(a * centre_x) * np.sin(b * edge_y[:, None])
    force_y = -((a**2 + b**2) ** 2) / a * v_shape
    curl = stokes.curl(
        jnp.zeros((rows, columns - 1)), jnp.asarray(force_y[1:-1], jnp.float32), cell
    )
    u, v = stokes.velocity(stokes.stream_function(curl, cell), cell)
    expected_u = b * np.sin(a * edge_x) * np.cos(b * centre_y[:, None])
    return max(np.max(np.abs(u - expected_u)), np.max(np.abs(v + a * v_shape)))


def test_flow_of_a_known_force_converges_to_second_order():
    coarse, middle, fine = (_error(columns) for columns in (8, 16, 32))
    assert coarse < 0.1
    assert 1.8 < np.log2(coarse / middle) < 2.2
    assert 1.8 < np.log2(middle / fine) < 2.2


def test_flow_is_free_of_divergence_and_stays_inside():
    cell = 1 / 24
    x_key, y_key = jax.random.split(jax.random.key(0))
    curl = stokes.curl(
        jax.random.normal(x_key, (36, 23)), jax.random.normal(y_key, (35, 24)), cell
    )
    u, v = stokes.velocity(stokes.stream_function(curl, cell), cell)
    divergence = (u[:, 1:] - u[:, :-1] + v[1:] - v[:-1]) / cell
    fastest = float(jnp.max(jnp.abs(u)))
    assert fastest > 0
    assert float(jnp.max(jnp.abs(divergence))) < 1e-5 * fastest / cell
    for wall in (u[:, 0], u[:, -1], v[0], v[-1]):
        np.testing.assert_array_equal(wall, 0)


def test_pressure_drives_no_flow():
    cell = 1 / 16
    pressure = jax.random.normal(jax.random.key(0), (24, 16))
    curl = stokes.curl(
        grid.inner_difference_x(pressure, cell),
        grid.inner_difference_y(pressure, cell),
        cell,
    )
    np.testing.assert_allclose(curl, 0, atol=1e-6 / cell**2)
