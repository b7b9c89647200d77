"""The lamp: wax that is heated at the floor, rises, cools at the top and sinks.

Two fluids that do not mix, wax and liquid, fill a closed box of glass. Its depth and
width are one, and its walls let the fluids slip. Lengths are in widths of the glass,
times in seconds of film, temperatures from 0 (the room) to 1 (the heater). Forces are
divided by the viscosity, which is one for both wax and liquid.

Bodies of wax that touch do not merge before the film of liquid between them has
drained, and this film is far thinner than a cell. The wax is therefore split into K
fields that one flow carries. Bodies of different fields stay apart, bodies of one field
merge on contact. With c_a the share of wax of field a, q_a its potential, which
contains the surface tension of the field and the repulsion of the others
(`bodies.potentials`), T the temperature and u the flow, y up, each step solves

  lap u - grad p + sum_a (sigma q_a grad c_a + B c_a (T - T_n) e_y) = 0    (Stokes)
  div u = 0
  dc_a/dt + div(u c_a) = sharpening                                        (wax)
  dT/dt + div(u T) = kappa lap T + heating (1 - T) - cooling T             (heat)

Wax expands when it warms, and at T_n it is as heavy as the liquid: the Boussinesq
approximation, with the expansion of wax and gravity in B (Gyure and Janosi 2009,
"Basics of lava-lamp convection", for the mechanism; Jacqmin 1999, "Calculation of
two-phase Navier-Stokes flows using phase-field modeling", for the force of a surface).
Sharpening keeps surfaces thin, and keeps the fields from overlapping
(`transport.sharpen`).

Between frames, `bodies.track` decides which bodies merge, and moves bodies from field
to field so that all others stay apart. Droplets that are too small for the grid
dissolve and condense on the bodies. All of this conserves the volume of the wax to
rounding, without any correction.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
import scipy.special

from duralava.simulation import bodies, grid, stokes, transport
from duralava.simulation.config import (
    DEFAULT_CONFIG,
    FRAMES_PER_SECOND,
    MAX_COURANT,
    MAX_STEPS_PER_FRAME,
    LampConfig,
)

# A flow that needs more steps has become unstable: its steps would shrink without end.
_BROKEN_STEPS_PER_FRAME = 32 * MAX_STEPS_PER_FRAME

# Balls at the start, the spread of the logarithm of their volumes, and how many random
# places are tried for each.
_BALLS, _SPREAD, _TRIES = 6, 0.6, 100


class LampState(NamedTuple):
    """The state of a lamp at one moment; layer 0 is in front, row 0 at the floor.

    Attributes:
      wax: share of wax of each field in each cell, 0 to 1, f32[K, Nz, Ny, Nx].
      temperature: 0 (the room) to 1 (the heater), f32[Nz, Ny, Nx].
    """

    wax: jax.Array
    temperature: jax.Array


def initial_state(rng: np.random.Generator, config: LampConfig) -> LampState:
    """Returns balls of wax apart from each other, in liquid at the start temperature.

    They hold the share of wax to rounding. Where balls would overlap, a plane parts
    them.
    """
    places, radii = _place_balls(rng, config)
    shape = (len(radii), 1, 1, 1)
    square = sum(
        (axis - place.reshape(shape)) ** 2
        for axis, place in zip(_centres(config), places.T, strict=True)
    )
    depth = radii.reshape(shape) - np.sqrt(square)
    deepest = np.sort(depth, axis=0)[-2:]
    others = np.where(depth == deepest[1], deepest[0], deepest[1])
    apart = (depth - others) / 2

    def wax_of(growth: float) -> np.ndarray:
        inside = np.minimum(depth + growth, apart)
        balls = scipy.special.expit(inside / config.surface_width)
        return balls / np.maximum(balls.sum(axis=0), 1)

    far = 2 * np.hypot(np.sqrt(2), config.height)
    growth = scipy.optimize.brentq(
        lambda growth: wax_of(growth).sum(axis=0).mean() - config.wax_share, -far, far
    )
    balls = wax_of(growth)
    wax = np.zeros((config.num_fields, *config.shape), np.float32)
    for field in range(config.num_fields):
        wax[field] = balls[field :: config.num_fields].sum(axis=0)
    noise = 0.05 * rng.normal(size=config.shape)
    temperature = (config.start_temperature + noise).astype(np.float32)
    return LampState(jnp.array(wax), jnp.array(temperature))


def _place_balls(
    rng: np.random.Generator, config: LampConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Returns places z, y, x f64[N, 3] and radii f64[N] of the balls at the start."""
    volumes = np.sort(np.exp(_SPREAD * rng.normal(size=_BALLS)))[::-1]
    volumes *= config.wax_share * config.height / volumes.sum()
    radii = np.cbrt(volumes * 3 / (4 * np.pi))
    size = np.array([1, config.height, 1])
    places = np.empty((0, 3))
    for radius in radii:
        margin = np.minimum(radius, 0.5 * size)
        tries = rng.uniform(margin, size - margin, (_TRIES, 3))
        gaps = np.linalg.norm(tries[:, None] - places, axis=2) - radii[: len(places)]
        gap = gaps.min(axis=1, initial=np.inf)
        places = np.vstack((places, tries[np.argmax(gap)]))
    return places, radii


