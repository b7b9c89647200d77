import jax.numpy as jnp
import numpy as np
import pytest

from duralava.simulation import lamp, shading

_CONFIG = lamp.LampConfig()


def _lamps(*positions, radius=0.2):
    """Lamps at an even temperature, each with a disc at (x, y), or with no wax."""
    x = (np.arange(_CONFIG.columns) + 0.5) * _CONFIG.cell
    y = (np.arange(_CONFIG.rows)[:, None] + 0.5) * _CONFIG.cell
    shape = (len(positions), 1, _CONFIG.rows, _CONFIG.columns)
    wax = np.zeros(shape, np.float32)
    for index, position in enumerate(positions):
        if position is not None:
            distance = radius - np.hypot(x - position[0], y - position[1])
            wax[index] = 1 / (1 + np.exp(-distance / _CONFIG.surface_width))
    temperature = jnp.full((len(positions), _CONFIG.rows, _CONFIG.columns), 0.4)
    return lamp.LampState(jnp.asarray(wax), temperature)


@pytest.mark.parametrize("resolution", [32, 64, 200])
def test_shape_dtype_and_mirror_symmetry_of_an_empty_lamp(resolution):
    frames = np.asarray(shading.shade(_lamps(None, None), resolution))
    assert frames.shape == (2, resolution, resolution, 3)
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames[0], frames[1])
    difference = frames[0].astype(int) - frames[0][:, ::-1]
    assert np.abs(difference).max() <= 1


def test_mirrored_wax_is_a_mirrored_picture():
    left, right = np.asarray(shading.shade(_lamps((0.3, 0.9), (0.7, 0.9)), 64))
    assert np.abs(left.astype(int) - right).max() > 50
    assert np.abs(left.astype(int) - right[:, ::-1]).max() <= 1


def test_outside_of_the_lamp_is_black_and_its_glass_is_not():
    full, empty = np.asarray(shading.shade(_lamps((0.5, 0.75), None, radius=5.0), 128))
    for frame in (full, empty):
        for outside in (frame[:, :16], frame[:, -16:], frame[:1], frame[:40, :28]):
            assert outside.max() == 0
        lit = frame[16:110, 44:84].max(axis=-1)
        assert lit.min() > 40
    # Wax glows more than liquid.
    assert (full[16:110, 44:84, 0] > empty[16:110, 44:84, 0] + 50).all()


def _wax_area(resolution):
    """Area of a disc of wax as a share of the picture, from partly covered pixels."""
    disc, empty = np.asarray(
        shading.shade(_lamps((0.5, 0.75), None), resolution), np.float64
    )
    return np.clip((disc - empty)[..., 0] / 150, 0, 1).mean()


def test_area_of_wax_is_the_same_at_every_resolution():
    fine = _wax_area(256)
    # A disc of radius 0.2 in a glass one width wide, which is about 0.57 pictures.
    np.testing.assert_allclose(fine, np.pi * 0.2**2 * 0.57**2, rtol=0.15)
    for resolution in (48, 64, 128):
        np.testing.assert_allclose(_wax_area(resolution), fine, rtol=0.06)


def test_edges_are_antialiased():
    disc, empty = np.asarray(shading.shade(_lamps((0.5, 0.75), None), 64)).astype(int)
    red = (disc - empty)[32, :, 0]
    # Across the lamp: liquid, part of a pixel or two, wax, the same again, liquid.
    partly = (red > 15) & (red < 130)
    assert 2 <= partly.sum() <= 6


def test_a_blob_is_drawn_where_it_is():
    low, high, empty = np.asarray(
        shading.shade(_lamps((0.5, 0.4), (0.5, 1.2), None), 64)
    ).astype(int)
    rows = np.arange(64)[:, None]

    def centre(frame):
        wax = (frame - empty)[..., 0].clip(0)
        return (wax * rows).sum() / wax.sum()

    assert centre(low) - centre(high) == pytest.approx(0.8 / 1.5 * 0.86 * 64, abs=2)
