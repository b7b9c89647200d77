import numpy as np
import pytest

from duralava.live import colours


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, colours.TRUE_COLOUR),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit"}, colours.TRUE_COLOUR),
        ({"TERM": "xterm-direct"}, colours.TRUE_COLOUR),
        ({"TERM": "xterm-256color"}, colours.PALETTE),
        ({"TERM": "xterm-256color", "COLORTERM": ""}, colours.PALETTE),
        ({}, colours.PALETTE),
    ],
)
def test_24_bits_go_only_to_terminals_that_say_they_have_them(environment, expected):
    assert colours.colours_of(environment) is expected


def test_all_24_bits_stay_as_they_are():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(colours.TRUE_COLOUR.reduce(picture), picture)
    assert colours.TRUE_COLOUR.code((1, 20, 255)) == "2;1;20;255"


@pytest.mark.parametrize(
    ("colour", "code"),
    [
        # Colour 16 + 36 r + 6 g + b has levels r, g, b of 0, 95, 135, 175, 215, 255.
        ((0, 0, 0), "5;16"),
        ((255, 0, 0), "5;196"),
        ((255, 95, 0), "5;202"),
        ((95, 0, 95), "5;53"),
        ((255, 255, 255), "5;231"),
        # Colour 232 + k is the grey 8 + 10 k.
        ((8, 8, 8), "5;232"),
        ((238, 238, 238), "5;255"),
    ],
)
def test_colours_of_the_palette_have_the_codes_of_xterm(colour, code):
    picture = np.uint8([[colour]])
    np.testing.assert_array_equal(colours.PALETTE.reduce(picture), picture)
    assert colours.PALETTE.code(colour) == code


def test_other_colours_become_the_nearest_of_the_palette():
    levels = np.array([0, 95, 135, 175, 215, 255])
    cube = np.array(np.meshgrid(levels, levels, levels)).reshape(3, -1).T
    palette = np.concatenate([cube, np.arange(8, 248, 10)[:, None].repeat(3, axis=1)])
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    reduced = colours.PALETTE.reduce(picture).astype(int)
    away = np.linalg.norm(reduced - picture, axis=-1)
    others = np.linalg.norm(picture[..., None, :] - palette, axis=-1)
    # A table of 32 levels finds them: each channel is off by 4 at most.
    assert (away <= others.min(axis=-1) + 2 * 4 * 3**0.5).all()
    codes = {colours.PALETTE.code(tuple(c)) for c in reduced.reshape(-1, 3).tolist()}
    assert len(codes) > 150
