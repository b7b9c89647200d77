"""A film of one lamp or of many, as a person asks for it."""

import dataclasses
import math
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from duralava.config import Config
from duralava.pretrained import Pretrained
from duralava.rendering import frames, pictures
from duralava.rendering.lamps import Lamps

_LONGEST_WAY_BACK = 100  # steps in which a loop closes


@dataclasses.dataclass(frozen=True)
class Shot:
    """How lamps are filmed.

    Attributes:
      fps: frames per second.
      num_frames: length; None for ever.
      speed: seconds of the lamp in a second of film.
      rows: of the grid of lamps.
      columns: of the grid of lamps.
      scale: by which pictures are enlarged.
      loop: whether the last frame leads into the first.

    Raises:
      ValueError: a number is out of its range, or a loop is to last for ever.
    """

    fps: float = 30.0
    num_frames: int | None = None
    speed: float = 1.0
    rows: int = 1
    columns: int = 1
    scale: float = 1.0
    loop: bool = False

    def __post_init__(self) -> None:
        for name in ("fps", "speed", "scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be above 0, not {value:g}")
        if min(self.rows, self.columns) < 1:
            raise ValueError(f"no grid has {self.rows}x{self.columns} lamps")
        if self.num_frames is not None and self.num_frames < 1:
            raise ValueError(f"a film has 1 frame at least, not {self.num_frames}")
        if self.loop and (self.num_frames is None or self.num_frames < 4):
            raise ValueError("a loop has four frames at least, and an end")

    @property
    def num_lamps(self) -> int:
        """Lamps in the grid."""
        return self.rows * self.columns

    def size(self, config: Config) -> tuple[int, int]:
        """Returns height and width of a frame in pixels.

        Raises:
          ValueError: it is out of range.
        """
        resolution = config.model.resolution
        height, width = self.rows * resolution, self.columns * resolution
        return pictures.scaled_size(height, width, self.scale)


def film_lamps(
    pretrained: Pretrained, lamps: Lamps, shot: Shot
) -> Iterator[np.ndarray]:
    """Films lamps.

    Args:
      pretrained: their weights.
      lamps: as many as the grid has, or one that all begin as.
      shot: how.

    Returns:
      Frames u8[H, W, 3], without end but for a loop.

    Raises:
      ValueError: the frames would be too large or too small, or the lamp too slow.
    """
    params, config = pretrained
    shot.size(config)
    count = shot.num_lamps
    latents = jnp.broadcast_to(lamps.latents, (count, lamps.latents.shape[-1]))
    pace = frames.steps_per_frame(config, fps=shot.fps, speed=shot.speed)
    chunk_size = min(frames.CHUNK_SIZE, shot.num_frames or frames.CHUNK_SIZE)
    if shot.loop:
        num_steps = max(2, round(shot.num_frames * pace))
        path = frames.closed_path(
            params["transition"],
            latents,
            lamps.key,
            num_steps=num_steps,
            overlap=min(num_steps // 2, _LONGEST_WAY_BACK),
            config=config.model,
            start_step=lamps.step,
        )
        chunks = frames.loop_chunks(
            params, path, shot.num_frames, chunk_size=chunk_size, config=config.model
        )
    else:
        chunks = frames.frame_chunks(
            params,
            latents,
            lamps.key,
            chunk_size=chunk_size,
            config=config.model,
            steps_per_frame=pace,
            start_step=lamps.step,
        )
    return (
        pictures.enlarge(pictures.tile(moment, shot.rows, shot.columns), shot.scale)
        for chunk in chunks
        for moment in chunk
    )
