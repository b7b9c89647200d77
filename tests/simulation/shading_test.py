import numpy as np
import pytest

from duralava.simulation import lamp, shading, themes
from duralava.simulation.config import LampConfig

_CONFIG = LampConfig()
_ROWS, _COLUMNS = 48, 24
_WHITE = (1.0, 1.0, 1.0)
_FULL = (12, 24, 12, 100)


def _lamp(*balls, temperature=0.5):
    """A lamp with balls of wax (x, y, z, radius), in cells."""
    z, y, x = np.indices(_CONFIG.shape) + 0.5
    wax = np.zeros((1, *_CONFIG.shape), np.float32)
    for ball_x, ball_y, ball_z, radius in balls:
        distance = np.sqrt((x - ball_x) ** 2 + (y - ball_y) ** 2 + (z - ball_z) ** 2)
        inside = (radius - distance) / _CONFIG.surface_cells
        wax[0] = np.maximum(wax[0], 0.5 + 0.5 * np.tanh(inside / 2))
    return lamp.LampState(wax, np.full_like(wax, temperature))


def _picture(*balls, resolution=128, theme="sunset", **options):
    states = _lamp(*balls, **options)
    frames = shading.shade(states, resolution, config=_CONFIG, theme=theme)
    return np.asarray(frames)[0].astype(int)


@pytest.fixture
def cover(monkeypatch):
    """Draws balls as the share of each pixel that is wax, f64[R, R]."""
    white_on_black = themes.Theme((_WHITE,) * 5, *[themes.BLACK] * 5)
    monkeypatch.setitem(shading.THEMES, "white on black", white_on_black)
    monkeypatch.setattr(shading, "_HALO", 0.0)
    monkeypatch.setattr(shading, "_BACK_HAZE", 0.0)
    monkeypatch.setattr(shading, "_LEAST_OPACITY", 1.0)

    def draw(*balls, resolution=256):
        # The heater glows without wax as well.
        wax, empty = (
            _picture(*some, resolution=resolution, theme="white on black")[..., 0]
            for some in (balls, ())
        )
        return (wax - empty) / 255

    return draw


def _centre(share):
    """Returns the row and column of the centre of mass, in pixels."""
    row, column = np.indices(share.shape) + 0.5
    return (share * row).sum() / share.sum(), (share * column).sum() / share.sum()


@pytest.mark.parametrize("resolution", [32, 33, 64, 100, 512])
def test_shape_dtype_and_mirror_symmetry_of_an_empty_lamp(resolution):
    states = _lamp()
    frames = np.asarray(shading.shade(states, resolution, _CONFIG))
    assert frames.shape == (1, resolution, resolution, 3)
    assert frames.dtype == np.uint8
    assert np.abs(frames.astype(int) - frames[:, :, ::-1]).max() <= 1


def test_mirrored_wax_is_a_mirrored_picture():
    left = _picture((8, 30, 6, 4), (15, 12, 15, 4))
    right = _picture((16, 30, 6, 4), (9, 12, 15, 4))
    assert np.abs(left - right).max() > 50
    assert np.abs(left - right[:, ::-1]).max() <= 1


def test_every_state_of_a_film_is_drawn_independently():
    first, second = _lamp((8, 30, 6, 4)), _lamp((15, 12, 15, 4))
    film = lamp.LampState(
        *(np.concatenate(fields) for fields in zip(first, second, strict=True))
    )
    frames = np.asarray(shading.shade(film, 64, _CONFIG))
    np.testing.assert_array_equal(frames[:1], shading.shade(first, 64, _CONFIG))
    np.testing.assert_array_equal(frames[1:], shading.shade(second, 64, _CONFIG))


def test_the_surroundings_are_black_and_the_glass_is_not():
    empty, full = _picture(), _picture(_FULL)
    for picture in (empty, full):
        for outside in (picture[:, :30], picture[:2], picture[-1:], picture[:64, :32]):
            assert outside.max() == 0
        assert picture[14:114, 44:84].max(axis=-1).min() > 40
    # Wax is brighter than liquid, and the foot is bright without wax.
    assert (full[14:100, 44:84, 0] > empty[14:100, 44:84, 0] + 50).all()
    assert empty[116:120, 64, :2].min() > 150


def test_glass_is_wider_at_the_foot(cover):
    widths = cover(_FULL).sum(axis=1)
    # The rounded foot reduces the taper slightly.
    assert widths.max() / widths[16] == pytest.approx(1.4, rel=0.06)
    assert widths[231] < 0.97 * widths.max()


@pytest.mark.parametrize("ball", [(12, 12, 12, 4), (9, 24, 6, 3.5), (15, 38, 16, 5)])
def test_a_blob_is_drawn_round_in_its_place_and_size(cover, ball):
    x, y, _, radius = ball
    share, widths = cover(ball), cover(_FULL).sum(axis=1)
    row, column = _centre(share)
    cell = widths[int(row)] / _COLUMNS
    assert column - 128 == pytest.approx((x - _COLUMNS / 2) * cell, abs=1)
    # Cells are square: their heights, from the top down, follow from the widths.
    above = (_COLUMNS / widths[widths > widths.max() / 3])[: int(row - 14)].sum()
    assert _ROWS - y == pytest.approx(above, abs=1)
    assert share.sum() == pytest.approx(np.pi * (radius * cell) ** 2, rel=0.06)

    rows, columns = np.indices(share.shape) + 0.5
    squares = [
        (share * (rows - row) ** 2).sum(),
        (share * (columns - column) ** 2).sum(),
    ]
    assert squares[0] / squares[1] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("resolution", [32, 50, 64, 128, 512])
