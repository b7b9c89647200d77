"""Colour themes of a lamp: mappings of colours."""

import base64
import functools
from typing import Any

import numpy as np

THEMES = ("classic", "swapped")


@functools.cache
def tables() -> dict[str, Any]:
    """Returns the tables of all themes, for `themes.json`."""
    points = np.asarray([0, 255], np.uint8)
    swapped = np.stack(np.meshgrid(points, points, points, indexing="ij"), -1)
    text = base64.b64encode(swapped[..., ::-1].tobytes()).decode()
    return {"size": 2, "themes": {"classic": None, "swapped": text}}
