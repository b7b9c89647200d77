"""The lamp against known results on drops and convection, and against itself."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from duralava import simulation
from duralava.simulation import bodies, grid, lamp, stokes, transport
from duralava.simulation.config import DEFAULT_CONFIG, LampConfig

_SMALL = LampConfig(columns=12, rows=24, warm_up_seconds=2.0)
_COLD = dataclasses.replace(_SMALL, warm_up_seconds=0.0)
# Only a surface: walls that neither attract nor repel wax, no heat.
_STILL = LampConfig(
    columns=24,
    rows=24,
    wall_contact=0.0,
    top_contact=0.0,
    floor_contact=0.0,
    buoyancy=85.0,
    neutral_temperature=0.5,
    heating_rate=0.0,
    top_cooling_rate=0.0,
    glass_cooling_rate=0.0,
)

_flow = jax.jit(lamp.flow, static_argnames="config")
_step = jax.jit(lamp.step, static_argnames="config")


def _states(seed, chunk_size, num_chunks=1, config=_SMALL):
    chunks = lamp.simulate(seed, config=config, chunk_size=chunk_size)
    return jax.tree.map(
        lambda *parts: np.concatenate(parts), *itertools.islice(chunks, num_chunks)
    )


def _from_middle(shape, cell):
    """Coordinates of the centres along each axis, from the middle of the box."""
    return [
        grid.shape_along((np.arange(size) + 0.5 - size / 2) * cell, axis, len(shape))
        for axis, size in enumerate(shape)
    ]


def _wax(distance, width):
    """Wax whose surface is where distance is zero, at rest."""
    return (1 / (1 + np.exp(-distance / width))).astype(np.float32)


def _warm(wax, temperature):
    """A lamp whose first field holds all wax."""
    fields = np.zeros((4, *wax.shape), np.float32)
    fields[0] = wax
    return lamp.LampState(fields, np.full(wax.shape, temperature, np.float32))


def _heights(wax):
    """Mean height of the wax of each state, in heights of the glass."""
    rows = np.asarray(wax, np.float64).sum(axis=(-3, -1))
    return rows @ (np.arange(rows.shape[-1]) + 0.5) / rows.shape[-1] / rows.sum(-1)


# Conservation and repeatability.


def test_wax_keeps_its_volume_and_its_bounds():
    states = _states(seed=0, chunk_size=12, num_chunks=20)
    volumes = states.wax.sum(axis=(1, 2, 3, 4), dtype=np.float64)
    np.testing.assert_allclose(volumes / volumes[0], 1, atol=1e-6)
    assert states.wax.min() > -1e-3
    # Of all fields together: they do not overlap.
    assert states.wax.sum(axis=1).max() < 1 + 1e-2
    assert states.temperature.min() >= 0
    assert states.temperature.max() <= 1
    # Not because it stands still.
    assert np.abs(states.wax[-1] - states.wax[0]).mean() > 0.02


def test_each_seed_gives_one_film():
    first, again, other = (_states(seed, chunk_size=12) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.wax, again.wax)
    np.testing.assert_array_equal(first.temperature, again.temperature)
    assert np.abs(first.wax - other.wax).mean() > 0.005


def test_the_film_does_not_depend_on_the_chunk_size():
    whole = _states(seed=0, chunk_size=12)
    parts = _states(seed=0, chunk_size=4, num_chunks=3)
    np.testing.assert_array_equal(whole.wax, parts.wax)
    np.testing.assert_array_equal(whole.temperature, parts.temperature)


def test_the_warm_up_is_film_that_is_discarded():
    states = _states(seed=0, chunk_size=36, num_chunks=2, config=_COLD)
    first = _states(seed=0, chunk_size=12)
    np.testing.assert_allclose(first.wax, states.wax[60:], atol=1e-5)
    np.testing.assert_allclose(first.temperature, states.temperature[60:], atol=1e-5)


def _start(seed, config=DEFAULT_CONFIG):
    return lamp.initial_state(np.random.default_rng(seed), config)


@pytest.mark.parametrize(
    "config",
    [
        DEFAULT_CONFIG,
        LampConfig(columns=8, rows=8, wax_share=0.9),
        LampConfig(columns=8, rows=24, wax_share=0.01, num_fields=2),
    ],
)
def test_the_balls_at_the_start_hold_the_share_of_wax(config):
    state = _start(0, config)
    assert state.wax.shape == (config.num_fields, *config.shape)
    assert state.temperature.shape == config.shape
    total = np.sum(np.asarray(state.wax), axis=0, dtype=np.float64)
    np.testing.assert_allclose(np.mean(total), config.wax_share, rtol=1e-5)
    assert np.min(state.wax) >= 0
    assert total.max() < 1.02
    np.testing.assert_allclose(
        np.mean(state.temperature), config.start_temperature, atol=0.01
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_balls_at_the_start_are_several_bodies_of_several_sizes(seed):
    labels, number = scipy.ndimage.label(np.sum(_start(seed).wax, axis=0) > 0.5)
    assert 4 <= number <= 6
    cells = np.bincount(labels.ravel())[1:]
    assert cells.max() > 1.5 * cells.min()


# Steps.


# A ball so warm that a frame takes several steps, heated evenly everywhere.
_FAST = dataclasses.replace(
    _STILL,
    columns=12,
    rows=12,
    buoyancy=450.0,
    neutral_temperature=0.1,
    heating_rate=0.3,
    heater_radius=1e3,
    heater_reach=1e3,
    heat_diffusivity=0.0,
)


def _fast_ball():
    z, y, x = _from_middle(_FAST.shape, _FAST.cell)
    wax = _wax(0.3 - np.sqrt(x**2 + y**2 + z**2), _FAST.surface_width)
    return _warm(wax, 0.9)


def test_a_step_is_limited_by_its_courant_number():
    state = _fast_ball()
    fastest = max(np.max(np.abs(u)) for u in _flow(state, _FAST))
    _, seconds = _step(state, _FAST, 1 / 30)
    assert seconds < 0.5 / 30
    np.testing.assert_allclose(fastest * seconds, 0.4 * _FAST.cell, rtol=1e-5)
    _, seconds = _step(state, _FAST, 1e-4)
    assert seconds == np.float32(1e-4)


def test_a_frame_takes_as_many_steps_as_the_flow_needs():
    """Heating measures the time: 1 - T falls by a factor exp(-rate) a second."""
    _, states = lamp._run_frames(_fast_ball(), 10, _FAST)
    passed = -np.log((1 - states.temperature) / 0.1) / 0.3 * 30
    expected = np.broadcast_to(np.arange(1, 11)[:, None, None, None], passed.shape)
    np.testing.assert_allclose(passed, expected, rtol=0.01)


def test_the_error_of_a_lamp_that_is_no_longer_finite_says_when():
    def break_at_frame_15(seed, config):
        for frame in range(24):
            value = np.full(1, np.nan if frame == 15 else 0.0)
            yield lamp.LampState(value.reshape(1, 1, 1, 1), value.reshape(1, 1, 1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lamp, "_frames", break_at_frame_15)
        chunks = lamp.simulate(0, config=_COLD, chunk_size=12)
        next(chunks)
        with pytest.raises(FloatingPointError, match=r"after 0\.5 s"):
            next(chunks)


def test_nan_stays_nan_and_ends_the_simulation():
    state = _start(0, _SMALL)
    broken = state._replace(wax=state.wax.at[1, 3, 3, 3].set(jnp.nan))
    _, states = lamp._run_frames(broken, 12, _SMALL)
    with pytest.raises(FloatingPointError, match=r"of seed 7 .* after 1\.0 s"):
        lamp._checked(states, seed=7, first=30)


def test_a_flow_that_is_finite_but_too_fast_ends_too():
    state = _start(0, _SMALL)
    broken = state._replace(temperature=1e12 * state.temperature)
    _, states = lamp._run_frames(broken, 12, _SMALL)
    assert not np.isfinite(states.wax).any()


# Surface tension.


def test_a_drop_at_rest_stays_round_and_still():
    """Only the grid causes currents: capillary number |u| mu / sigma."""
    z, y, x = _from_middle(_STILL.shape, _STILL.cell)
    wax = _wax(0.3 - np.sqrt(x**2 + y**2 + z**2), _STILL.surface_width)
    state, _ = lamp._run_frames(_warm(wax, _STILL.neutral_temperature), 60, _STILL)
    fastest = max(np.max(np.abs(u)) for u in _flow(state, _STILL))
    assert fastest / _STILL.surface_tension < 2e-3
    moments = [np.sum(state.wax[0] * s**2) for s in (x, y, z)]
    np.testing.assert_allclose(moments / np.mean(moments), 1, atol=1e-3)
    assert np.abs(state.wax[0] - wax).max() < 0.1


@functools.partial(jax.jit, static_argnames=("width", "cell"))
def _capillary_flow(wax, width, cell):
    potential = transport.chemical_potential(wax, width, cell)
    return stokes.velocity(transport.surface_force(wax, potential, cell), cell)


def test_wax_as_heavy_as_the_liquid_flows_by_its_surface_alone():
    z, y, x = _from_middle(_STILL.shape, _STILL.cell)
    egg = np.sqrt(x**2 + (1.5 * y) ** 2 + z**2)
    wax = _wax(0.3 - egg, _STILL.surface_width)
    flow = _flow(_warm(wax, _STILL.neutral_temperature), _STILL)
    alone = _capillary_flow(wax, _STILL.surface_width, _STILL.cell)
    for u, v in zip(flow, alone, strict=True):
        np.testing.assert_allclose(u, _STILL.surface_tension * v, atol=1e-5)
    assert np.max(np.abs(flow[1])) > 1e-4


def _moment_rate(wax, moment, width, cell):
    """Returns d/dt sum(c moment), from the flux of wax through each face."""
    flow = _capillary_flow(wax, width, cell)
    rate = 0.0
    for axis, u in enumerate(flow):
        slope = np.diff(np.broadcast_to(moment, wax.shape), axis=axis) / cell
        here = np.take(wax, range(wax.shape[axis] - 1), axis)
        there = np.take(wax, range(1, wax.shape[axis]), axis)
        inner = np.take(u, range(1, wax.shape[axis]), axis)
        rate += np.sum(inner * (here + there) / 2 * slope, dtype=np.float64)
    return rate


def _smearing(wave):
    """Share of its speed that a wave keeps on a surface with `wave` = k epsilon.

    A force at depth s' moves the fluid at depth s by (1 + k|s - s'|) exp(-k|s - s'|) of
    what it moves at s'. Force has the weight 6 c^2 (1 - c)^2, wax moved c (1 - c).
    """
    s = np.linspace(-12, 12, 401)
    wax = 1 / (1 + np.exp(-s))
    weight = wax * (1 - wax)
    apart = wave * np.abs(s[:, None] - s)
    response = (1 + apart) * np.exp(-apart)
    return weight @ response @ (6 * weight**2) * (s[1] - s[0]) ** 2


@pytest.mark.parametrize(
    ("columns", "is_solid", "half_waves", "width_in_cells"),
    [(24, False, 1, 1), (32, False, 2, 1), (32, False, 2, 2), (24, True, 1, 1)],
)
def test_a_wave_on_a_flat_surface_decays_as_theory_says(
    columns, is_solid, half_waves, width_in_cells
):
    """At the rate sigma k / 4 mu, between two fluids of viscosity mu without inertia.

    Floor and top, where the fluid slips, mirror the wave: each reduces the rate by the
    share (1 + k H) exp(-k H) for a surface in the middle of the height H. With an
    epsilon of one cell, the surface tension of the grid is 3 % below 1.
    """
    cell, height = 1 / columns, 1.5
    width = width_in_cells * cell
    shape = (columns,) * is_solid + (round(height * columns), columns)
    *z, y, x = _from_middle(shape, cell)
    wave = np.cos(half_waves * np.pi * (x + 0.5))
    number = half_waves * np.pi
    for depth in z:
        wave = wave * np.cos(half_waves * np.pi * (depth + 0.5))
        number *= np.sqrt(2)
    wax = _wax(0.01 * wave - y, width)
    amplitude = np.sum((wax - _wax(-y, width)) * wave, dtype=np.float64)
    rate = -_moment_rate(wax, wave, width, cell) / amplitude
    mirrors = 2 * (1 + number * height) * np.exp(-number * height)
    expected = number / 4 * (1 - mirrors) * _smearing(number * width)
    np.testing.assert_allclose(rate, expected, rtol=0.04)


def test_a_dented_disc_relaxes_as_theory_says():
    """Mode n of a disc of radius R decays at sigma n / 4 mu R (equal viscosities).

    It is that of a flat surface with k = n / R. The box, R / 5 across, and the width of
    the surface slow it down, by a tenth each; the latter goes with the grid.
    """

    def rate(columns, mode=3, radius=0.2, steps=20):
        cell = width = 1 / columns
        y, x = _from_middle((columns, columns), cell)
        r, angle = np.hypot(x, y), np.arctan2(y, x)
        wave = r**mode * np.cos(mode * angle)
        start = _wax(radius * (1 + 0.05 * np.cos(mode * angle)) - r, width)
        theory = mode / (4 * radius)
        seconds = 0.4 / theory / steps

        @jax.jit
        def relax(wax):
            def step(_, wax):
                flow = _capillary_flow(wax, width, cell)
                return transport.advect(wax, flow, seconds, cell)

            return jax.lax.fori_loop(0, steps, step, wax)

        before, after = (np.sum(c * wave) for c in (start, relax(start)))
        return np.log(before / after) / (0.4 / theory) / theory

    coarse, fine = rate(32), rate(64)
    assert 0.75 < fine < 1
    assert 1 - fine < 0.6 * (1 - coarse)


def test_a_dented_ball_relaxes_as_theory_says():
    """Its mode l = 2 decays at 16 sigma / 35 mu R (equal viscosities).

    40 (1 + v) / ((2 v + 3)(19 v + 16)) for the ratio v of viscosities: Rallison 1984,
    "The deformation of small viscous drops and bubbles in shear flows". The rate of a
    sharp surface is extrapolated from two grids. The box, and the surface tension of
    the grid, reduce it by a tenth.
    """

    def rate(columns, radius=0.15):
        cell = 1 / columns
        z, y, x = _from_middle((columns,) * 3, cell)
        r = np.sqrt(x**2 + y**2 + z**2)
        legendre = 1.5 * (y / r) ** 2 - 0.5
        wax = _wax(radius * (1 + 0.05 * legendre) - r, cell)
        moment = np.sum(wax * r**2 * legendre, dtype=np.float64)
        moved = _moment_rate(wax, r**2 * legendre, cell, cell)
        return -moved / moment * radius * 35 / 16

    coarse, fine = rate(32), rate(64)
    assert coarse < fine < 1
    sharp = fine + (fine - coarse) / 3
    np.testing.assert_allclose(sharp, 1, atol=0.15)


def test_an_egg_becomes_a_ball():
    """From 2 : 1; the axes of the ellipsoid with the same second moments."""
    z, y, x = _from_middle(_STILL.shape, _STILL.cell)
    wax = _wax(0.18 - np.sqrt(x**2 + (0.5 * y) ** 2 + z**2), _STILL.surface_width)
    config = dataclasses.replace(_STILL, surface_tension=1.0)
    state = _warm(wax, config.neutral_temperature)
    state, _ = lamp._run_frames(state, 360, config)

    def axes(wax):
        places = _from_middle(wax.shape, _STILL.cell)
        return np.sqrt([np.sum(wax * s**2) / np.sum(wax) for s in places])

    before, after = axes(wax), axes(np.asarray(state.wax[0]))
    assert before.max() / before.min() > 1.5
    np.testing.assert_allclose(after / after.mean(), 1, atol=0.03)
    np.testing.assert_allclose(np.sum(state.wax), np.sum(wax), rtol=1e-5)


@pytest.mark.parametrize(("rows", "pinches"), [(8, False), (20, True)])
def test_a_thread_pinches_if_it_is_longer_than_its_circumference(rows, pinches):
    """Plateau 1873, Rayleigh 1878: a wave is unstable if longer than 2 pi R.

    Floor and top mirror the thread, so that the box holds half a wave.
    """
    config = dataclasses.replace(_STILL, rows=rows, surface_tension=2.0)
    radius, length = 0.16, 2 * rows * config.cell
    assert (length > 1.4 * 2 * np.pi * radius) == pinches
    assert (length < 0.7 * 2 * np.pi * radius) != pinches
    z, y, x = _from_middle(config.shape, config.cell)
    wave = 0.1 * radius * np.sin(2 * np.pi * y / length)
    wax = _wax(radius + wave - np.hypot(x, z), config.surface_width)
    state = _warm(wax, config.neutral_temperature)
    state, _ = lamp._run_frames(state, 360, config)
    area = np.sum(state.wax[0], axis=(0, 2)) * config.cell**2
    thinnest, thickest = np.sqrt(np.array([area.min(), area.max()]) / np.pi)
    if pinches:
        assert state.wax[0].max(axis=(0, 2)).min() < 0.1
    else:
        assert thickest - thinnest < 0.5 * 2 * 0.1 * radius


# Bodies that touch.


# A cold drop above a warm one: they press against each other. No heat is exchanged.
_PRESSED = dataclasses.replace(
    _STILL,
    columns=16,
    surface_tension=0.5,
    heat_diffusivity=0.0,
    drainage_seconds=1e9,
    coil_drainage_seconds=1e9,
)


def _pressed():
    z, y, x = _from_middle(_PRESSED.shape, _PRESSED.cell)
    fields = [
        _wax(0.2 - np.sqrt(x**2 + (y - place) ** 2 + z**2), _PRESSED.surface_width)
        for place in (-0.3, 0.3)
    ]
    none = np.zeros_like(fields[0])
    temperature = np.broadcast_to(0.5 - 0.3 * np.sign(y), _PRESSED.shape)
    return lamp.LampState(np.stack([*fields, none, none]), temperature.astype("f4"))


def _track(state, config, seconds):
    """Returns the lamp after some time, and how many bodies merged."""
    merged = 0
    for call in range(round(seconds / config.tracking_seconds)):
        wax, events = bodies.track(
            np.asarray(state.wax),
            config.tracking_seconds,
            np.random.default_rng(call),
            config,
        )
        merged += events.merged
        state = state._replace(wax=wax)
        state, _ = lamp._run_frames(state, config.tracking_frames, config)
    return state, merged


def _count(wax):
    return scipy.ndimage.label(np.asarray(wax) > 0.5)[1]


def test_drops_that_are_pressed_together_keep_apart_until_the_film_has_drained():
    state, merged = _track(_pressed(), _PRESSED, 12)
    assert merged == 0
    assert [_count(field) for field in state.wax] == [1, 1, 0, 0]
    # They do touch, do not overlap, and keep their volumes.
    assert _count(state.wax.sum(axis=0)) == 1
    assert state.wax.sum(axis=0).max() < 1.01
    volumes = np.sum(np.asarray(state.wax), axis=(1, 2, 3), dtype=np.float64)
    before = np.sum(_pressed().wax, axis=(1, 2, 3), dtype=np.float64)
    np.testing.assert_allclose(volumes[:2], before[:2], rtol=1e-3)
    # In one field they would have merged.
    wax = np.zeros_like(_pressed().wax)
    wax[0] = _pressed().wax.sum(axis=0)
    state, _ = lamp._run_frames(_pressed()._replace(wax=wax), 360, _PRESSED)
    assert _count(state.wax[0]) == 1


@pytest.mark.parametrize(("coil_height", "merged"), [(0.2, 0), (1.0, 1)])
def test_drops_that_are_pressed_together_at_the_coil_merge(coil_height, merged):
    config = dataclasses.replace(
        _PRESSED, coil_drainage_seconds=0.1, coil_height=coil_height
    )
    state, number = _track(_pressed(), config, 12)
    assert number == merged
    assert sum(_count(field) for field in state.wax) == 2 - merged


# Buoyancy.


def test_a_warm_ball_rises_as_hadamard_and_rybczynski_say():
    """At 4/15 B (T - T_n) R^2 for equal viscosities, far from walls.

    Walls reduce the speed by a share proportional to R and one proportional to R^3.
    Both are fitted to balls of several sizes in one box, which leaves the speed in an
    unbounded fluid.
    """
    config = dataclasses.replace(_STILL, columns=32, rows=32, surface_tension=1e-4)
    fine = 4  # a sharp ball: shares of cells, from this many points along each axis
    z, y, x = _from_middle((32 * fine,) * 3, config.cell / fine)
    radii = np.array([0.12, 0.16, 0.2, 0.25])
    speeds = []
    for radius in radii:
        inside = (x**2 + y**2 + z**2 < radius**2).astype(np.float32)
        wax = inside.reshape(32, fine, 32, fine, 32, fine).mean(axis=(1, 3, 5))
        v = np.asarray(_flow(_warm(wax, 1.0), config)[1])
        speeds.append(np.sum((v[:, 1:] + v[:, :-1]) / 2 * wax) / np.sum(wax))
    unbounded = 4 / 15 * config.buoyancy * 0.5 * radii**2
    shares = np.linalg.lstsq(
        np.stack([radii**0, radii, radii**3], axis=1), speeds / unbounded
    )[0]
    np.testing.assert_allclose(shares[0], 1, atol=0.06)
    assert shares[1] < 0


@pytest.mark.parametrize(("temperature", "sign"), [(0.9, 1), (0.1, -1)])
def test_warm_wax_rises_and_cold_wax_sinks(temperature, sign):
    z, y, x = _from_middle(_STILL.shape, _STILL.cell)
    wax = _wax(0.2 - np.sqrt(x**2 + y**2 + z**2), _STILL.surface_width)
    state = _warm(wax, temperature)
    moved, _ = lamp._run_frames(state, 30, _STILL)
    assert sign * (_heights(moved.wax[0]) - _heights(wax)) > 0.05


def test_convection_between_plates_sets_in_at_657():
    """Rayleigh 1916: between free plates at Ra = 27 pi^4 / 4, for k = pi / sqrt(2).

    The mode grows at (k^2 + pi^2)(Ra / 657.5 - 1), the time being height^2 / kappa.
    """
    rows, columns = 24, 34  # half a wave
    cell = 1 / rows
    time_step = 0.15 * cell**2
    num_steps = round(0.1 / time_step)
    y = (np.arange(rows)[:, None] + 0.5) * cell
    x = (np.arange(columns) + 0.5) * cell
    mode = np.sin(np.pi * y) * np.cos(np.pi * x / (columns * cell))

    @jax.jit
    def grow(temperature, rayleigh):
        def step(_, temperature):
            lift = rayleigh * grid.mean(temperature, 0)
            flow = stokes.velocity((lift, jnp.zeros((rows, columns - 1))), cell)
            warming = grid.laplacian(temperature, cell)
            warming = warming.at[0].add(2 * (1 - temperature[0]) / cell**2)
            warming = warming.at[-1].add(2 * (0 - temperature[-1]) / cell**2)
            moved = transport.advect(temperature, flow, time_step, cell)
            return moved + time_step * warming

        return jax.lax.fori_loop(0, num_steps, step, temperature)

    def rate(rayleigh):
        start = (1 - y + 0.01 * mode).astype(np.float32)
        early = grow(start, rayleigh)
        late = grow(early, rayleigh)
        before, after = (np.sum((t - (1 - y)) * mode) for t in (early, late))
        return np.log(after / before) / (num_steps * time_step)

    critical = 27 * np.pi**4 / 4
    below, above = rate(600.0), rate(720.0)
    for value, rayleigh in ((below, 600), (above, 720)):
        expected = 1.5 * np.pi**2 * (rayleigh / critical - 1)
        np.testing.assert_allclose(value, expected, rtol=0.04)
    onset = 600 + 120 * below / (below - above)
    np.testing.assert_allclose(onset, critical, rtol=0.005)


def test_heat_exchange_is_where_heater_and_glass_are():
    """From T_n, a still lamp warms over the middle of the floor, cools elsewhere."""
    config = dataclasses.replace(
        _SMALL,
        buoyancy=0.0,
        surface_tension=1e-6,
        heat_diffusivity=0.0,
        heating_rate=1.0,
        heater_radius=0.25,
        heater_reach=0.1,
        top_cooling_rate=0.5,
        top_cooling_reach=0.06,
        glass_cooling_rate=0.01,
        glass_cooling_reach=0.1,
    )
    state = _warm(np.zeros(config.shape, np.float32), 0.5)
    moved, seconds = _step(state, config)
    rate = np.asarray((moved.temperature - 0.5) / seconds)
    z, y, x = _from_middle(config.shape, config.cell)
    assert np.unravel_index(rate.argmax(), rate.shape)[1] == 0
    np.testing.assert_allclose(rate, rate[::-1], atol=1e-5)
    np.testing.assert_allclose(rate, rate.transpose(2, 1, 0), atol=1e-5)
    spot = np.exp(-(x**2 + z**2) / 0.25**2 - (y + 1) / 0.1)
    top = 0.5 * np.exp((y - 1) / 0.06)
    glass = sum(0.01 * np.exp((np.abs(s) - 0.5) / 0.1) for s in (x, z))
    np.testing.assert_allclose(rate, 0.5 * (spot - top - glass), atol=1e-4)


def test_heat_spreads_as_fast_as_its_diffusivity():
    """A wave decays at kappa k^2."""
    config = dataclasses.replace(_STILL, surface_tension=1e-6, heat_diffusivity=3e-4)
    _, _, x = _from_middle(config.shape, config.cell)
    wave = np.cos(2 * np.pi * (x + 0.5)) * np.ones(config.shape)
    state = _warm(np.zeros(config.shape, np.float32), 0.5)
    state = state._replace(temperature=(0.5 + 0.1 * wave).astype(np.float32))
    moved, seconds = _step(state, config)
    change = np.asarray(moved.temperature - state.temperature, np.float64)
    rate = -np.sum(change * wave) / (seconds * 0.1 * np.sum(wave**2))
    np.testing.assert_allclose(rate, 3e-4 * 4 * np.pi**2, rtol=0.02)


def test_two_grids_agree_on_the_lamp():
    """One-minute films differ as those of two seeds do, but show the same lamp.

    Mean height of the wax within 0.1 of the glass, its spread within a factor of two,
    speed within 40 %.
    """

    def numbers(columns):
        config = LampConfig(columns=columns, rows=2 * columns, warm_up_seconds=20.0)
        states = next(lamp.simulate(0, config=config, chunk_size=1800))
        heights = _heights(states.wax[::30].sum(axis=1))
        speeds = jax.jit(
            lambda states: jax.lax.map(
                lambda state: sum(
                    jnp.mean(grid.mean(u, axis) ** 2)
                    for axis, u in enumerate(lamp.flow(state, config))
                ),
                states,
            )
        )(jax.tree.map(lambda a: a[::60], states))
        return heights.mean(), heights.std(), np.sqrt(np.mean(speeds))

    coarse, fine = numbers(12), numbers(16)
    assert 0.2 < fine[0] < 0.8
    assert fine[1] > 0.03
    np.testing.assert_allclose(coarse[0], fine[0], atol=0.1)
    assert 0.5 < coarse[1] / fine[1] < 2
    np.testing.assert_allclose(coarse[2], fine[2], rtol=0.4)


def test_film_chunks():
    chunks = simulation.film_chunks(0, 32, config=_SMALL, chunk_size=4)
    first, second = itertools.islice(chunks, 2)
    assert first.shape == second.shape == (4, 32, 32, 3)
    assert first.dtype == np.uint8
    assert (first != second).any()
