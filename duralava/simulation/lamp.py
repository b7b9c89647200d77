"""The lamp: wax that is heated at the foot, rises, cools at the top and sinks.

Two fluids that do not mix, wax and liquid, fill a closed box of glass, whose depth and
width are one and whose walls let them slip. Lengths are in widths of the glass, times
in seconds of film, temperatures from 0 (the room) to 1 (the heater); forces are divided
by the viscosity, which is one for wax and liquid alike. With c the share of wax, q the
potential of its surface (`transport.chemical_potential`), T the temperature and u the
flow, y up, each step solves

  lap u - grad p + sigma q grad c + B c (T - T_n) e_y = 0,    div u = 0        (Stokes)
  dc/dt + div(u c) = sharpening + M lap q                      (phase field)
  dT/dt + div(u T) = kappa lap T + heating (1 - T) - cooling T                (heat)

Wax expands when it warms, and at T_n it is as heavy as the liquid: the approximation of
Boussinesq, with the expansion of wax and gravity in B (Gyure and Janosi 2009, "Basics
of lava-lamp convection", for the mechanism; Jacqmin 1999 for the force of the surface).
Sharpening is `transport.sharpen`; the term with M (`transport.ripen`) dissolves
droplets too small for the grid. Nothing else touches the wax, so its volume stays what
it was.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from duralava.simulation import grid, stokes, transport

FRAMES_PER_SECOND = 30

# No step moves anything by more than this share of a cell.
_MAX_COURANT = 0.4
_MAX_STEPS_PER_FRAME = 32
# A flow so fast has come apart: it would go on in ever smaller steps for ever.
_BROKEN_STEPS_PER_FRAME = 32 * _MAX_STEPS_PER_FRAME


@dataclasses.dataclass(frozen=True)
class LampConfig:
    """The lamp, its wax and its heater.

    Attributes:
      columns: cells Nx from wall to wall, and Nz from front to back.
      rows: cells Ny from floor to top; the glass is rows / columns widths high.
      warm_up_seconds: film that is thrown away, until the start is forgotten.
      start_temperature: of the liquid; near what it settles at, which would otherwise
        take many minutes.
      wax_share: share of the lamp's volume that is wax.
      surface_cells: width epsilon of the surface, in cells.
      surface_tension: sigma / viscosity, in widths per second.
      wall_contact: cosine of the angle between wax and side walls; -1 for glass that
        repels wax.
      top_contact: the same of the top.
      floor_contact: the same of the floor; 1 where wax clings to it.
      ripening: M, in widths^3 per second.
      buoyancy: B, in 1 / (width second) for a temperature of one.
      neutral_temperature: T_n, at which wax is as heavy as the liquid.
      heat_diffusivity: kappa, in widths^2 per second.
      heating_rate: 1 / second, in the middle of the heater.
      heater_radius: distance from the middle at which heating falls to 1/e, in widths.
      heater_reach: height over the floor at which heating falls to 1/e, in widths.
      top_cooling_rate: 1 / second, at the top.
      top_cooling_reach: depth below the top at which it falls to 1/e, in widths.
      glass_cooling_rate: 1 / second, at the side walls.
      glass_cooling_reach: distance from them at which it falls to 1/e, in widths.

    Raises:
      ValueError: a value outside of its range, or a lamp so stiff or so fast that steps
        of a frame or of a 32nd of one would not be stable.
    """

    columns: int = 24
    rows: int = 48
    warm_up_seconds: float = 80.0
    start_temperature: float = 0.46
    wax_share: float = 0.09
    surface_cells: float = 1.0
    surface_tension: float = 0.054
    wall_contact: float = -1.0
    top_contact: float = 0.8
    floor_contact: float = 1.0
    ripening: float = 3.2e-6
    buoyancy: float = 108.0
    neutral_temperature: float = 0.5
    heat_diffusivity: float = 5.4e-4
    heating_rate: float = 3.0
    heater_radius: float = 0.3
    heater_reach: float = 0.1
    top_cooling_rate: float = 1.6
    top_cooling_reach: float = 0.06
    glass_cooling_rate: float = 0.018
    glass_cooling_reach: float = 0.1

    def __post_init__(self) -> None:
        _check(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells Nz, Ny, Nx of a field."""
        return self.columns, self.rows, self.columns

    @property
    def cell(self) -> float:
        """Size of a cell, in widths of the glass."""
        return 1 / self.columns

    @property
    def height(self) -> float:
        """Height of the glass, in widths."""
        return self.rows / self.columns

    @property
    def surface_width(self) -> float:
        """Width epsilon of the surface, in widths of the glass."""
        return self.surface_cells * self.cell

    @property
    def rayleigh_number(self) -> float:
        """Buoyancy against diffusion of heat over the height: B height^3 / kappa."""
        return self.buoyancy * self.height**3 / self.heat_diffusivity

    @property
    def bond_number(self) -> float:
        """Buoyancy against surface tension over the width: B / sigma."""
        return self.buoyancy / self.surface_tension


