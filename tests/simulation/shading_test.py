import dataclasses
import functools
import itertools

import jax
import numpy as np
import pytest

from duralava.simulation import bodies, canvas, lamp, shading, themes
from duralava.simulation.config import LampConfig

_CONFIG = LampConfig(rows=48)
_STOUT = LampConfig(rows=40)
_ROWS, _COLUMNS = 48, 24
_WHITE = (1.0, 1.0, 1.0)
_FULL = (12, 24, 12, 100)


def _lamp(*balls, temperature=0.5, config=_CONFIG):
    """A lamp with balls of wax (x, y, z, radius), in cells, in a single field."""
    return _lamp_of_fields([balls], temperature=temperature, config=config)


def _lamp_of_fields(fields, temperature=0.5, config=_CONFIG):
    """A lamp with a list of balls (x, y, z, radius), in cells, for each field."""
    z, y, x = np.indices(config.shape) + 0.5
    wax = np.zeros((1, len(fields), *config.shape), np.float32)
    for field, balls in zip(wax[0], fields, strict=True):
        for ball_x, ball_y, ball_z, radius in balls:
            square = (x - ball_x) ** 2 + (y - ball_y) ** 2 + (z - ball_z) ** 2
            inside = (radius - np.sqrt(square)) / config.surface_cells
            field[:] = np.maximum(field, 0.5 + 0.5 * np.tanh(inside / 2))
    return lamp.LampState(wax, np.full_like(wax[:, 0], temperature))


def _draw(states, resolution=128, theme="sunset", config=_CONFIG):
    return np.asarray(shading.shade(states, resolution, config, theme))[0].astype(int)


def _picture(*balls, resolution=128, theme="sunset", config=_CONFIG, **options):
    return _draw(_lamp(*balls, config=config, **options), resolution, theme, config)


@pytest.fixture
def cover(monkeypatch):
    """Draws balls as the share of each pixel that is wax, f64[R, R]."""
    white_on_black = themes.Theme((_WHITE,) * 5, *[themes.BLACK] * 6)
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


@pytest.mark.parametrize("resolution", [32, 33, 64, 100, 512, 1024])
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


def test_strips_of_a_picture_fit_together(monkeypatch):
    balls = (8, 30, 6, 5), (15, 12, 15, 4)
    strips = canvas.frame(256, _ROWS, _COLUMNS).strips
    in_strips = _picture(*balls, resolution=256)
    canvas.frame.cache_clear()
    monkeypatch.setattr(canvas, "_MAX_STRIP", 10**9)
    assert canvas.frame(256, _ROWS, _COLUMNS).strips == 1 < strips
    at_once = _picture(*balls, resolution=256)
    canvas.frame.cache_clear()
    assert np.abs(in_strips - at_once).max() <= 1


def test_a_stout_lamp_fills_the_picture():
    lit = _picture(_FULL, config=_STOUT).max(axis=-1) > 40
    rows, columns = (np.flatnonzero(lit.any(axis=axis)) for axis in (1, 0))
    assert rows[-1] - rows[0] >= 0.88 * 128
    assert columns[-1] - columns[0] >= 0.58 * 128


def test_the_surroundings_are_black_and_the_glass_is_not():
    empty, full = _picture(), _picture(_FULL)
    for picture in (empty, full):
        for outside in (picture[:, :30], picture[:2], picture[-1:], picture[:64, :32]):
            assert outside.max() == 0
        assert picture[14:114, 44:84].max(axis=-1).min() > 40
    # Wax is brighter than liquid, and the foot is bright without wax.
    assert (full[14:100, 44:84, 0] > empty[14:100, 44:84, 0] + 50).all()
    assert empty[116:120, 64, :2].min() > 150


def test_liquid_is_dark_in_the_middle_and_violet_at_the_sides():
    # From the left edge of the glass to its middle.
    red, green, blue = _picture(resolution=256)[128, 71:129].T
    for colour in (red, blue):
        assert colour[:8].min() > colour[-1] + 25
    assert (blue[:8] > 3 * green[:8]).all()
    # The glass reflects most a little beside its edge.
    streak = red[4:12].argmax() + 4
    assert red[streak] > max(red[streak - 3], red[streak + 3]) + 3


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


