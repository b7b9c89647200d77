import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from duralava.simulation import grid, stokes, transport

_potential = jax.jit(
    transport.chemical_potential,
    static_argnames=("width", "cell"),
)

pytestmark = pytest.mark.usefixtures("quick_compilation")


def _centres(shape, cell):
    """Coordinates of the centres along each axis, ready to broadcast."""
    return [
        grid.shape_along((np.arange(size) + 0.5) * cell, axis, len(shape))
        for axis, size in enumerate(shape)
    ]


def _ball(shape, cell, middle, radius, width):
    """A disc or a ball whose surface is at rest."""
    square = sum(
        (x - m) ** 2 for x, m in zip(_centres(shape, cell), middle, strict=True)
    )
    distance = (radius - np.sqrt(square)) / width
    return (1 / (1 + np.exp(-distance))).astype(np.float32)


def _wind(shape, direction):
    """The same velocity everywhere except on the walls, which block all flow."""
    flow = []
    for axis, speed in enumerate(direction):
        inner = [size - (a == axis) for a, size in enumerate(shape)]
        flow.append(grid.pad(jnp.full(inner, speed, jnp.float32), axis, 1, 1))
    return tuple(flow)


def _closed_flow(shape, cell):
    """A random flow without divergence inside closed walls, of speed 1 at most."""
    rng = np.random.default_rng(1)
    force = tuple(
        rng.normal(size=[n - (a == axis) for a, n in enumerate(shape)]).astype("f4")
        for axis in range(len(shape))
    )
    flow = jax.jit(stokes.velocity, static_argnums=1)(force, cell)
    fastest = max(np.max(np.abs(u)) for u in flow)
    return tuple(u / fastest for u in flow)


@functools.partial(jax.jit, static_argnames="num_steps")
def _advect(field, flow, time_step, cell, num_steps):
    def step(_, field):
        return transport.advect(field, flow, time_step, cell)

    return jax.lax.fori_loop(0, num_steps, step, field)


@functools.partial(jax.jit, static_argnames=("num_steps", "width"))
def _sharpen(wax, width, time_step, cell, num_steps):
    def step(_, wax):
        return transport.sharpen(wax, 1.0, width, time_step, cell)

    return jax.lax.fori_loop(0, num_steps, step, wax)


def _total(field):
    return np.asarray(field, np.float64).sum()


def _middle(field, cell):
    """Centre of mass along each axis."""
    places = _centres(field.shape, cell)
    return [_total(np.asarray(field) * x) / _total(field) for x in places]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("direction", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.6, -0.6, 1)])
def test_advection_carries_a_blob_as_far_as_the_flow_goes(direction, sign):
    shape, cell, num_steps, courant = (16, 20, 18), 1 / 16, 8, 0.3
    middle = np.array(shape) * cell / 2
    velocity = sign * np.array(direction)
    moved = velocity * num_steps * courant * cell
    start = _ball(shape, cell, middle, 0.22, cell)
    wax = _advect(start, _wind(shape, velocity), courant * cell, cell, num_steps)
    np.testing.assert_allclose(_middle(wax, cell), middle + moved, atol=0.05 * cell)
    expected = _ball(shape, cell, middle + moved, 0.22, cell)
    assert np.abs(wax - expected).mean() < 0.25 * np.abs(start - expected).mean()