def flow(state: LampState, config: LampConfig) -> tuple[jax.Array, ...]:
    """Computes the velocity that buoyancy and surface tension drive.

    Returns:
      In widths per second, on the faces along each axis: f32[Nz + 1, Ny, Nx] to the
      back, f32[Nz, Ny + 1, Nx] upwards, f32[Nz, Ny, Nx + 1] to the right.
    """
    wax, temperature = state
    potentials = bodies.potentials(wax, config)
    forces = [
        transport.surface_force(*field, config.cell)
        for field in zip(wax, potentials, strict=True)
    ]
    across, upwards, along = (
        config.surface_tension * sum(parts) for parts in zip(*forces, strict=True)
    )
    lift = config.buoyancy * sum(wax)
    lift = lift * (temperature - config.neutral_temperature)
    return stokes.velocity((across, upwards + grid.mean(lift, 1), along), config.cell)


def step(
    state: LampState,
    config: LampConfig,
    longest: jax.Array | float = 1 / FRAMES_PER_SECOND,
) -> tuple[LampState, jax.Array]:
    """Advances a lamp by as much as the flow allows, at most by `longest` seconds.

    Returns:
      The lamp, and the number of seconds by which it advanced.
    """
    cell, width = config.cell, config.surface_width
    velocity = flow(state, config)
    fastest = functools.reduce(jnp.maximum, [jnp.max(jnp.abs(u)) for u in velocity])
    # `minimum` and `maximum` pass NaN on: a broken flow must not give a valid step.
    seconds = jnp.minimum(longest, MAX_COURANT * cell / jnp.maximum(fastest, 1e-9))

    def carry(field: jax.Array) -> jax.Array:
        return transport.advect(field, velocity, seconds, cell)

    fields = jnp.concatenate([state.wax, state.temperature[None]])
    # A loop: vectorised, its last operation would be repeated for each neighbour below.
    fields = jax.lax.map(carry, fields)
    wax, temperature = fields[:-1], fields[-1]

    # As fast as the flow smears the surface, but no faster than is stable.
    speed = jnp.minimum(fastest, 0.12 * cell**2 / (width * seconds))
    wax = transport.sharpen(wax, speed, width, seconds, cell)

    heating, cooling = _heat_exchange(config)
    warming = config.heat_diffusivity * grid.laplacian(temperature, cell)
    warming = warming + heating * (1 - temperature) - cooling * temperature
    return LampState(wax, temperature + seconds * warming), seconds


def simulate(
    seed: int, *, config: LampConfig = DEFAULT_CONFIG, chunk_size: int = 30
) -> Iterator[LampState]:
    """Simulates a lamp without end, at 30 states a second of film.

    The same seed gives the same film. The warm-up runs before the first chunk.

    Args:
      seed: of the initial state.
      config: the lamp.
      chunk_size: number of states N of a chunk.

    Yields:
      States in order, f32: wax [N, K, Nz, Ny, Nx], temperature [N, Nz, Ny, Nx].

    Raises:
      FloatingPointError: the lamp is no longer finite; the message says when.
    """
    skipped = round(config.warm_up_seconds * FRAMES_PER_SECOND)
    frames = itertools.islice(_frames(seed, config), skipped, None)
    for first in itertools.count(0, chunk_size):
        # Without names here, so that no chunk is kept while the next one is computed.
        yield _checked(_stack(itertools.islice(frames, chunk_size)), seed, first)