def test_wax_has_the_same_area_at_every_resolution(cover, resolution):
    balls = ((12, 36, 12, 3), (7, 24, 9, 4), (16, 16, 15, 5))
    area, expected = cover(*balls, resolution=resolution).mean(), cover(*balls).mean()
    assert area == pytest.approx(expected, rel=0.02)


def test_edges_are_antialiased(cover):
    across = cover((12, 24, 12, 5), resolution=64)[32]
    # Liquid, one or two partly covered pixels, wax, the same again, liquid.
    partly = (across > 0.05) & (across < 0.95)
    assert 2 <= partly.sum() <= 4
    assert (across > 0.95).sum() >= 4


def test_large_pictures_do_not_show_the_grid(cover):
    share = cover((12.2, 24.1, 12, 5.5), resolution=512)
    row, _ = _centre(share)
    # The width of a disc changes smoothly from row to row: cells are 8 pixels wide.
    widths = share[int(row) - 30 : int(row) + 30].sum(axis=1)
    assert widths.min() > 60
    assert np.abs(np.diff(widths, 2)).max() < 0.5


def _middle(picture):
    return picture[58:70, 60:68]


def test_wax_in_front_is_brighter_than_wax_behind():
    near, middle, far = (
        _middle(_picture((12, 24, z, 4.5))).sum(axis=-1).mean() for z in (5, 12, 19)
    )
    assert near > middle + 10
    assert middle > far + 10


def test_wax_in_front_hides_wax_behind_it():
    front, back = (12, 24, 6, 5), (12, 24, 18, 5)
    alone, both, behind = (
        _middle(_picture(*balls)) for balls in ((front,), (front, back), (back,))
    )
    assert np.abs(both - behind).max() > 20
    assert np.abs(both - alone).max() < 15


def test_thin_wax_lets_the_liquid_shine_through():
    drop, ball = (_picture((12, 24, 12, radius)) for radius in (1.5, 6))
    assert drop[64, 64].sum() < ball[64, 64].sum() - 60


def test_a_blob_stands_out_from_wax_behind_it():
    # Green, from the left into the middle of a ball in front of a wall of wax: wax
    # behind, the darker rim that faces away, the bright middle.
    wall = (12, 24, 127, 110)
    green = _picture((12, 24, 8, 5), wall)[64, 40:65, 1]
    behind = _picture(wall)[64, 40:65, 1]
    assert abs(green[2] - behind[2]) <= 2
    assert green.min() < behind[green.argmin()] - 4
    assert green[-1] > green.min() + 15


def _yellow(picture, rows):
    """Returns green over red in the middle of the lamp: yellow has more than red."""
    return picture[rows, 60:68, 1].mean() / picture[rows, 60:68, 0].mean()


def test_wax_is_lit_from_below():
    low = _picture((12, 5, 12, 4))
    middle = _picture((12, 18, 12, 4))
    high = _picture((12, 42, 12, 4))
    shares = []
    for picture, empty in zip((low, middle, high), (_picture(),) * 3, strict=True):
        row, _ = _centre(np.abs(picture - empty).sum(axis=-1))
        shares.append(_yellow(picture, slice(int(row) - 2, int(row) + 2)))
    assert shares[0] > shares[1] + 0.1
    assert shares[1] > shares[2] + 0.05
    # Far from the heater, the underside is lit.
    tall = _picture((12, 32, 12, 7))
    row, _ = _centre(np.abs(tall - _picture()).sum(axis=-1))
    upper = _yellow(tall, slice(int(row) - 10, int(row) - 6))
    assert _yellow(tall, slice(int(row) + 6, int(row) + 10)) > upper + 0.04


def test_warm_wax_is_brighter():
    cold, warm = (_picture((12, 24, 12, 6), temperature=t) for t in (0.2, 0.8))
    assert warm[60:68, 60:68].sum() > cold[60:68, 60:68].sum() + 500


def test_themes_differ():
    pictures = [_picture((12, 24, 12, 6), theme=theme) for theme in themes.THEMES]
    for i, first in enumerate(pictures):
        for second in pictures[:i]:
            # Wax, and liquid at its side.
            assert np.abs(first[64, 64] - second[64, 64]).max() > 40
            assert np.abs(first[64, 44] - second[64, 44]).max() > 10


def test_unknown_theme_and_resolution_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"'lava'.*sunset, lagoon, .*moonlight$"):
        shading.shade(_lamp(), 64, _CONFIG, theme="lava")
    for resolution in (31, 513):
        with pytest.raises(ValueError, match=f"{resolution}.* 32 to 512"):
            shading.check(resolution)
    shading.check(32)
    shading.check(512, "moonlight")