@pytest.mark.parametrize("resolution", [32, 50, 64, 128, 512, 1024])
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


def test_the_number_of_a_field_does_not_matter():
    first, second, third = (8, 30, 6, 5), (14, 24, 12, 5), (12, 10, 3, 6)
    pictures = [
        _draw(_lamp_of_fields(fields))
        for fields in ([[first], [second, third]], [[third, second], [first]])
    ]
    np.testing.assert_array_equal(*pictures)
    alone = _draw(_lamp_of_fields([[first, third], []]))
    np.testing.assert_array_equal(alone, _picture(first, third))


@pytest.mark.parametrize("resolution", [64, 256])
@pytest.mark.parametrize("direction", [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0.6, 0, 0.8)])
def test_moving_a_body_to_another_field_cannot_be_seen(direction, resolution):
    # The two bodies are 3 cells apart. The second one moves with all its cells.
    middle, radius = np.array([12, 24, 12]), 4
    first, second = (
        middle + side * (radius + 1.5) * np.array(direction) for side in (-1, 1)
    )
    states = _lamp_of_fields([[(*first, radius), (*second, radius)], []])
    z, y, x = np.indices(_CONFIG.shape) + 0.5
    place = np.stack([x, y, z], axis=-1)
    moved = (place - middle) @ np.array(direction) > 0
    wax = states.wax.copy()
    wax[0, 1], wax[0, 0] = np.where(moved, wax[0, 0], 0), np.where(moved, 0, wax[0, 0])
    before, after = (
        _draw(states._replace(wax=some), resolution) for some in (states.wax, wax)
    )
    assert np.abs(before - after).max() <= 1
    # The bodies are seen.
    assert np.abs(before - _picture(resolution=resolution)).max() > 100


# A small lamp with much going on, and the same one in which all films drain at once.
_LIVELY = LampConfig(
    columns=16,
    rows=26,
    warm_up_seconds=0,
    surface_tension=0.65,
    buoyancy=85,
    heating_rate=3.6,
    heater_reach=0.1,
    drainage_seconds=180,
    coil_drainage_seconds=8,
)
_DRAINED = dataclasses.replace(
    _LIVELY, drainage_seconds=1e-9, coil_drainage_seconds=1e-9
)


@functools.cache
def _tracked():
    """States of simulated lamps before calls of the tracker."""
    frames = _LIVELY.tracking_frames
    states = []
    for seed in (1, 2, 3):
        chunks = lamp.simulate(seed, config=_LIVELY, chunk_size=frames)
        for chunk in itertools.islice(chunks, 20, 110):
            states.append(jax.tree.map(lambda field: field[-1], chunk))
    return states


def _changes(config, seconds):
    """Which of these lamps the tracker changes, before and after: lists of states."""
    before, after = [], []
    for state in _tracked():
        rng = np.random.default_rng(0)
        wax, events = bodies.track(state.wax, seconds, rng, config)
        # Without time, nothing drains or dissolves: the sum of all fields stays.
        np.testing.assert_allclose(wax.sum(axis=0), state.wax.sum(axis=0), atol=1e-5)
        if events.moved or events.merged:
            before.append(state)
            after.append(state._replace(wax=wax))
    return before, after


def _differences(before, after, resolution):
    """Largest difference of the two pictures of each pair of states, in grey levels."""
    first, second = (
        np.asarray(
            shading.shade(
                jax.tree.map(lambda *fields: np.stack(fields), *states),
                resolution,
                _LIVELY,
            )
        ).astype(int)
        for states in (before, after)
    )
    return np.abs(first - second).max(axis=(1, 2, 3))


@pytest.mark.parametrize("resolution", [64, 256])
def test_the_tracker_moves_bodies_of_a_film_unseen(resolution):
    before, after = _changes(_LIVELY, 0)
    assert len(before) >= 3
    assert _differences(before, after, resolution).max() <= 1


def test_what_follows_a_move_is_no_jump_either():
    """A frame later, a moved body looks much as if it had stayed in its field."""
    step = jax.jit(lamp.step, static_argnames="config")
    lamps = (
        [step(state, _LIVELY)[0] for state in states] for states in _changes(_LIVELY, 0)
    )
    assert _differences(*lamps, 256).max() <= 24


