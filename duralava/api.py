"""Functions of `import duralava` that join several parts of the package."""

import os
from typing import Any

from duralava import extras, weights
from duralava.config import Config
from duralava.datasets import DATA_DIR
from duralava.lamp import Lamp
from duralava.rendering import film, starts, writers


def render(
    lamp: Lamp,
    path: str | os.PathLike[str],
    *,
    seconds: float = 30.0,
    fps: float = 30.0,
    seed: int = 0,
    start: str | os.PathLike[str] | None = None,
    **choices: Any,
) -> int:
    """Writes a film of a lamp to a file.

    Args:
      lamp: its weights.
      path: file, whose suffix is the format: `.png`, `.apng`, `.mp4`, `.webm`, `.gif`,
        `.webp`; or a folder for numbered PNGs.
      seconds: length of the film.
      fps: frames per second.
      seed: of the latents that the lamps start from, and of their noise.
      start: picture or video whose last frame the lamp continues; None for N(0, I).
      **choices: of `rendering.film.Shot`: `speed`, `rows`, `columns`, `size`, `frame`,
        `scale`, `loop`, `theme`, `transparent`. Without `size` it is 512, and smaller
        for `.png`, `.apng` and `.gif`, so that the file stays below 25 MB.

    Returns:
      The number of frames.

    Raises:
      ValueError: a choice is out of range, or the lamp has no encoder for `start`.
      OSError: the file cannot be written.
    """
    shot = film.Shot(fps=fps, num_frames=round(seconds * fps), **choices)
    writers.check_output(path, transparent=shot.transparent)
    shot = film.fitting(shot, lamp, writers.bytes_per_pixel(path))
    state = (
        lamp.start(seed, count=shot.num_lamps)
        if start is None
        else starts.start_from_film(lamp, start, seed=seed)
    )
    frames = film.film_lamps(lamp, state, shot)
    return writers.write_frames(path, frames, fps=fps, loop=shot.loop)


def train(
    config: Config,
    workdir: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] = DATA_DIR,
    start_from: str | os.PathLike[str] | None = None,
) -> Lamp:
    """Trains a lamp, or continues the run of a workdir, and returns the lamp.

    Args:
      config: of the run.
      workdir: folder for checkpoints and logs; `load` reads it too.
      data_dir: folder of prepared data sets.
      start_from: weights to start from, as `load` takes them; None for fresh ones.

    Raises:
      ValueError: the data set is not prepared, the workdir holds another config, the
        weights do not fit, or a package of the extra `train` is missing.
      OSError: the workdir cannot be written.
      FloatingPointError: a loss is not finite any more.
    """
    # Imported here: only training needs its packages.
    with extras.needed("train"):
        from duralava.training import loop

    loop.train(config, workdir, data_dir=data_dir, start_from=start_from)
    return weights.load(workdir)
