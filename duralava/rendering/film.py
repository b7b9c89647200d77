"""A film of one lamp or of many, by the choices of a `Shot`."""

import dataclasses
import math
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from duralava.lamp import (
    FILM_SIZE,
    Lamp,
    RolloutState,
    frame_chunks,
    frames_at_once,
    steps_per_frame,
)
from duralava.rendering import loops, pictures

_MAX_OVERLAP = 100  # steps in which a loop closes


@dataclasses.dataclass(frozen=True)
class Shot:
    """The choices of a film.

    Attributes:
      fps: frames per second.
      num_frames: length; None for an endless film.
      speed: seconds of the lamp in a second of film.
      rows: of the grid of lamps.
      columns: of the grid of lamps.
      size: height and width in pixels in which a lamp is drawn; None for 320, or for
        the generator's own if it draws no other.
      scale: by which frames are enlarged after that.
      loop: whether the last frame leads into the first.

    Raises:
      ValueError: a number is out of range, or a loop is endless.
    """

    fps: float = 30.0
    num_frames: int | None = None
    speed: float = 1.0
    rows: int = 1
    columns: int = 1
    size: int | None = None
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

    def lamp_size(self, lamp: Lamp) -> int:
        """Returns height and width in pixels in which a lamp is drawn.

        Raises:
          ValueError: the lamp does not draw this size.
        """
        return lamp.drawn_size(self.size, default=FILM_SIZE)

    def frame_size(self, lamp: Lamp) -> tuple[int, int]:
        """Returns height and width of a frame in pixels.

        Raises:
          ValueError: it is out of range, or the lamp does not draw this size.
        """
        size = self.lamp_size(lamp)
        return pictures.scaled_size(self.rows * size, self.columns * size, self.scale)


def film_lamps(lamp: Lamp, state: RolloutState, shot: Shot) -> Iterator[np.ndarray]:
    """Returns the frames of a film.

    Args:
      lamp: weights of all lamps in the grid.
      state: of as many lamps as the grid has, or of one that all of them start as.
      shot: the choices of the film.

    Returns:
      Frames u8[H, W, 3], without end unless it is a loop.

    Raises:
      ValueError: the frames would be too large or too small, the lamp does not draw
        this size, or it is too slow.
    """
    shot.frame_size(lamp)
    latents = jnp.broadcast_to(state.latents, (shot.num_lamps, state.latents.shape[-1]))
    state = state._replace(latents=latents)
    pace = steps_per_frame(lamp, fps=shot.fps, speed=shot.speed)
    size = shot.lamp_size(lamp)
    chunk_size = frames_at_once(shot.num_lamps * size**2)
    chunk_size = min(chunk_size, shot.num_frames or chunk_size)
    if shot.loop:
        num_steps = max(2, round(shot.num_frames * pace))
        path = loops.closed_path(
            lamp,
            state,
            num_steps=num_steps,
            overlap=min(num_steps // 2, _MAX_OVERLAP),
        )
        chunks = loops.loop_chunks(
            lamp, path, shot.num_frames, chunk_size=chunk_size, size=size
        )
    else:
        chunks = frame_chunks(
            lamp, state, chunk_size=chunk_size, steps_per_frame=pace, size=size
        )
    return (
        pictures.enlarge(pictures.tile(moment, shot.rows, shot.columns), shot.scale)
        for chunk in chunks
        for moment in chunk
    )