@pytest.mark.parametrize("shape", [(24, 16), (12, 16, 14)])
def test_advection_conserves_the_sum_the_bounds_and_constants(shape):
    cell = 1 / 16
    flow = _closed_flow(shape, cell)
    start = _ball(shape, cell, [0.4] * len(shape), 0.25, cell)
    wax = _advect(start, flow, 0.4 * cell, cell, 60)
    constant = _advect(np.full(shape, 0.7, np.float32), flow, 0.4 * cell, cell, 60)
    assert np.abs(wax - start).mean() > 0.01
    np.testing.assert_allclose(_total(wax), _total(start), rtol=2e-6)
    assert wax.min() > -1e-3
    assert wax.max() < 1 + 1e-3
    np.testing.assert_allclose(constant, 0.7, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
def test_advection_of_a_smooth_profile_is_of_second_order(axis):
    """A Gaussian, 1 wide and carried by 1; mean error, as van Leer clips the peak."""

    def error(cells):
        cell = 8 / cells
        shape = (cells, 2) if axis == 0 else (2, cells)
        x = _centres(shape, cell)[axis] * np.ones(shape)
        flow = _wind(shape, (1.0, 0.0) if axis == 0 else (0.0, 1.0))
        start = np.exp(-((x - 3.5) ** 2)).astype(np.float32)
        moved = _advect(start, flow, 0.25 * cell, cell, cells // 2)
        return np.abs(moved - np.exp(-((x - 4.5) ** 2))).mean()

    coarse, middle, fine = (error(cells) for cells in (32, 64, 128))
    assert coarse < 0.02
    assert coarse / middle > 3
    assert 3 < middle / fine < 5


@pytest.mark.parametrize("shape", [(24, 32), (16, 20, 16)])
def test_sharpening_restores_a_smeared_surface_and_conserves_the_sum(shape):
    cell, middle = 1 / 16, np.array(shape) / 32
    sharp = _ball(shape, cell, middle, 0.3, cell)
    smeared = _ball(shape, cell, middle, 0.3, 2 * cell)
    wax = _sharpen(smeared[None], cell, 0.1 * cell, cell, 200)[0]
    np.testing.assert_allclose(_total(wax), _total(smeared), rtol=2e-6)
    # The same wax in a sharp ball, whose radius differs a little.
    radius = 0.3 * (_total(smeared) / _total(sharp)) ** (1 / len(shape))
    expected = _ball(shape, cell, middle, radius, cell)
    assert np.abs(wax - expected).mean() < 0.25 * np.abs(smeared - expected).mean()


def test_surface_at_rest_does_not_change():
    """c = 1 / (1 + exp(-s / epsilon)) solves epsilon dc/ds = c (1 - c)."""
    shape, cell, width = (64, 4), 1 / 16, 3 / 16
    y = _centres(shape, cell)[0] * np.ones(shape)
    wax = (1 / (1 + np.exp(-(y - 2) / width))).astype(np.float32)
    sharpened = _sharpen(wax[None], width, 0.1 * cell**2 / width, cell, 50)
    np.testing.assert_allclose(sharpened[0], wax, atol=5e-3)
    # Of second order in cell / width; one of its two terms alone reaches 0.58 / width.
    potential = _potential(wax, width, cell)
    np.testing.assert_allclose(potential, 0, atol=0.02 / width)


@pytest.mark.parametrize(
    ("shape", "cell"), [((48, 40), 1 / 24), ((32, 36, 34), 1 / 24)]
)
def test_chemical_potential_is_the_curvature(shape, cell):
    """1 / R of a disc, 2 / R of a ball; with the weight of the surface, c (1 - c).

    The width of the surface makes it less, by a few times (width / R)^2.
    """
    radius, width = 0.5, 1.5 * cell
    middle = np.array(shape) * cell / 2
    wax = _ball(shape, cell, middle, radius, width)
    weight = np.asarray(wax * (1 - wax), np.float64)
    potential = np.asarray(_potential(wax, width, cell))
    mean = (weight * potential).sum() / weight.sum()
    np.testing.assert_allclose(mean, (len(shape) - 1) / radius, rtol=0.06)
    # Liquid in wax is curved the other way.
    hollow = np.asarray(_potential(1 - wax, width, cell))
    np.testing.assert_allclose(hollow, -potential, atol=1e-3 / width)


def test_chemical_potential_is_the_slope_of_the_surface_energy():
    """dE/dc for E = 6 sum(c^2 (1 - c)^2 / 2 epsilon + epsilon |grad c|^2 / 2)."""
    cell, width, shape = 0.5, 0.7, (5, 4, 3)
    rng = np.random.default_rng(0)
    wax, change = rng.random(shape), rng.normal(size=shape)

    def energy(wax):
        slopes = [np.diff(wax, axis=axis) / cell for axis in range(3)]
        square = sum((slope**2).sum() for slope in slopes)
        return 6 * ((wax * (1 - wax)) ** 2 / width / 2).sum() + 3 * width * square

    slope = (energy(wax + 1e-4 * change) - energy(wax - 1e-4 * change)) / 2e-4
    potential = _potential(wax.astype(np.float32), width, cell)
    np.testing.assert_allclose((potential * change).sum(), slope, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "walls"),
    [
        ("floor_contact", [np.s_[:, 0]]),
        ("top_contact", [np.s_[:, -1]]),
        ("wall_contact", [np.s_[0], np.s_[-1], np.s_[:, :, 0], np.s_[:, :, -1]]),
    ],
)
@pytest.mark.parametrize("cosine", [1.0, -1.0])
def test_a_wall_that_wax_clings_to_lowers_its_potential_and_only_there(
    name, walls, cosine
):
    """By 6 epsilon / h dc/dn, with epsilon dc/dn = cos c (1 - c)."""
    cell, width = 0.5, 0.7
    wax = np.full((5, 6, 4), 0.5, np.float32)
    potential = np.asarray(_potential(wax, width, cell, **{name: cosine}))
    expected = np.zeros(wax.shape)
    for wall in walls:
        expected[wall] -= 6 / cell * cosine * 0.25
    np.testing.assert_allclose(potential, expected, atol=1e-5)


@pytest.mark.parametrize(("cosine", "is_higher"), [(0.5, False), (-0.5, True)])
def test_wax_meets_a_wall_at_its_angle(cosine, is_higher):
    """At rest epsilon dc/dn = cos c (1 - c): a tilted plane has no potential there."""
    cell, width = 1 / 32, 3 / 32
    y, x = _centres((48, 48), cell)
    # Wax beyond a plane whose normal makes the angle with the right wall's.
    distance = cosine * (x - 1.5) + np.sqrt(1 - cosine**2) * (y - 0.75)
    wax = (1 / (1 + np.exp(-distance / width))).astype(np.float32)
    at_wall = [
        np.abs(_potential(wax, width, cell, wall_contact=c)[8:-8, -1]).max()
        for c in (cosine, 0.0, -cosine)
    ]
    assert at_wall[0] < 0.1 * at_wall[1] < 0.1 * at_wall[2]


def test_surface_force_is_the_potential_times_the_slope():
    cell = 0.25
    rng = np.random.default_rng(0)
    wax, potential = rng.random((2, 4, 5, 6)).astype(np.float32)
    for axis, force in enumerate(transport.surface_force(wax, potential, cell)):
        q, c = np.moveaxis(potential, axis, 0), np.moveaxis(wax, axis, 0)
        expected = (q[1:] + q[:-1]) / 2 * (c[1:] - c[:-1]) / cell
        np.testing.assert_allclose(np.moveaxis(force, axis, 0), expected, rtol=1e-4)


def test_sharpening_parts_fields_that_overlap_and_conserves_each():
    """Liquid is a phase as well, and none becomes negative: fields add up to one."""
    shape, cell = (16, 24, 16), 1 / 16
    left, right = (_ball(shape, cell, [0.5, y, 0.5], 0.3, cell) for y in (0.55, 0.95))
    third = _ball(shape, cell, [0.2, 0.75, 0.5], 0.2, cell)
    start = np.stack([left, right, third])
    assert start.sum(axis=0).max() > 1.4
    wax = np.asarray(_sharpen(start, cell, 0.1 * cell, cell, 300))
    assert wax.sum(axis=0).max() < 1.01
    assert wax.min() > -1e-3
    for before, after in zip(start, wax, strict=True):
        np.testing.assert_allclose(_total(after), _total(before), rtol=2e-6)


def test_sharpening_keeps_bodies_that_touch_as_they_are():
    """Two fields that fill all space, and a third one that is absent."""
    shape, cell, width = (32, 8, 8), 1 / 16, 2 / 16
    z = _centres(shape, cell)[0] * np.ones(shape)
    first = (1 / (1 + np.exp(-(z - 1) / width))).astype(np.float32)
    start = np.stack([first, 1 - first, np.zeros(shape, np.float32)])
    wax = np.asarray(_sharpen(start, width, 0.1 * cell**2 / width, cell, 50))
    np.testing.assert_allclose(wax, start, atol=5e-3)
