import jax
import jax.numpy as jnp
import numpy as np
import pytest

from duralava.simulation import grid

_SHAPES = [(6, 9), (4, 6, 5)]

_divergence = jax.jit(grid.divergence)
_laplacian = jax.jit(grid.laplacian)
_gradient = jax.jit(grid.gradient)

pytestmark = pytest.mark.usefixtures("quick_compilation")


def _centres(shape, cell):
    """Coordinates of the centres along each axis, ready to broadcast."""
    return [
        grid.shape_along((np.arange(size) + 0.5) * cell, axis, len(shape))
        for axis, size in enumerate(shape)
    ]


def _inner_fluxes(shape):
    """Normal random numbers on the inner faces of every axis."""
    rng = np.random.default_rng(0)
    fluxes = []
    for axis in range(len(shape)):
        inner = [size - (a == axis) for a, size in enumerate(shape)]
        fluxes.append(rng.normal(size=inner).astype(np.float32))
    return tuple(fluxes)


@pytest.mark.parametrize("size", [2, 7, 48])
def test_transforms_are_orthonormal(size):
    cosine, sine = grid.cosine_matrix(size), grid.sine_matrix(size)
    np.testing.assert_allclose(cosine @ cosine.T, np.eye(size), atol=1e-12)
    np.testing.assert_allclose(sine.T @ sine, np.eye(size - 1), atol=1e-12)
    np.testing.assert_array_equal(sine[0], 0)


@pytest.mark.parametrize("size", [2, 7, 48])
def test_differences_turn_cosines_into_sines_and_back(size):
    cell = 1.5 / size
    cosine, sine = grid.cosine_matrix(size), grid.sine_matrix(size)
    numbers = grid.wave_numbers(size, cell)[:, None]
    with_walls = np.pad(sine, ((0, 0), (1, 1)))
    np.testing.assert_allclose(
        np.diff(cosine, axis=1) / cell, -numbers * sine, atol=1e-11
    )
    np.testing.assert_allclose(
        np.diff(with_walls, axis=1) / cell, numbers * cosine, atol=1e-11
    )


def test_long_waves_have_their_true_wave_number():
    np.testing.assert_allclose(
        grid.wave_numbers(96, 1.5 / 96)[:4], np.pi * np.arange(4) / 1.5, rtol=1e-3
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_difference_and_mean_of_a_line_are_its_slope_and_its_middle(axis):
    cell = 0.25
    x = _centres((4, 6, 5), cell)[axis]
    line = jnp.broadcast_to(3 * x, (4, 6, 5))
    difference = grid.difference(line, axis, cell)
    assert difference.shape[axis] == line.shape[axis] - 1
    np.testing.assert_allclose(difference, 3, rtol=1e-5)
    faces = np.broadcast_to(3 * (x + cell / 2), (4, 6, 5))
    expected = np.take(faces, range(line.shape[axis] - 1), axis)
    np.testing.assert_allclose(grid.mean(line, axis), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", _SHAPES)
def test_divergence_conserves_the_sum(shape):
    divergence = _divergence(_inner_fluxes(shape), 1.0)
    assert divergence.shape == shape
    assert np.max(np.abs(divergence)) > 1
    np.testing.assert_allclose(np.sum(divergence), 0, atol=1e-5)


@pytest.mark.parametrize("shape", _SHAPES)
def test_flux_through_a_face_leaves_one_cell_and_enters_the_next(shape):
    cell = 0.5
    for axis in range(len(shape)):
        fluxes = [np.zeros_like(flux) for flux in _inner_fluxes(shape)]
        fluxes[axis][(2,) * len(shape)] = 3.0
        expected = np.zeros(shape)
        here, there = [2] * len(shape), [2] * len(shape)
        there[axis] = 3
        expected[tuple(here)], expected[tuple(there)] = 3 / cell, -3 / cell
        np.testing.assert_allclose(_divergence(tuple(fluxes), cell), expected)


@pytest.mark.parametrize("shape", _SHAPES)
def test_laplacian_and_gradient_of_a_quadratic(shape):
    """Both are exact for 3 x^2 + 2 y^2 + z^2 + x y, away from the walls."""
    cell = 0.25
    *z, y, x = _centres(shape, cell)
    field = 3 * x**2 + 2 * y**2 + sum(z) ** 2 + x * y
    inside = (slice(1, -1),) * len(shape)
    slopes = _gradient(field.astype(np.float32), cell)
    expected = [*(2 * depth for depth in z), 4 * y + x, 6 * x + y]
    for slope, known in zip(slopes, expected, strict=True):
        known = np.broadcast_to(known, shape)
        np.testing.assert_allclose(slope[inside], known[inside], rtol=1e-4)
    laplacian = _laplacian(field.astype(np.float32), cell)
    np.testing.assert_allclose(laplacian[inside], 12 if z else 10, rtol=1e-4)


@pytest.mark.parametrize("shape", _SHAPES)
def test_laplacian_lets_nothing_through_the_walls(shape):
    field = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.testing.assert_allclose(np.sum(_laplacian(field, 1.0)), 0, atol=1e-4)
    constant = np.full(shape, 0.7, np.float32)
    np.testing.assert_allclose(_laplacian(constant, 0.1), 0)
    for slope in _gradient(constant, 0.1):
        np.testing.assert_array_equal(slope, 0)
