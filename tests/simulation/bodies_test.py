"""Bodies of wax: how fields repel each other, and what the tracker does with them."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest
import scipy.ndimage
from scipy.spatial.distance import cdist

from duralava.simulation import bodies, transport
from duralava.simulation.config import LampConfig

_CONFIG = LampConfig(drainage_seconds=1e9, coil_drainage_seconds=1e9)
_AT_ONCE = dataclasses.replace(
    _CONFIG, drainage_seconds=1e-9, coil_drainage_seconds=1e-9
)
_PAIRS = dataclasses.replace(_CONFIG, num_fields=2)

pytestmark = pytest.mark.usefixtures("quick_compilation")


def _ball(place, radius, config=_CONFIG):
    """A ball around a place z, y, x, in cells."""
    z, y, x = (
        axis - p for axis, p in zip(np.indices(config.shape), place, strict=True)
    )
    depth = radius - np.sqrt(z**2 + y**2 + x**2)
    return (1 / (1 + np.exp(-depth / config.surface_cells))).astype(np.float32)


def _wax(*balls, config=_CONFIG):
    """Fields of wax from balls (field, place, radius)."""
    wax = np.zeros((config.num_fields, *config.shape), np.float32)
    for field, place, radius in balls:
        wax[field] = np.maximum(wax[field], _ball(place, radius, config))
    return wax


def _random_balls(seed, num_fields=2):
    """14 balls at least a cell apart, in some of the fields."""
    rng = np.random.default_rng(seed)
    balls = []
    while len(balls) < 14:
        radius = rng.uniform(1.5, 5)
        place = rng.uniform(radius, np.array(_CONFIG.shape) - radius)
        gaps = [np.linalg.norm(place - p) - radius - r for _, p, r in balls]
        if min(gaps, default=9) > 1:
            balls.append((rng.integers(num_fields), place, radius))
    return _wax(*balls)


def _track(wax, config=_CONFIG, *, seconds=0.2, seed=0):
    return bodies.track(wax, seconds, np.random.default_rng(seed), config)


def _bodies(field):
    """Cells i64[M, 3] of each body of a field that are more than half wax."""
    labels, number = scipy.ndimage.label(field > bodies.LINKED)
    found = [
        np.argwhere((labels == label + 1) & (field > 0.5)) for label in range(number)
    ]
    return [cells for cells in found if len(cells) >= bodies.LEAST_CELLS]


def _count(wax):
    return [len(_bodies(field)) for field in wax]


def _volume(wax):
    return wax.sum(dtype=np.float64)


# Chemical potentials.


def test_a_lone_field_has_the_potential_of_a_single_one():
    wax = _wax((2, (12, 20, 12), 6))
    potentials = bodies.potentials(wax, _CONFIG)
    alone = transport.chemical_potential(
        wax[2],
        _CONFIG.surface_width,
        _CONFIG.cell,
        wall_contact=_CONFIG.wall_contact,
        top_contact=_CONFIG.top_contact,
        floor_contact=_CONFIG.floor_contact,
    )
    np.testing.assert_allclose(potentials[2], alone, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(potentials[0], 0)


def test_repulsion_is_the_slope_of_its_energy():
    """dE/dc_a for E = 6 r / epsilon times the sum of c_a^2 c_b^2 over all pairs."""
    config = dataclasses.replace(_CONFIG, columns=6, rows=6, repulsion=0.7)
    without = dataclasses.replace(config, repulsion=0.0)
    rng = np.random.default_rng(0)
    wax, change = rng.random((2, config.num_fields, *config.shape))

    def energy(wax):
        pairs = itertools.combinations(wax, 2)
        return (
            6
            * 0.7
            / config.surface_width
            * sum((a * a * b * b).sum() for a, b in pairs)
        )

    slope = (energy(wax + 1e-4 * change) - energy(wax - 1e-4 * change)) / 2e-4
    potentials = jax.jit(bodies.potentials, static_argnums=1)
    wax = wax.astype(np.float32)
    repulsion = potentials(wax, config) - potentials(wax, without)
    np.testing.assert_allclose((repulsion * change).sum(), slope, rtol=1e-4)


# Keeping bodies apart.


def test_near_bodies_of_one_field_are_parted_and_the_smaller_one_moves():
    wax = _wax((1, (12, 12, 12), 6), (1, (12, 24, 12), 4))
    assert _count(wax) == [0, 2, 0, 0]
    tracked, events = _track(wax)
    assert (events.moved, events.merged, events.crowded) == (1, 0, 0)
    assert _count(tracked)[1] == 1
    assert sum(_count(tracked)) == 2
    assert len(_bodies(tracked[1])[0]) > 800


def test_bodies_that_are_far_apart_stay_in_their_field():
    wax = _wax((1, (12, 10, 12), 5), (1, (12, 28, 12), 5))
    tracked, events = _track(wax)
    assert events.moved == 0
    assert _count(tracked) == [0, 2, 0, 0]


def test_a_pinched_off_drop_becomes_a_body_of_its_own():
    """A dumb-bell is one body; without its neck it is two, in two fields."""
    z, y, x = np.indices(_CONFIG.shape)
    balls = np.maximum(_ball((12, 12, 12), 6), _ball((12, 25, 12), 5))
    neck = (np.hypot(z - 12, x - 12) < 2) & (y > 12) & (y < 25)
    wax = np.zeros((4, *_CONFIG.shape), np.float32)
    wax[0] = np.where(neck, 1, balls)
    tracked, events = _track(wax)
    assert events.moved == 0
    assert _count(tracked) == [1, 0, 0, 0]
    # A thin thread still holds them together, and then does not.
    for share, number in ((0.3, 1), (0.2, 2)):
        wax[0] = np.where(neck, np.maximum(balls, share), balls)
        tracked, events = _track(wax)
        assert events.moved == number - 1
        assert sum(_count(tracked)) == number
        assert max(_count(tracked)) == 1


def test_a_moved_body_takes_its_surface_along_and_the_sum_stays():
    wax = _wax((1, (12, 12, 12), 6), (1, (12, 25, 12), 5), (3, (12, 20, 22), 4))
    tracked, events = _track(wax, seconds=0)
    assert events.moved == 1
    np.testing.assert_allclose(tracked.sum(axis=0), wax.sum(axis=0), atol=1e-7)
    np.testing.assert_allclose(_volume(tracked), _volume(wax), rtol=1e-6)
    np.testing.assert_array_equal(tracked[3] > 0.5, wax[3] > 0.5)
    moved = np.flatnonzero(np.array(_count(tracked)) > np.array(_count(wax)))
    np.testing.assert_allclose(
        tracked[moved[0]][:, 21:], _ball((12, 25, 12), 5)[:, 21:], atol=0.02
    )


@pytest.mark.parametrize("seed", range(6))
def test_no_bodies_of_a_field_are_nearer_than_allowed(seed):
    """Random balls: 4 steps from cell to cell, one less where a moved surface adds."""
    wax = _random_balls(seed)
    tracked, events = _track(wax, seconds=0)
    assert events.moved > 0
    assert events.crowded == 0
    assert sum(_count(tracked)) == sum(_count(wax))
    for field in tracked:
        for first, second in itertools.combinations(_bodies(field), 2):
            assert cdist(first, second, "cityblock").min() > 3


def test_each_cell_keeps_its_shares_of_wax_in_some_order():
    """As bodies move and merge, with droplets in their way."""
    moved = merged = 0
    for seed in range(20):
        wax = _random_balls(seed, num_fields=4)
        rng = np.random.default_rng(seed)
        for field in wax:
            for place in rng.uniform(0, _CONFIG.shape, (10, 3)):
                field += 0.3 * _ball(place, 1.2)
        wax /= np.maximum(wax.sum(axis=0), 1)
        tracked, events = _track(wax, _AT_ONCE, seconds=1e-6)
        changed = np.abs(np.sort(tracked, axis=0) - np.sort(wax, axis=0))
        assert changed.max() < 1e-4
        moved, merged = moved + events.moved, merged + events.merged
    assert moved > 10
    assert merged > 10


def test_bodies_near_a_body_make_room_for_it():
    """Three in a row, two fields: as the second moves, the third has to as well."""
    places = [(12, 8, 12), (12, 20, 12), (12, 32, 12)]
    wax = _wax(
        *((field, place, 5) for field, place in zip((0, 0, 1), places, strict=True)),
        config=_PAIRS,
    )
    tracked, events = _track(wax, _PAIRS)
    assert events.crowded == 0
    assert sorted(_count(tracked)) == [1, 2]
    middle = [field[12, 20, 12] > 0.5 for field in tracked]
    ends = [field[12, 8, 12] > 0.5 and field[12, 32, 12] > 0.5 for field in tracked]
    assert sorted(middle) == sorted(ends) == [False, True]
    assert middle != ends


def test_bodies_for_which_no_field_is_free_stay_together():
    places = [(12, 12, 7), (12, 12, 17), (12, 20.66, 12)]
    wax = _wax(
        *((field, place, 4) for field, place in zip((0, 0, 1), places, strict=True)),
        config=_PAIRS,
    )
    tracked, events = _track(wax, _PAIRS, seconds=0)
    assert (events.moved, events.crowded) == (0, 1)
    np.testing.assert_array_equal(tracked, wax)


# Merging.


def _touching(height, gap=0.0):
    """Two balls of two fields, one beside the other at a height in cells."""
    half = 4 + gap / 2
    return _wax((0, (12, height, 11.5 - half), 4), (2, (12, height, 11.5 + half), 4))


@pytest.mark.parametrize(
    ("config", "number"), [(_CONFIG, [1, 0, 1, 0]), (_AT_ONCE, [1, 0, 0, 0])]
)
def test_bodies_that_touch_merge_once_the_film_has_drained(config, number):
    tracked, events = _track(_touching(20), config)
    assert events.merged == (config is _AT_ONCE)
    assert sorted(_count(tracked)) == sorted(number)
    np.testing.assert_allclose(_volume(tracked), _volume(_touching(20)), rtol=1e-6)


def test_bodies_that_do_not_touch_never_merge():
    tracked, events = _track(_touching(20, gap=5.0), _AT_ONCE)
    assert events.merged == 0
    assert _count(tracked) == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("height", "drainage"), [(20, 3.0), (5, 0.5)], ids=["above", "at the coil"]
)
def test_a_film_drains_in_its_mean_time_and_faster_at_the_coil(height, drainage):
    """The share of films left after t seconds is exp(-t / drainage time)."""
    config = dataclasses.replace(
        _CONFIG, drainage_seconds=3.0, coil_drainage_seconds=0.5
    )
    wax = _touching(height)
    rng = np.random.default_rng(0)
    merged = [bodies.track(wax, 0.4, rng, config)[1].merged for _ in range(400)]
    share = 1 - np.exp(-0.4 / drainage)
    tolerance = 3 * np.sqrt(share * (1 - share) / 400)
    np.testing.assert_allclose(np.mean(merged), share, atol=tolerance)


def test_the_coil_reaches_as_far_as_it_says():
    config = dataclasses.replace(_AT_ONCE, drainage_seconds=1e9, coil_radius=0.2)
    assert _track(_touching(4), config)[1].merged == 1
    assert _track(_touching(12), config)[1].merged == 0
    aside = np.roll(_touching(4), 8, axis=1)
    assert _track(aside, config)[1].merged == 0


def test_a_body_near_two_that_merge_is_kept_apart_from_them():
    """The third is in the field into which one of the others would move."""
    wax = _touching(20) + _wax((2, (12, 31, 7.5), 4))
    config = dataclasses.replace(_AT_ONCE, coil_drainage_seconds=1e9)
    wax[2], wax[3] = _wax((0, (12, 20, 15.5), 4))[0], _wax((0, (12, 31, 7.5), 4))[0]
    tracked, events = _track(wax, config)
    assert events.merged >= 1
    assert events.crowded == 0
    assert sum(_count(tracked)) == 3 - events.merged


# Dissolving.


@pytest.mark.parametrize("radius", [1.2, 0.8])
def test_a_droplet_dissolves_into_the_bodies(radius):
    """It loses the share 1 - exp(-t / 2 s); nobody else does, and no wax is lost."""
    body, droplet = _wax((1, (12, 30, 12), 6)), _wax((1, (12, 6, 12), radius))
    tracked, events = _track(body + droplet, seconds=1.0)
    share = np.exp(-0.5)
    lower = np.s_[:, :, :16]
    np.testing.assert_allclose(
        _volume(tracked[lower]), share * _volume(droplet[lower]), rtol=0.05
    )
    np.testing.assert_allclose(
        events.dissolved, (1 - share) * _volume(droplet), rtol=0.1
    )
    np.testing.assert_allclose(_volume(tracked), _volume(body + droplet), rtol=1e-6)
    # It condenses at the surface: no cell changes by much, none overflows.
    upper = np.s_[:, :, 20:]
    assert np.abs(tracked[upper] - (body + droplet)[upper]).max() < 0.02
    assert tracked.max() <= 1


def test_a_body_alone_stays_as_it_is():
    wax = _wax((1, (12, 20, 12), 6))
    tracked, events = _track(wax)
    assert events.moved == events.merged == events.crowded == 0
    np.testing.assert_allclose(tracked, wax, atol=1e-3)


def test_a_lamp_without_bodies_stays_as_it_is():
    wax = np.full((4, *_CONFIG.shape), 0.1, np.float32)
    tracked, _ = _track(wax)
    np.testing.assert_array_equal(tracked, wax)


def test_the_same_generator_gives_the_same_wax_and_the_argument_stays():
    wax = _touching(20) + _wax((1, (12, 6, 12), 1.2))
    before = wax.copy()
    config = dataclasses.replace(_CONFIG, drainage_seconds=0.3)
    first, again = (_track(wax, config, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    np.testing.assert_array_equal(wax, before)
    merged = {_track(wax, config, seed=seed)[1].merged for seed in range(20)}
    assert merged == {0, 1}