def test_two_bodies_merge_without_a_jump():
    """It changes less than the motion of one frame; the crease fades afterwards."""
    before, after = _changes(_DRAINED, 1e-6)
    assert len(before) >= 10
    step = jax.jit(lamp.step, static_argnames="config")
    frame_later = [step(state, _DRAINED)[0] for state in before]
    motion = np.median(_differences(before, frame_later, 256))
    assert _differences(before, after, 256).max() <= motion / 2


def _pressed_together(num_fields):
    """Two balls, side by side, that are flat where they touch."""
    left, right = _lamp_of_fields([[(8, 24, 9, 5.5)], [(16, 24, 9, 5.5)]]).wax[0]
    if num_fields == 1:
        wax = np.maximum(left, right)[None]
    else:
        x = np.arange(24) + 0.5
        half = 0.5 + 0.5 * np.tanh((12 - x) / 2)
        wax = np.stack([np.minimum(left, half), np.minimum(right, 1 - half)])
    return lamp.LampState(wax[None], np.full_like(wax[:1], 0.5))


def test_a_crease_parts_bodies_that_touch():
    parted, merged = (_draw(_pressed_together(n)).sum(axis=-1) for n in (2, 1))
    row = 60
    crease, side = slice(62, 66), slice(52, 57)
    assert parted[row, crease].max() < merged[row, crease].min()
    assert parted[row, crease].max() < parted[row, side].min() - 20
    # Away from the crease, both are drawn alike.
    assert np.abs(parted[row, side] - merged[row, side]).max() <= 10


def test_an_edge_parts_bodies_that_overlap():
    # From the middle of the front ball to that of the other one, on the right.
    front, back = (10, 24, 6, 5), (15, 24, 16, 5)
    across = _draw(_lamp_of_fields([[front], [back]]))[61, 59:74].sum(axis=-1)
    edge = across.argmin()
    assert 9 <= edge <= 12
    assert across[edge] < across[edge - 2] - 20
    assert across[edge] < across[edge + 2] - 12


def _outlined(picture):
    """Returns row, column and radius of the only ball in a picture, in pixels."""
    resolution = len(picture)
    changed = np.abs(picture - _picture(resolution=resolution)).sum(axis=-1) > 60
    row, column = _centre(changed)
    return row, column, np.sqrt(changed.sum() / np.pi)


@pytest.mark.parametrize("ball", [(12, 24, 3, 7), (12, 24, 0, 5), (12, 30, 5, 6)])
def test_a_ball_against_the_front_glass_has_no_dent(ball):
    picture = _picture(ball, resolution=256)
    row, column, radius = (round(value) for value in _outlined(picture))
    bright, half = picture.sum(axis=-1), radius // 2
    middle = bright[row, column]
    assert middle >= bright[row, [column - half, column + half]].max()
    # Light from below brightens the lower half.
    assert middle >= bright[[row - half, row + half], column].mean()


def test_a_ball_is_brightest_where_it_faces_the_light():
    # The light comes from the front and from below, and increases towards the heater
    # and the front. On a ball of radius R it is largest R sin(angle) below the centre.
    x, y, z, radius = 12, 28, 9, 7
    at_floor, at_top = shading._FACING_DOWN_LIGHT
    down = at_floor + (at_top - at_floor) * y / _ROWS
    down += canvas._LOW_LIGHT * radius / _ROWS
    front = shading._FACING_VIEWER_LIGHT + shading._BACK_DIMMING * radius / _COLUMNS
    lower = radius * down / np.hypot(down, front)

    picture = _picture((x, y, z, radius), resolution=256)
    row, column, size = _outlined(picture)
    rows, columns = np.indices(picture.shape[:2])
    inside = np.hypot(rows - row, columns - column) < size
    bright = np.where(inside, picture.sum(axis=-1), 0)
    found_row, found_column = _centre(bright > bright.max() - 5)
    assert (found_row - row) * radius / size == pytest.approx(lower, abs=0.5)
    assert found_column == pytest.approx(column, abs=1)


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
    for resolution in (31, 1025):
        with pytest.raises(ValueError, match=f"{resolution}.* 32 to 1024"):
            shading.check(resolution)
    shading.check(32)
    shading.check(1024, "moonlight")
