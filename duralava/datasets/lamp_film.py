"""Film of a simulated lamp: whole frames, and windows of larger pictures."""

from collections.abc import Iterator

import jax
import numpy as np

from duralava import simulation
from duralava.simulation import lamp, shading

_CHUNK_STATES = 150  # 5 seconds of film


def film_chunks(
    seed: int,
    *,
    resolution: int,
    fps: int,
    window_pictures: tuple[int, ...],
    config: simulation.LampConfig,
    theme: str,
) -> Iterator[dict[str, np.ndarray]]:
    """Films a simulated lamp without end, and draws only the frames that it returns.

    The same seed gives the same film and windows.

    Args:
      seed: of the lamp, and of the places of the windows.
      resolution: height and width of frames and windows, in pixels.
      fps: frames per second, a divisor of `simulation.FRAMES_PER_SECOND`.
      window_pictures: sizes S of larger pictures, in pixels. Each frame is drawn at
        each of these sizes too, and one window of that picture is returned.
      config: the lamp.
      theme: name of its colours.

    Yields:
      Chunks of N frames: `frame`, and for each S a `window_S`,
      uint8[N, resolution, resolution, 3] each, with its `place_S`, uint16[N, 2]: row
      and column of its first pixel in the picture. Places are uniform over all windows
      that lie in the picture.

    Raises:
      ValueError: a size is out of range, or the theme unknown.
      FloatingPointError: the lamp is no longer finite; the message says when.
    """
    for size in (resolution, *window_pictures):
        shading.check(size, theme)
    stride = simulation.FRAMES_PER_SECOND // fps
    places = {size: np.random.default_rng((seed, size)) for size in window_pictures}
    for states in lamp.simulate(seed, config=config, chunk_size=_CHUNK_STATES):
        kept = jax.tree.map(lambda field: field[::stride], states)
        chunk = {"frame": np.asarray(shading.shade(kept, resolution, config, theme))}
        for size, rng in places.items():
            pictures = np.asarray(shading.shade(kept, size, config, theme))
            place = rng.integers(
                size - resolution + 1, size=(len(pictures), 2), dtype=np.uint16
            )
            chunk[f"window_{size}"] = _crop(pictures, place, resolution)
            chunk[f"place_{size}"] = place
        yield chunk


def _crop(pictures: np.ndarray, places: np.ndarray, size: int) -> np.ndarray:
    """Returns the window [size, size, 3] at the place of each picture."""
    return np.stack(
        [
            picture[row : row + size, column : column + size]
            for picture, (row, column) in zip(pictures, places.tolist(), strict=True)
        ]
    )
