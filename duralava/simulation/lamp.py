"""The lamp: wax that is heated at the floor, rises, cools at the top and sinks.

Two fluids that do not mix, wax and liquid, fill a closed box of glass. Its depth and
width are one, and its walls let the fluids slip. Lengths are in widths of the glass,
times in seconds of film, temperatures from 0 (the room) to 1 (the heater). Forces are
divided by the viscosity, which is one for both wax and liquid. With c the share of wax,
q the potential of its surface (`transport.chemical_potential`), T the temperature and u
the flow, y up, each step solves

  lap u - grad p + sigma q grad c + B c (T - T_n) e_y = 0,    div u = 0        (Stokes)
  dc/dt + div(u c) = sharpening + M lap q                      (phase field)
  dT/dt + div(u T) = kappa lap T + heating (1 - T) - cooling T                (heat)

Wax expands when it warms, and at T_n it is as heavy as the liquid: the Boussinesq
approximation, with the expansion of wax and gravity in B (Gyure and Janosi 2009,
"Basics of lava-lamp convection", for the mechanism; Jacqmin 1999 for the force of the
surface). Sharpening is `transport.sharpen`; the term with M (`transport.ripen`)
dissolves droplets that are too small for the grid. Nothing else changes the wax, so its
volume is conserved.
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from duralava.simulation import grid, stokes, transport
from duralava.simulation.config import (
    DEFAULT_CONFIG,
    FRAMES_PER_SECOND,
    MAX_COURANT,
    MAX_STEPS_PER_FRAME,
    LampConfig,
)

# A flow that needs more steps has become unstable: its steps would shrink without end.
_BROKEN_STEPS_PER_FRAME = 32 * MAX_STEPS_PER_FRAME


class LampState(NamedTuple):
    """The state of a lamp at one moment; layer 0 is in front, row 0 at the floor.

    Attributes:
      wax: share of wax in each cell, 0 to 1, f32[Nz, Ny, Nx].
      temperature: 0 (the room) to 1 (the heater), f32[Nz, Ny, Nx].
    """

    wax: jax.Array
    temperature: jax.Array


def initial_state(key: jax.Array, config: LampConfig) -> LampState:
    """Returns an uneven pool of wax at T_n, below liquid at the start temperature."""
    surface_key, temperature_key = jax.random.split(key)
    _, y, _ = _centres(config)
    layers, _, columns = config.shape
    level = config.wax_share * config.height
    waves = 0.05 * jax.random.normal(surface_key, (layers, 1, columns))
    noise = 0.05 * jax.random.normal(temperature_key, config.shape)
    wax = jax.nn.sigmoid((level + waves - y) / config.surface_width)
    warmth = config.start_temperature
    warmth = warmth + (config.neutral_temperature - warmth) * wax
    return LampState(wax, warmth + noise)


def flow(state: LampState, config: LampConfig) -> tuple[jax.Array, ...]:
    """Computes the velocity that buoyancy and surface tension drive.

    Returns:
      In widths per second, on the faces along each axis: f32[Nz + 1, Ny, Nx] to the
      back, f32[Nz, Ny + 1, Nx] upwards, f32[Nz, Ny, Nx + 1] to the right.
    """
    wax, temperature = state
    force = transport.surface_force(wax, _potential(wax, config), config.cell)
    across, upwards, along = (config.surface_tension * f for f in force)
    lift = config.buoyancy * wax * (temperature - config.neutral_temperature)
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

    wax, temperature = jax.vmap(carry)(jnp.stack(state))

    # As fast as the flow smears the surface, but no faster than is stable.
    speed = jnp.minimum(fastest, 0.12 * cell**2 / (width * seconds))
    wax = transport.sharpen(wax, speed, width, seconds, cell)
    wax = transport.ripen(wax, _potential(wax, config), config.ripening, seconds, cell)

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
      States in order, f32[N, Nz, Ny, Nx] each.

    Raises:
      FloatingPointError: the lamp is no longer finite; the message says when.
    """
    state = initial_state(jax.random.key(seed), config)
    num_skipped = round(config.warm_up_seconds * FRAMES_PER_SECOND)
    first = 0
    while True:
        state, states = _run_frames(state, num_skipped, chunk_size, config)
        _check_finite(states, first)
        yield states
        num_skipped = 0
        first += chunk_size


@functools.partial(jax.jit, static_argnames=("num_frames", "config"))
def _run_frames(
    state: LampState, num_skipped: jax.Array | int, num_frames: int, config: LampConfig
) -> tuple[LampState, LampState]:
    """Returns the last state, and the state of each frame after the skipped ones.

    Skipped and returned frames share one loop, because compiling a loop takes as long
    as simulating a minute of film.
    """

    def run_frame(
        index: jax.Array, carry: tuple[LampState, LampState]
    ) -> tuple[LampState, LampState]:
        state = _next_frame(carry[0], config)
        index = jnp.maximum(index, 0)
        return state, jax.tree.map(lambda f, s: f.at[index].set(s), carry[1], state)

    states = jax.tree.map(lambda s: jnp.zeros((num_frames, *s.shape), s.dtype), state)
    return jax.lax.fori_loop(-num_skipped, num_frames, run_frame, (state, states))


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


def _check_finite(states: LampState, first: int) -> None:
    finite = np.isfinite(states.wax).all((1, 2, 3))
    finite &= np.isfinite(states.temperature).all((1, 2, 3))
    if not finite.all():
        seconds = (first + int(np.argmin(finite))) / FRAMES_PER_SECOND
        raise FloatingPointError(
            f"the simulated lamp is no longer finite after {seconds:.1f} s of film"
        )


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


def _potential(wax: jax.Array, config: LampConfig) -> jax.Array:
    return transport.chemical_potential(
        wax,
        config.surface_width,
        config.cell,
        wall_contact=config.wall_contact,
        top_contact=config.top_contact,
        floor_contact=config.floor_contact,
    )
