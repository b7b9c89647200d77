"""Colour themes: a lamp as it is, or with wax, liquid and light of other colours.

A theme is a table of colours. Each colour of a picture is replaced by the colour of the
same thing in a lamp of that theme: `docs/figures/themes.py` fits the tables to pictures
of the simulated lamp, which can be drawn in all themes.
"""

from __future__ import annotations

import base64
import functools
import pathlib
from typing import Any

from etils import epy

with epy.lazy_imports():  # which the names of themes do not need
    import numpy as np
    import safetensors.numpy
    from PIL import Image, ImageFilter

DEFAULT = "classic"
THEMES: dict[str, str] = {
    DEFAULT: "as the lamp is",
    "sunset": "red and yellow wax in violet: the colours of the shipped weights",
    "lagoon": "turquoise wax in blue",
    "forest": "green wax in dark green",
    "violet": "pink wax in violet",
    "moonlight": "pale blue wax at night",
    "ocean": "blue wax in a dark sea",
    "silver": "white and grey",
    "amber": "orange wax in brown",
}
_FILE = pathlib.Path(__file__).parent / "themes.safetensors"


def check(name: str) -> None:
    """Raises a ValueError if there is no theme of that name."""
    if name not in THEMES:
        raise ValueError(f"no theme {name!r}; there are {', '.join(THEMES)}")


def table(name: str) -> np.ndarray | None:
    """Returns the colours of a theme, or None for `classic`, which changes nothing.

    Returns:
      u8[N, N, N, 3], the new RGB of colours whose red, green and blue (the axes, in
      this order) are k * 255 / (N - 1). Between them, it is to be interpolated
      linearly.

    Raises:
      ValueError: there is no such theme.
    """
    check(name)
    return None if name == DEFAULT else _tables()[name]


def recolour(frames: np.ndarray, name: str) -> np.ndarray:
    """Returns frames u8[..., 3] in the colours of a theme.

    Raises:
      ValueError: there is no such theme.
    """
    check(name)
    if name == DEFAULT:
        return frames
    picture = Image.fromarray(frames.reshape(1, -1, 3))
    return np.asarray(picture.filter(_filter(name))).reshape(frames.shape)


def tables() -> dict[str, Any]:
    """Returns all tables as JSON can hold them.

    Returns:
      `{"size": N, "themes": {name: table}}`; each table is the base64 of `table(name)`
      in C order, or None.
    """
    encoded = {
        name: None if name == DEFAULT else base64.b64encode(_tables()[name]).decode()
        for name in THEMES
    }
    return {"size": len(_tables()["sunset"]), "themes": encoded}


@functools.cache
def _tables() -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(_FILE)


@functools.cache
def _filter(name: str) -> ImageFilter.Color3DLUT:
    # The filter wants red last among the axes, and colours from 0 to 1.
    colours = _tables()[name].transpose(2, 1, 0, 3) / np.float32(255)
    return ImageFilter.Color3DLUT(len(colours), colours.ravel())
