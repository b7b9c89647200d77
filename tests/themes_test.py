import base64
import itertools
import json

import jax
import numpy as np
import pytest

from duralava import simulation, themes
from duralava.simulation import lamp as physical_lamp
from duralava.simulation import shading


def test_classic_comes_first_and_the_themes_of_the_simulation_are_among_them():
    assert next(iter(themes.THEMES)) == themes.DEFAULT == "classic"
    assert set(simulation.THEMES) < set(themes.THEMES)


def test_classic_changes_nothing():
    frames = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
    np.testing.assert_array_equal(themes.recolour(frames, "classic"), frames)
    assert themes.table("classic") is None


def other_themes():
    return [name for name in themes.THEMES if name != "classic"]


@pytest.mark.parametrize("name", other_themes())
def test_colours_are_interpolated_linearly_in_the_table(name):
    table = themes.table(name)
    size = len(table)
    assert (table.shape, table.dtype) == ((size, size, size, 3), np.uint8)
    colours = np.random.default_rng(0).integers(0, 256, (6, 50, 3), np.uint8)
    place = colours.reshape(-1, 3) / 255 * (size - 1)
    below = np.minimum(place.astype(int), size - 2)
    share = place - below
    expected = 0
    for corner in itertools.product((0, 1), repeat=3):
        weight = np.where(corner, share, 1 - share).prod(axis=1)
        expected = expected + weight[:, None] * table[tuple((below + corner).T)]
    recoloured = themes.recolour(colours, name).reshape(-1, 3)
    assert np.abs(recoloured - expected).max() <= 1


@pytest.mark.parametrize("name", other_themes())
def test_black_stays_black_and_brighter_greys_do_not_get_darker(name):
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    brightness = themes.recolour(greys, name).astype(int).sum(axis=1)
    assert brightness[0] == 0
    assert np.diff(brightness).min() > -6
    assert brightness[-1] > 500


def test_recoloured_frames_are_those_of_a_lamp_drawn_in_the_theme():
    # A young lamp, whose wax still lies on the floor and in balls.
    config = simulation.LampConfig(warm_up_seconds=0)
    states = next(physical_lamp.simulate(3, config=config, chunk_size=30))
    states = jax.tree.map(lambda field: field[::10], states)
    sunset = np.asarray(shading.shade(states, 96, config))
    lit = sunset.max(axis=-1) > 0
    for name in ("lagoon", "moonlight"):
        drawn = np.asarray(shading.shade(states, 96, config, name))[lit].astype(int)
        error = np.abs(themes.recolour(sunset, name)[lit] - drawn)
        assert error.mean() < 2.5, name
        assert np.percentile(error, 99) < 16, name


def test_tables_for_other_programs():
    described = json.loads(json.dumps(themes.tables()))
    assert list(described["themes"]) == list(themes.THEMES)
    assert described["themes"]["classic"] is None
    size = described["size"]
    for name in other_themes():
        content = base64.b64decode(described["themes"][name])
        table = np.frombuffer(content, np.uint8).reshape(size, size, size, 3)
        np.testing.assert_array_equal(table, themes.table(name))


def test_an_unknown_theme_is_an_error():
    with pytest.raises(ValueError, match="no theme 'plaid'; there are classic, sunset"):
        themes.recolour(np.zeros((1, 1, 3), np.uint8), "plaid")
