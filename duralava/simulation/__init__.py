"""A lava lamp simulated by its physics: film to learn from, without a camera."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from etils import epy

from duralava.simulation.config import DEFAULT_CONFIG, FRAMES_PER_SECOND, LampConfig
from duralava.simulation.themes import DEFAULT_THEME, THEMES

with epy.lazy_imports():  # which constants and names of themes do not need
    import numpy as np

__all__ = [
    "DEFAULT_THEME",
    "FRAMES_PER_SECOND",
    "THEMES",
    "LampConfig",
    "film",
    "film_chunks",
]


def film_chunks(
    seed: int,
    resolution: int,
    *,
    config: LampConfig = DEFAULT_CONFIG,
    theme: str = DEFAULT_THEME,
    chunk_size: int = 150,
) -> Iterator[np.ndarray]:
    """Films a simulated lamp without end, at 30 frames a second.

    The same seed gives the same film. The first chunk takes longer, as the lamp warms
    up before it.

    Args:
      seed: of the initial state.
      resolution: height and width of a frame, in pixels, 32 to 1024.
      config: the lamp.
      theme: name of its colours, a key of `THEMES`.
      chunk_size: number of frames N of a chunk.

    Yields:
      uint8[N, resolution, resolution, 3], in order.

    Raises:
      ValueError: the resolution is out of range, or the theme unknown.
      FloatingPointError: the lamp is no longer finite; the message says when.
    """
    # Here, for the same reason: a lazy name would stand for the module in all others.
    from duralava.simulation import lamp, shading

    shading.check(resolution, theme)
    for states in lamp.simulate(seed, config=config, chunk_size=chunk_size):
        yield np.asarray(shading.shade(states, resolution, config, theme))


def film(
    seconds: float | None = None,
    *,
    size: int = 256,
    seed: int = 0,
    config: LampConfig = DEFAULT_CONFIG,
    theme: str = DEFAULT_THEME,
) -> Iterator[np.ndarray]:
    """Returns the film of a simulated lamp, at 30 frames a second.

    Args:
      seconds: length; None for an endless film.
      size: height and width of a frame, in pixels, 32 to 1024.
      seed: of the initial state; another seed is another lamp.
      config: the lamp.
      theme: name of its colours, a key of `THEMES`.

    Returns:
      Frames uint8[size, size, 3].

    Raises:
      ValueError: the size is out of range, the theme unknown, or the film shorter than
        a frame.
    """
    fps = FRAMES_PER_SECOND
    if seconds is not None and not 1 / fps <= seconds < math.inf:
        raise ValueError(f"seconds must be at least a frame at {fps} fps: {seconds}")
    from duralava.simulation import shading

    shading.check(size, theme)
    # A second at a time, so that large frames fit in memory.
    chunks = film_chunks(seed, size, config=config, theme=theme, chunk_size=fps)
    frames = itertools.chain.from_iterable(chunks)
    return itertools.islice(frames, seconds and round(seconds * fps))