def _frames(seed: int, config: LampConfig) -> Iterator[LampState]:
    """Yields the state of each frame from the start, as NumPy arrays.

    The tracker is called before the first frame and after every `tracking_frames`.
    """
    state = initial_state(np.random.default_rng((seed, 0)), config)
    frames = config.tracking_frames
    for call in itertools.count(1):
        rng = np.random.default_rng((seed, call))
        seconds = frames / FRAMES_PER_SECOND
        wax, _ = bodies.track(np.asarray(state.wax), seconds, rng, config)
        state, states = _run_frames(state._replace(wax=wax), frames, config)
        states = jax.tree.map(np.asarray, states)
        for index in range(frames):
            yield jax.tree.map(lambda field, at=index: field[at], states)


@functools.partial(jax.jit, static_argnames=("num_frames", "config"))
def _run_frames(
    state: LampState, num_frames: int, config: LampConfig
) -> tuple[LampState, LampState]:
    """Returns the last state, and the state of each frame."""

    def run_frame(state: LampState, _: None) -> tuple[LampState, LampState]:
        state = _next_frame(state, config)
        return state, state

    return jax.lax.scan(run_frame, state, length=num_frames)


def _next_frame(state: LampState, config: LampConfig) -> LampState:
    """Returns the lamp one frame later, after as many steps as the flow needs.

    All its values are NaN if the flow needs too many steps.
    """
    Carry = tuple[LampState, jax.Array, jax.Array]

    def is_unfinished(carry: Carry) -> jax.Array:
        _, left, steps = carry
        return (left > 0) & (steps < _BROKEN_STEPS_PER_FRAME)

    def advance_once(carry: Carry) -> Carry:
        state, left, steps = carry
        state, seconds = step(state, config, left)
        return state, left - seconds, steps + 1

    start = (state, jnp.float32(1 / FRAMES_PER_SECOND), jnp.int32(0))
    state, left, _ = jax.lax.while_loop(is_unfinished, advance_once, start)
    return jax.tree.map(lambda field: jnp.where(left > 0, jnp.nan, field), state)


def _stack(states: Iterable[LampState]) -> LampState:
    return LampState(*(np.stack(field) for field in zip(*states, strict=True)))


def _checked(states: LampState, seed: int, first: int) -> LampState:
    """Returns states that begin with frame `first`, if all of them are finite."""
    finite = np.isfinite(states.wax).all((1, 2, 3, 4))
    finite &= np.isfinite(states.temperature).all((1, 2, 3))
    if not finite.all():
        seconds = (first + int(np.argmin(finite))) / FRAMES_PER_SECOND
        raise FloatingPointError(
            f"the simulated lamp of seed {seed} is no longer finite after "
            f"{seconds:.1f} s of film"
        )
    return states


def _centres(config: LampConfig) -> tuple[np.ndarray, ...]:
    """Returns z, y and x of the cell centres in widths, each along its axis."""
    return tuple(
        grid.shape_along((np.arange(size) + 0.5) * config.cell, axis, 3)
        for axis, size in enumerate(config.shape)
    )


def _heat_exchange(config: LampConfig) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rates of heating and of cooling, f32[Nz, Ny, Nx], in 1 / second."""
    z, y, x = _centres(config)
    square_distance = (x - 0.5) ** 2 + (z - 0.5) ** 2
    spot = np.exp(-square_distance / config.heater_radius**2)
    heating = config.heating_rate * spot * np.exp(-y / config.heater_reach)
    cooling = config.top_cooling_rate * np.exp(
        (y - config.height) / config.top_cooling_reach
    )
    for across in (x, z):
        from_wall = 0.5 - np.abs(across - 0.5)
        cooling = cooling + config.glass_cooling_rate * np.exp(
            -from_wall / config.glass_cooling_reach
        )
    return heating.astype(np.float32), cooling.astype(np.float32)
