"""The colours of terminals: 24 bits, or the 256 of the palette that most have."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from scipy import spatial

_CUBE = (0, 95, 135, 175, 215, 255)  # levels of the channels of colours 16 to 231
_GREYS = range(8, 248, 10)  # colours 232 to 255
_BITS = 5  # of each channel of the table of nearest colours


class Colours(NamedTuple):
    """The colours that a terminal can show.

    Attributes:
      reduce: picture u8[..., 3] -> the nearest picture u8[..., 3] of these colours.
      code: (red, green, blue), one of these colours -> its parameters in a control
        sequence, after "38;" or "48;".
    """

    reduce: Callable[[np.ndarray], np.ndarray]
    code: Callable[[tuple[int, ...]], str]


def colours_of(environment: Mapping[str, str]) -> Colours:
    """Returns the colours of the terminal that the environment variables describe.

    Terminals of 24 bits say so in COLORTERM. Others show their codes wrongly.
    """
    has_24_bits = environment.get("COLORTERM") in ("truecolor", "24bit")
    if has_24_bits or environment.get("TERM", "").endswith("-direct"):
        return TRUE_COLOUR
    return PALETTE


@functools.cache
def _palette() -> np.ndarray:
    """Returns colours 16 to 255, u8[240, 3]; a terminal's user can choose the first."""
    levels = np.array(_CUBE)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    greys = np.repeat(np.array(_GREYS)[:, None], 3, axis=1)
    return np.concatenate([cube.reshape(-1, 3), greys]).astype(np.uint8)


@functools.cache
def _indices() -> dict[tuple[int, ...], int]:
    """Returns the number of each colour of the palette."""
    found: dict[tuple[int, ...], int] = {}
    for index, colour in enumerate(_palette().tolist(), 16):
        found.setdefault(tuple(colour), index)
    return found


@functools.cache
def _nearest() -> np.ndarray:
    """Returns the nearest colour of the palette to each colour of 15 bits."""
    levels = (np.arange(2**_BITS) + 0.5) * 2 ** (8 - _BITS) - 0.5
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    _, places = spatial.KDTree(_palette()).query(grid)
    return _palette()[places]


def _reduce_to_palette(picture: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(picture >> (8 - _BITS), -1, 0)
    return _nearest()[red, green, blue]


TRUE_COLOUR = Colours(lambda picture: picture, lambda rgb: "2;{};{};{}".format(*rgb))
PALETTE = Colours(_reduce_to_palette, lambda rgb: f"5;{_indices()[rgb]}")
