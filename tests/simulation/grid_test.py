import jax
import jax.numpy as jnp
import numpy as np
import pytest

from duralava.simulation import grid


@pytest.mark.parametrize("size", [2, 7, 48])
def test_sine_transform_is_its_own_inverse(size):
    sine = grid.sine_matrix(size)
    np.testing.assert_allclose(sine @ sine, np.eye(size - 1), atol=1e-12)


@pytest.mark.parametrize("size", [2, 7, 48])
def test_sine_waves_are_eigenvectors_of_the_second_difference(size):
    cell = 1.5 / size
    inner = np.eye(size - 1)
    neighbours = np.eye(size - 1, k=1) + np.eye(size - 1, k=-1)
    second_difference = (neighbours - 2 * inner) / cell**2
    sine = grid.sine_matrix(size)
    expected = -sine * grid.sine_eigenvalues(size, cell)
    np.testing.assert_allclose(second_difference @ sine, expected, atol=1e-8)


def test_divergence_moves_and_makes_nothing():
    x_key, y_key = jax.random.split(jax.random.key(0))
    flux_x = jax.random.normal(x_key, (9, 6))
    flux_y = jax.random.normal(y_key, (8, 7))
    divergence = grid.divergence(flux_x, flux_y, cell=1.0)
    assert float(jnp.max(jnp.abs(divergence))) > 1
    np.testing.assert_allclose(jnp.sum(divergence), 0, atol=1e-5)


def test_laplacian_and_gradient_of_a_quadratic():
    cell = 0.25
    x = (jnp.arange(8) + 0.5) * cell
    y = (jnp.arange(6)[:, None] + 0.5) * cell
    field = x**2 + 3 * y**2 + x * y
    inside = np.s_[1:-1, 1:-1]
    slope_x, slope_y = grid.gradient(field, cell)
    np.testing.assert_allclose(
        grid.laplacian(field, cell)[inside], jnp.full((4, 6), 8.0), rtol=1e-4
    )
    np.testing.assert_allclose(slope_x[inside], (2 * x + y)[inside], rtol=1e-5)
    np.testing.assert_allclose(slope_y[inside], (6 * y + x)[inside], rtol=1e-5)