def _check(config: LampConfig) -> None:
    """Raises ValueError for a lamp that cannot be, or that cannot be simulated."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not np.isfinite(value) or (value < 0 and not field.name.endswith("contact")):
            raise ValueError(f"{field.name} of a lamp must be finite and >= 0: {value}")
    if config.columns < 4 or config.rows < 4:
        raise ValueError(f"a lamp needs 4 cells each way: {config.shape}")
    for name in ("wall_contact", "top_contact", "floor_contact"):
        if abs(getattr(config, name)) > 1:
            raise ValueError(f"{name} is a cosine: {getattr(config, name)}")
    for name in ("wax_share", "start_temperature", "neutral_temperature"):
        if not 0 < getattr(config, name) < 1:
            raise ValueError(f"{name} must be within (0, 1): {getattr(config, name)}")
    for name in (
        "surface_cells",
        "surface_tension",
        "heater_radius",
        "heater_reach",
        "top_cooling_reach",
        "glass_cooling_reach",
    ):
        if getattr(config, name) == 0:
            raise ValueError(f"{name} must be greater than 0")

    # Explicit steps of a frame: the largest eigenvalue times the step must be below 2.
    cell, width, frame = config.cell, config.surface_width, 1 / FRAMES_PER_SECOND
    stiffness = {
        "heat_diffusivity": config.heat_diffusivity * 12 / cell**2,
        "ripening": config.ripening * 12 / cell**2 * (6 / width + 72 * width / cell**2),
        "heating_rate and cooling rates": config.heating_rate
        + config.top_cooling_rate
        + 2 * config.glass_cooling_rate,
        "surface_tension": config.surface_tension * 6 / (16 * width),
    }
    for name, rate in stiffness.items():
        if rate * frame >= 2:
            raise ValueError(
                f"{name} too large for this grid: {rate * frame:.3g} in a step of "
                f"1/{FRAMES_PER_SECOND} s, where explicit steps are stable below 2"
            )
    # A drop as wide as the glass, as warm as it gets, at the speed of Hadamard (1911)
    # and Rybczynski (1911) for equal viscosities.
    speed = 4 / 15 * 0.5**2 * config.buoyancy
    steps = speed * frame / (_MAX_COURANT * cell)
    if steps > _MAX_STEPS_PER_FRAME:
        raise ValueError(
            f"buoyancy {config.buoyancy:g} could need {steps:.0f} steps a frame on "
            f"this grid (Courant number {_MAX_COURANT}); at most {_MAX_STEPS_PER_FRAME}"
        )


DEFAULT_CONFIG = LampConfig()


class LampState(NamedTuple):
    """What a lamp is at one moment; layer 0 is in front, row 0 at the floor.

    Attributes:
      wax: share of wax in each cell, 0 to 1, f32[Nz, Ny, Nx].
      temperature: 0 (the room) to 1 (the heater), f32[Nz, Ny, Nx].
    """

    wax: jax.Array
    temperature: jax.Array


def initial_state(key: jax.Array, config: LampConfig) -> LampState:
    """Returns a pool of wax at T_n, uneven, at the foot of liquid that is warmed up."""
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
    """Moves a lamp on by as much as the flow allows, at most by `longest` seconds.

    Returns:
      The lamp, and by how many seconds it was moved on.
    """
    cell, width = config.cell, config.surface_width
    velocity = flow(state, config)
    fastest = functools.reduce(jnp.maximum, [jnp.max(jnp.abs(u)) for u in velocity])
    # A flow that is not a number must not end in a step that is.
    seconds = jnp.minimum(longest, _MAX_COURANT * cell / jnp.maximum(fastest, 1e-9))

    def carry(field: jax.Array) -> jax.Array:
        return transport.advect(field, velocity, seconds, cell)

    wax, temperature = jax.vmap(carry)(jnp.stack(state))

    # As fast as the flow smears, as far as an explicit step is stable.
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
    """Runs a lamp for ever, at 30 states a second of film.

    The same seed gives the same film. The warm-up happens before the first chunk.

    Args:
      seed: of the state that the lamp starts in.
      config: the lamp, of the default film if left out.
      chunk_size: number of states N of a chunk.

    Yields:
      States in order, f32[N, Nz, Ny, Nx] each.

    Raises:
      FloatingPointError: the lamp is no longer finite; says since when.
    """
    state = initial_state(jax.random.key(seed), config)
    num_skipped = round(config.warm_up_seconds * FRAMES_PER_SECOND)
    first = 0
    while True:
        state, states = _film(state, num_skipped, chunk_size, config)
        _check_finite(states, first)
        yield states
        num_skipped = 0
        first += chunk_size


@functools.partial(jax.jit, static_argnames=("num_frames", "config"))
def _film(
    state: LampState, num_skipped: jax.Array | int, num_frames: int, config: LampConfig
) -> tuple[LampState, LampState]:
    """Returns the last state, and all states, one a frame, but the first ones.

    The film and what is skipped before it are one loop, as to compile one takes as long
    as to run it for a minute of film.
    """

    def frame(
        index: jax.Array, carry: tuple[LampState, LampState]
    ) -> tuple[LampState, LampState]:
        state = _frame(carry[0], config)
        index = jnp.maximum(index, 0)
        return state, jax.tree.map(lambda f, s: f.at[index].set(s), carry[1], state)

    states = jax.tree.map(lambda s: jnp.zeros((num_frames, *s.shape), s.dtype), state)
    return jax.lax.fori_loop(-num_skipped, num_frames, frame, (state, states))


def _frame(state: LampState, config: LampConfig) -> LampState:
    """Returns the lamp a frame later, in as many steps as the flow asks for.

    Where no number of steps would do, nothing of the lamp is a number.
    """
    Carry = tuple[LampState, jax.Array, jax.Array]

    def is_unfinished(carry: Carry) -> jax.Array:
        _, left, steps = carry
        return (left > 0) & (steps < _BROKEN_STEPS_PER_FRAME)

    def some(carry: Carry) -> Carry:
        state, left, steps = carry
        state, seconds = step(state, config, left)
        return state, left - seconds, steps + 1

    start = (state, jnp.float32(1 / FRAMES_PER_SECOND), jnp.int32(0))
    state, left, _ = jax.lax.while_loop(is_unfinished, some, start)
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
