import numpy as np
import pytest

from duralava.simulation.config import LampConfig


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"buoyancy": float("nan")}, "buoyancy .* finite"),
        ({"heat_diffusivity": -1e-4}, "heat_diffusivity .* >= 0"),
        ({"columns": 3}, "4 cells"),
        ({"rows": 3}, "4 cells"),
        ({"wall_contact": -1.1}, "wall_contact is a cosine"),
        ({"top_contact": 2.0}, "top_contact is a cosine"),
        ({"floor_contact": float("inf")}, "floor_contact .* finite"),
        ({"wax_share": 0.0}, "wax_share"),
        ({"wax_share": 1.0}, "wax_share"),
        ({"neutral_temperature": 1.5}, "neutral_temperature"),
        ({"surface_cells": 0.0}, "surface_cells"),
        ({"surface_tension": 0.0}, "surface_tension"),
        ({"heater_radius": 0.0}, "heater_radius"),
        ({"heater_reach": 0.0}, "heater_reach"),
        ({"top_cooling_reach": 0.0}, "top_cooling_reach"),
        ({"glass_cooling_reach": 0.0}, "glass_cooling_reach"),
        ({"heat_diffusivity": 1e-2}, "heat_diffusivity too large"),
        ({"surface_cells": 0.02}, "surface_tension or repulsion too large"),
        ({"num_fields": 1}, "num_fields must be at least 2"),
        ({"repulsion": -1.0}, "repulsion .* >= 0"),
        ({"repulsion": 100.0}, "surface_tension or repulsion too large"),
        ({"drainage_seconds": 0.0}, "drainage_seconds"),
        ({"drainage_seconds": -1.0}, "drainage_seconds .* >= 0"),
        ({"coil_drainage_seconds": 0.0}, "coil_drainage_seconds"),
        ({"tracking_seconds": 0.0}, "tracking_seconds"),
        ({"coil_height": -0.1}, "coil_height .* >= 0"),
        ({"coil_radius": float("nan")}, "coil_radius .* finite"),
        ({"heating_rate": 60.0}, "heating_rate .* too large"),
        ({"top_cooling_rate": 60.0}, "cooling .* too large"),
        ({"glass_cooling_rate": 30.0}, "cooling .* too large"),
        ({"surface_tension": 10.0}, "surface_tension or repulsion too large"),
        ({"buoyancy": 1e4}, "buoyancy .* steps a frame"),
    ],
)
def test_lamps_that_cannot_be_are_refused(changes, line):
    with pytest.raises(ValueError, match=line) as error:
        LampConfig(**changes)
    assert "\n" not in str(error.value)


def test_rayleigh_and_bond_number():
    config = LampConfig(
        columns=12,
        rows=36,
        buoyancy=40.0,
        heat_diffusivity=1e-3,
        surface_tension=0.05,
    )
    assert config.height == 3
    np.testing.assert_allclose(config.rayleigh_number, 40 * 27 / 1e-3)
    np.testing.assert_allclose(config.bond_number, 800)


@pytest.mark.parametrize(("seconds", "frames"), [(0.2, 6), (0.25, 8), (0.001, 1)])
def test_the_tracker_is_called_between_frames(seconds, frames):
    assert LampConfig(tracking_seconds=seconds).tracking_frames == frames
