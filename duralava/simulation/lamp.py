"""The lamp: wax that is heated at the foot, rises, cools at the top and sinks.

Lengths are in widths of the glass, times in seconds of film, temperatures from 0 (the
room) to 1 (the heater). Forces are divided by the viscosity, which is one for wax and
liquid alike. The wax is K bodies, each with its share c_k of a cell: as in a real lamp,
where a film of liquid keeps blobs apart for long, bodies that touch are seen as one and
part again (Foglino et al. 2017, "Flow of deformable droplets: discontinuous shear
thinning and velocity oscillations"). All of them move with one flow u. With c = sum c_k
and q_k the potential of the surface of body k, each step solves

  lap u - grad p + sum_k sigma q_k grad c_k + B c (T - T_n) e_y = 0,    div u = 0
  dc_k/dt + div(u c_k) = sharpening - M q_k / (6 epsilon) - r c_k max(c - 1, 0) + l_k
  dT/dt + div(u T) = kappa lap T + heating (1 - T) - cooling T

where l_k is what keeps the volume of body k (`transport.restore_volume`). By the term
with M, droplets and films too small for the grid give their wax to the rest of their
body, as in Ostwald ripening; by the term with r, bodies give way to each other. Gravity
and wax expansion are in B, the approximation of Boussinesq.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from duralava.simulation import grid, stokes, transport

FRAMES_PER_SECOND = 30


@dataclasses.dataclass(frozen=True)
class LampConfig:
    """The lamp, its wax and its heater.

    Attributes:
      rows: cells Ny from floor to top; the glass is rows / columns widths high.
      columns: cells Nx from wall to wall.
      steps_per_frame: time steps in a frame of 1/30 s.
      warm_up_seconds: film that is thrown away, until the start is forgotten.
      bodies: share of the lamp's volume that each of the K bodies of wax has.
      surface_cells: width epsilon of the surface, in cells.
      surface_tension: sigma / viscosity, in widths per second.
      wall_contact: cosine of the angle between wax and glass; -1 for glass that
        repels wax.
      floor_contact: the same of the floor; above 0 the wax clings to it.
      overlap_rate: r, 1 / second, at which bodies leave a cell that they overfill.
      ripening: mobility M, in widths^2 per second: a lone surface would move by M
        times its curvature.
      buoyancy: B, in 1 / (width second) for a temperature of one.
      neutral_temperature: T_n, at which wax is as heavy as the liquid.
      heat_diffusivity: kappa, in widths^2 per second.
      heating_rate: 1 / second, in the middle of the heater.
      heater_radius: half width of the heater's spot, in widths.
      heater_reach: height over the floor at which heating falls to 1/e, in widths.
      top_cooling_rate: 1 / second, at the top.
      top_cooling_reach: depth below the top at which it falls to 1/e, in widths.
      glass_cooling_rate: 1 / second, at the side walls.
      glass_cooling_reach: distance from them at which it falls to 1/e, in widths.
    """

    rows: int = 72
    columns: int = 48
    steps_per_frame: int = 4
    warm_up_seconds: float = 40.0
    bodies: tuple[float, ...] = (0.095, 0.06, 0.035, 0.02)
    surface_cells: float = 1.0
    surface_tension: float = 0.3
    wall_contact: float = -0.7
    floor_contact: float = 0.0
    overlap_rate: float = 5.0
    ripening: float = 4e-5
    buoyancy: float = 200.0
    neutral_temperature: float = 0.43
    heat_diffusivity: float = 0.001
    heating_rate: float = 2.0
    heater_radius: float = 0.2
    heater_reach: float = 0.08
    top_cooling_rate: float = 1.0
    top_cooling_reach: float = 0.15
    glass_cooling_rate: float = 0.03
    glass_cooling_reach: float = 0.1

    @property
    def cell(self) -> float:
        """Size of a cell, in widths of the glass."""
        return 1 / self.columns

    @property
    def surface_width(self) -> float:
        """Width epsilon of the surface, in widths of the glass."""
        return self.surface_cells * self.cell

    @property
    def time_step(self) -> float:
        """Length of a step, in seconds."""
        return 1 / (FRAMES_PER_SECOND * self.steps_per_frame)


DEFAULT_CONFIG = LampConfig()


class LampState(NamedTuple):
    """What a lamp is at one moment; row 0 is at the floor.

    Attributes:
      wax: share of each body in each cell, 0 to 1, f32[K, Ny, Nx].
      temperature: 0 (the room) to 1 (the heater), f32[Ny, Nx].
    """

    wax: jax.Array
    temperature: jax.Array


def initial_state(key: jax.Array, config: LampConfig) -> LampState:
    """Returns round bodies one above the other, at random places across, T near T_n."""
    place_key, temperature_key = jax.random.split(key)
    x, y = _centres(config)
    number = len(config.bodies)
    share = jnp.array(config.bodies)[:, None, None]
    height = config.rows * config.cell
    radius = (share * height / jnp.pi) ** 0.5
    across = jax.random.uniform(place_key, (number, 1, 1))
    across = radius + (1 - 2 * radius) * across
    level = (jnp.arange(number)[:, None, None] + 0.5) * height / number
    distance = jnp.hypot(x - across, y - level)
    wax = jax.nn.sigmoid((radius - distance) / config.surface_width)
    noise = jax.random.normal(temperature_key, (config.rows, config.columns))
    return LampState(
        wax=_restore_volumes(wax, config),
        temperature=config.neutral_temperature + 0.02 * noise,
    )


def flow(state: LampState, config: LampConfig) -> tuple[jax.Array, jax.Array]:
    """Computes the velocity that buoyancy and surface tension drive.

    Returns:
      u on x faces f32[Ny, Nx + 1] and v on y faces f32[Ny + 1, Nx], in widths per
      second, slowed down as a whole where a step would cross more than 0.4 cells.
    """
    wax, temperature = state
    cell = config.cell
    total = jnp.sum(wax, axis=0)
    potential = config.surface_tension * _surface_potential(wax, config)
    force_x, force_y = jax.vmap(_surface_force, (0, 0, None))(potential, wax, cell)
    lift = config.buoyancy * total * (temperature - config.neutral_temperature)
    force_x = jnp.sum(force_x, axis=0)
    force_y = jnp.sum(force_y, axis=0) + grid.inner_mean_y(lift)
    stream = stokes.stream_function(stokes.curl(force_x, force_y, cell), cell)
    u, v = stokes.velocity(stream, cell)
    limit = 0.4 * cell / config.time_step
    slowing = jnp.minimum(1.0, limit / (_fastest(u, v) + 1e-9))
    return slowing * u, slowing * v


def step(state: LampState, config: LampConfig) -> LampState:
    """Returns the lamp `config.time_step` seconds later."""
    cell, time_step, width = config.cell, config.time_step, config.surface_width
    u, v = flow(state, config)
    wax = _for_bodies(transport.advect, state.wax, u, v, time_step, cell)
    temperature = transport.advect(state.temperature, u, v, time_step, cell)

    speed = jnp.minimum(_fastest(u, v), 0.2 * cell**2 / (width * time_step))
    wax = _for_bodies(transport.sharpen, wax, speed, width, time_step, cell)
    potential = _surface_potential(wax, config)
    wax = wax - time_step * config.ripening / (6 * width) * potential
    excess = jnp.maximum(jnp.sum(wax, axis=0) - 1, 0)
    wax = wax - time_step * config.overlap_rate * excess * wax
    wax = _restore_volumes(wax, config)

    heating, cooling = _heat_exchange(config)
    warming = config.heat_diffusivity * grid.laplacian(temperature, cell)
    warming = warming + heating * (1 - temperature) - cooling * temperature
    return LampState(wax, temperature + time_step * warming)


def simulate(
    seed: int, *, config: LampConfig = DEFAULT_CONFIG, chunk_size: int = 150
) -> Iterator[LampState]:
    """Runs a lamp for ever, at 30 states a second of film.

    The same seed gives the same film. The warm-up happens before the first chunk.

    Args:
      seed: of the state that the lamp starts in.
      config: the lamp.
      chunk_size: number of states N of a chunk.

    Yields:
      States in order: wax f32[N, K, Ny, Nx], temperature f32[N, Ny, Nx].
    """
    state = initial_state(jax.random.key(seed), config)
    frames = round(config.warm_up_seconds * FRAMES_PER_SECOND)
    state = _warm_up(state, frames, config)
    while True:
        state, states = _film(state, chunk_size, config)
        yield states


@functools.partial(jax.jit, static_argnames=("num_frames", "config"))
def _film(
    state: LampState, num_frames: int, config: LampConfig
) -> tuple[LampState, LampState]:
    """Returns the last state and all of them, one a frame."""

    def frame(state: LampState, _: None) -> tuple[LampState, LampState]:
        state = _frame(state, config)
        return state, state

    return jax.lax.scan(frame, state, None, length=num_frames)


@functools.partial(jax.jit, static_argnames="config")
def _warm_up(state: LampState, num_frames: int, config: LampConfig) -> LampState:
    return jax.lax.fori_loop(0, num_frames, lambda _, s: _frame(s, config), state)


def _frame(state: LampState, config: LampConfig) -> LampState:
    return jax.lax.fori_loop(
        0, config.steps_per_frame, lambda _, s: step(s, config), state
    )


def _centres(config: LampConfig) -> tuple[jax.Array, jax.Array]:
    """Returns x f32[1, Nx] and y f32[Ny, 1] of the cell centres, in widths."""
    x = (jnp.arange(config.columns) + 0.5) * config.cell
    y = (jnp.arange(config.rows) + 0.5) * config.cell
    return x[None, :], y[:, None]


def _heat_exchange(config: LampConfig) -> tuple[jax.Array, jax.Array]:
    """Returns the rates of heating and of cooling, f32[Ny, Nx] each, in 1 / second."""
    x, y = _centres(config)
    height = config.rows * config.cell
    spot = jnp.exp(-(((x - 0.5) / config.heater_radius) ** 2))
    heating = config.heating_rate * spot * jnp.exp(-y / config.heater_reach)
    top = jnp.exp(-(height - y) / config.top_cooling_reach)
    from_wall = 0.5 - jnp.abs(x - 0.5)
    glass = jnp.exp(-from_wall / config.glass_cooling_reach)
    return heating, config.top_cooling_rate * top + config.glass_cooling_rate * glass


def _for_bodies(function: Callable, wax: jax.Array, *arguments: Any) -> jax.Array:
    """Applies a function of one body to each, f32[K, Ny, Nx]."""
    return jax.vmap(lambda body: function(body, *arguments))(wax)


def _restore_volumes(wax: jax.Array, config: LampConfig) -> jax.Array:
    """Gives each body its volume back, f32[K, Ny, Nx]."""
    return jax.vmap(transport.restore_volume)(wax, jnp.array(config.bodies))


def _surface_potential(wax: jax.Array, config: LampConfig) -> jax.Array:
    """Returns q of each body, f32[K, Ny, Nx]."""
    return jax.vmap(
        lambda body: transport.chemical_potential(
            body,
            config.surface_width,
            config.cell,
            wall_contact=config.wall_contact,
            floor_contact=config.floor_contact,
        )
    )(wax)


def _surface_force(
    potential: jax.Array, body: jax.Array, cell: float
) -> tuple[jax.Array, jax.Array]:
    """Returns q grad c on the inner x faces and on the inner y faces."""
    return (
        grid.inner_mean_x(potential) * grid.inner_difference_x(body, cell),
        grid.inner_mean_y(potential) * grid.inner_difference_y(body, cell),
    )


def _fastest(u: jax.Array, v: jax.Array) -> jax.Array:
    return jnp.maximum(jnp.max(jnp.abs(u)), jnp.max(jnp.abs(v)))
