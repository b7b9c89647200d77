"""The constants of a simulated lamp, checked so that its simulation is stable."""

import dataclasses
import math

FRAMES_PER_SECOND = 30

# No step moves anything by more than this share of a cell.
MAX_COURANT = 0.4
MAX_STEPS_PER_FRAME = 32

_COSINES = ("wall_contact", "top_contact", "floor_contact")
_SHARES = ("wax_share", "start_temperature", "neutral_temperature")
_POSITIVE = (
    "surface_cells",
    "surface_tension",
    "drainage_seconds",
    "coil_drainage_seconds",
    "tracking_seconds",
    "heater_radius",
    "heater_reach",
    "top_cooling_reach",
    "glass_cooling_reach",
)


@dataclasses.dataclass(frozen=True)
class LampConfig:
    """The lamp, its wax and its heater.

    Attributes:
      num_fields: K, fields that hold the wax; bodies of different fields stay apart.
      columns: cells Nx from wall to wall, and Nz from front to back.
      rows: cells Ny from floor to top; the glass is rows / columns widths high.
      warm_up_seconds: film that is discarded, until the initial state is forgotten.
      start_temperature: of the liquid; close to its final mean, which it would
        otherwise take many minutes to reach.
      wax_share: share of the lamp's volume that is wax.
      surface_cells: width epsilon of the surface, in cells.
      surface_tension: sigma / viscosity, in widths per second.
      repulsion: of two fields, r in `bodies.potentials`.
      drainage_seconds: mean time for which two touching bodies stay apart.
      coil_drainage_seconds: the same where they touch within reach of the coil.
      coil_height: height over the floor up to which the coil reaches, in widths.
      coil_radius: distance from the centre up to which it reaches, in widths.
      tracking_seconds: time between two calls of `bodies.track`.
      wall_contact: cosine of the angle between wax and side walls; -1 for glass that
        repels wax.
      top_contact: the same for the top.
      floor_contact: the same for the floor; 1 if wax clings to it.
      buoyancy: B, in 1 / (width second) for a temperature of one.
      neutral_temperature: T_n, at which wax is as heavy as the liquid.
      heat_diffusivity: kappa, in widths^2 per second.
      heating_rate: 1 / second, at the centre of the heater.
      heater_radius: distance from the centre at which heating falls to 1/e, in widths.
      heater_reach: height over the floor at which heating falls to 1/e, in widths.
      top_cooling_rate: 1 / second, at the top.
      top_cooling_reach: depth below the top at which it falls to 1/e, in widths.
      glass_cooling_rate: 1 / second, at the side walls.
      glass_cooling_reach: distance from them at which it falls to 1/e, in widths.

    Raises:
      ValueError: a value is out of its range, or the lamp is so stiff or so fast that
        steps of a frame, or of a 32nd of a frame, would not be stable.
    """

    num_fields: int = 4
    columns: int = 24
    rows: int = 40
    warm_up_seconds: float = 60.0
    start_temperature: float = 0.4
    wax_share: float = 0.172
    surface_cells: float = 0.75
    surface_tension: float = 0.85
    repulsion: float = 1.0
    drainage_seconds: float = 400.0
    coil_drainage_seconds: float = 40.0
    coil_height: float = 0.3
    coil_radius: float = 0.35
    tracking_seconds: float = 0.2
    wall_contact: float = -1.0
    top_contact: float = 0.32
    floor_contact: float = 1.0
    buoyancy: float = 95.0
    neutral_temperature: float = 0.526
    heat_diffusivity: float = 6.5e-4
    heating_rate: float = 5.0
    heater_radius: float = 0.25
    heater_reach: float = 0.06
    top_cooling_rate: float = 2.2
    top_cooling_reach: float = 0.055
    glass_cooling_rate: float = 0.038
    glass_cooling_reach: float = 0.1

    def __post_init__(self) -> None:
        _check_ranges(self)
        _check_stiffness(self)
        _check_speed(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells Nz, Ny, Nx of a field."""
        return self.columns, self.rows, self.columns

    @property
    def tracking_frames(self) -> int:
        """Frames between two calls of the tracker."""
        return max(1, round(self.tracking_seconds * FRAMES_PER_SECOND))

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


def _check_ranges(config: LampConfig) -> None:
    """Raises ValueError for a value that no lamp can have."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not math.isfinite(value) or (value < 0 and field.name not in _COSINES):
            raise ValueError(f"{field.name} of a lamp must be finite and >= 0: {value}")
    if config.num_fields < 2:
        raise ValueError(f"num_fields must be at least 2: {config.num_fields}")
    if config.columns < 4 or config.rows < 4:
        raise ValueError(f"a lamp needs at least 4 cells each way: {config.shape}")
    for name in _COSINES:
        if abs(getattr(config, name)) > 1:
            raise ValueError(f"{name} is a cosine: {getattr(config, name)}")
    for name in _SHARES:
        if not 0 < getattr(config, name) < 1:
            raise ValueError(f"{name} must be within (0, 1): {getattr(config, name)}")
    for name in _POSITIVE:
        if getattr(config, name) == 0:
            raise ValueError(f"{name} must be greater than 0")


def _check_stiffness(config: LampConfig) -> None:
    """Raises ValueError if an explicit step as long as a frame would be unstable.

    The largest eigenvalue of each term times the step must be below 2.
    """
    cell, width = config.cell, config.surface_width
    eigenvalues = {
        "heat_diffusivity": config.heat_diffusivity * 12 / cell**2,
        "heating_rate and cooling rates": config.heating_rate
        + config.top_cooling_rate
        + 2 * config.glass_cooling_rate,
        "surface_tension or repulsion": config.surface_tension
        * (1 + config.repulsion)
        * 6
        / (16 * width),
    }
    for name, eigenvalue in eigenvalues.items():
        product = eigenvalue / FRAMES_PER_SECOND
        if product >= 2:
            raise ValueError(
                f"{name} too large for this grid: {product:.3g} in a step of "
                f"1/{FRAMES_PER_SECOND} s, but explicit steps are stable below 2"
            )


def _check_speed(config: LampConfig) -> None:
    """Raises ValueError if the flow could need more steps than a frame may take.

    The fastest flow is that of a drop as wide as the glass and as warm as possible,
    which rises as Hadamard (1911) and Rybczynski (1911) found for equal viscosities.
    """
    speed = 4 / 15 * 0.5**2 * config.buoyancy
    steps = speed / FRAMES_PER_SECOND / (MAX_COURANT * config.cell)
    if steps > MAX_STEPS_PER_FRAME:
        raise ValueError(
            f"buoyancy {config.buoyancy:g} could need {steps:.0f} steps a frame on "
            f"this grid (Courant number {MAX_COURANT}); at most {MAX_STEPS_PER_FRAME}"
        )


DEFAULT_CONFIG = LampConfig()
