import jax
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

from duralava.simulation import grid, stokes

_SHAPES = [(18, 12), (6, 9, 7)]

_velocity = jax.jit(stokes.velocity, static_argnames="cell")

pytestmark = pytest.mark.usefixtures("quick_compilation")


def _coordinates(shape, axis, cell):
    """Places of the velocity along `axis`, walls included; ready to broadcast."""
    return [
        grid.shape_along(
            (np.arange(size + (a == axis)) + 0.5 * (a != axis)) * cell, a, len(shape)
        )
        for a, size in enumerate(shape)
    ]


def _inner(faces, axis):
    inner = np.take(faces, range(1, faces.shape[axis] - 1), axis)
    return inner.astype(np.float32)


def _random_force(shape, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(
        rng.normal(size=[n - (a == axis) for a, n in enumerate(shape)]).astype("f4")
        for axis in range(len(shape))
    )


def _scale(flow):
    return max(np.max(np.abs(u)) for u in flow)


def _error(shape, cell, flow, force):
    """Largest error of the flow that `force` drives, both functions of coordinates."""
    axes = range(len(shape))
    places = [_coordinates(shape, axis, cell) for axis in axes]
    sizes = [[n + (a == axis) for a, n in enumerate(shape)] for axis in axes]
    forces = tuple(
        _inner(np.broadcast_to(force[a](*places[a]), sizes[a]), a) for a in axes
    )
    computed = _velocity(forces, cell)
    return max(
        np.max(np.abs(computed[axis] - flow[axis](*places[axis]))) for axis in axes
    )


def _error_2d(columns):
    """The stream function psi = sin(a x) sin(b y) in a box of 1 by 1.5.

    u = d psi/dy, v = -d psi/dx; lap lap psi = k psi with k = (a^2 + b^2)^2 is the curl
    d/dx f_y - d/dy f_x of f = (0, -k / a cos(a x) sin(b y)).
    """
    a, b = np.pi, 2 * np.pi / 1.5
    k = (a**2 + b**2) ** 2
    flow = (
        lambda y, x: -a * np.cos(a * x) * np.sin(b * y),
        lambda y, x: b * np.sin(a * x) * np.cos(b * y),
    )
    force = (
        lambda y, x: -k / a * np.cos(a * x) * np.sin(b * y),
        lambda y, x: 0 * x * y,
    )
    return _error((3 * columns // 2, columns), 1 / columns, flow, force)


def _error_3d(columns):
    """A flow whose amplitudes A are free of divergence, and a pressure beside it.

    u_x = A_x sin(a x) cos(b y) cos(c z) and so on, a A_x + b A_y + c A_z = 0, obeys
    lap u = -k u with k = a^2 + b^2 + c^2, hence f = k u + grad p for any p; here
    p = cos(a x) cos(b y) cos(c z).
    """
    numbers = c, b, a = np.pi, 2 * np.pi / 1.5, 2 * np.pi  # along z, y, x
    k = a**2 + b**2 + c**2
    amplitudes = (1.0, -0.5, (0.5 * b - c) / a)

    def wave(axis, amplitude):
        def field(*places):
            waves = [
                np.sin(n * x) if d == axis else np.cos(n * x)
                for d, (n, x) in enumerate(zip(numbers, places, strict=True))
            ]
            return amplitude * waves[0] * waves[1] * waves[2]

        return field

    flow = [wave(axis, amplitude) for axis, amplitude in enumerate(amplitudes)]
    force = [
        wave(axis, k * amplitude - n)
        for axis, (n, amplitude) in enumerate(zip(numbers, amplitudes, strict=True))
    ]
    return _error((columns, 3 * columns // 2, columns), 1 / columns, flow, force)


@pytest.mark.parametrize(("error", "largest"), [(_error_2d, 0.1), (_error_3d, 0.2)])
def test_flow_of_a_known_force_converges_to_second_order(error, largest):
    coarse, middle, fine = (error(columns) for columns in (8, 16, 32))
    assert coarse < largest
    assert 3.5 < coarse / middle < 4.5
    assert 3.5 < middle / fine < 4.5


@pytest.mark.parametrize("shape", _SHAPES)
def test_flow_is_free_of_divergence_and_stays_inside(shape):
    cell = 1 / 12
    flow = _velocity(_random_force(shape), cell)
    divergence = sum(np.diff(u, axis=axis) / cell for axis, u in enumerate(flow))
    assert _scale(flow) > 0
    assert np.max(np.abs(divergence)) < 2e-6 * _scale(flow) / cell
    for axis, u in enumerate(flow):
        assert u.shape == tuple(n + (a == axis) for a, n in enumerate(shape))
        np.testing.assert_array_equal(np.take(u, [0, -1], axis), 0)


@pytest.mark.parametrize("shape", _SHAPES)
def test_pressure_drives_no_flow(shape):
    cell = 1 / 12
    pressure = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    force = tuple(np.diff(pressure, axis=axis) / cell for axis in range(len(shape)))
    scale = _scale(_velocity(_random_force(shape), cell)) * _scale(force)
    assert _scale(_velocity(force, cell)) < 1e-5 * scale


@pytest.mark.parametrize("shape", _SHAPES)
def test_flow_is_linear_in_the_force(shape):
    one, other = _random_force(shape, seed=1), _random_force(shape, seed=2)
    both = tuple(2 * f - 3 * g for f, g in zip(one, other, strict=True))
    together = _velocity(both, 0.1)
    for u, v, w in zip(
        together, _velocity(one, 0.1), _velocity(other, 0.1), strict=True
    ):
        np.testing.assert_allclose(u, 2 * v - 3 * w, atol=1e-5 * _scale(together))


@pytest.mark.parametrize("shape", _SHAPES)
def test_work_of_a_force_is_positive_and_the_same_both_ways(shape):
    """Lorentz: f . u(g) = g . u(f); and viscosity turns f . u(f) into heat."""
    one, other = _random_force(shape, seed=1), _random_force(shape, seed=2)

    def work(force, driver):
        flow = _velocity(driver, 0.1)
        return sum(
            np.sum(f * _inner(u, axis), dtype=np.float64)
            for axis, (f, u) in enumerate(zip(force, flow, strict=True))
        )

    assert work(one, one) > 0
    np.testing.assert_allclose(
        work(one, other), work(other, one), atol=1e-5 * work(one, one)
    )


def test_flow_in_a_plane_is_that_of_a_sparse_biharmonic_solve():
    """psi is on the inner corners; psi and its Laplacian vanish on free walls."""
    rows, columns, cell = 18, 12, 1 / 12
    force_y, force_x = _random_force((rows, columns))
    curl = np.diff(force_y, axis=1) / cell - np.diff(force_x, axis=0) / cell
    second = [
        scipy.sparse.diags_array(
            [1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n - 1, n - 1)
        )
        for n in (rows, columns)
    ]
    laplacian = scipy.sparse.kronsum(second[1], second[0]) / cell**2
    psi = scipy.sparse.linalg.spsolve((laplacian @ laplacian).tocsc(), curl.ravel())
    psi = np.pad(psi.reshape(rows - 1, columns - 1), 1)
    v, u = _velocity((force_y, force_x), cell)
    np.testing.assert_allclose(u, np.diff(psi, axis=0) / cell, atol=1e-5 * _scale((u,)))
    np.testing.assert_allclose(
        v, -np.diff(psi, axis=1) / cell, atol=1e-5 * _scale((v,))
    )


def test_flow_that_does_not_change_from_front_to_back_is_that_of_a_plane():
    plane = _random_force((9, 7))
    solid = (np.zeros((4, 9, 7), "f4"), *(np.stack([f] * 5) for f in plane))
    across, *along = _velocity(solid, 0.1)
    np.testing.assert_allclose(across, 0, atol=1e-6)
    for u, expected in zip(along, _velocity(plane, 0.1), strict=True):
        expected = np.broadcast_to(expected, u.shape)
        np.testing.assert_allclose(u, expected, atol=1e-5 * _scale((u,)))


def test_twice_the_size_is_four_times_the_speed():
    force = _random_force((18, 12))
    for u, v in zip(_velocity(force, 0.1), _velocity(force, 0.2), strict=True):
        np.testing.assert_allclose(v, 4 * u, rtol=1e-4, atol=1e-6)
