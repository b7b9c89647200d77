"""A film of one lamp or of many, by the choices of a `Shot`."""

import dataclasses
import math
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from duralava import themes
from duralava.lamp import (
    Lamp,
    RolloutState,
    frame_chunks,
    frames_at_once,
    steps_per_frame,
)
from duralava.rendering import loops, pictures

DEFAULT_SIZE = 512  # pixels
# Of the files of formats that store each frame almost alone.
_MAX_BYTES, _MIN_SIZE, _SIZE_STEP = 25_000_000, 128, 16
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
      size: height and width in pixels in which a lamp is drawn; None for 512, or for
        the generator's own if it draws no other.
      frame: height and width of a frame, in whose middle the lamps are drawn as large
        as they fit, instead of `size`.
      scale: by which frames are enlarged after that.
      loop: whether the last frame leads into the first.
      theme: name of the colours, a key of `themes.THEMES`.
      transparent: whether the black around the lamps is made transparent.

    Raises:
      ValueError: a number is out of range, or a loop is endless.
    """

    fps: float = 30.0
    num_frames: int | None = None
    speed: float = 1.0
    rows: int = 1
    columns: int = 1
    size: int | None = None
    frame: tuple[int, int] | None = None
    scale: float = 1.0
    loop: bool = False
    theme: str = themes.DEFAULT
    transparent: bool = False

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
        if self.size and self.frame:
            raise ValueError("give the size of a lamp or of the frame, not both")
        themes.check(self.theme)

    @property
    def num_lamps(self) -> int:
        """Lamps in the grid."""
        return self.rows * self.columns

    def lamp_size(self, lamp: Lamp) -> int:
        """Returns height and width in pixels in which a lamp is drawn.

        Raises:
          ValueError: the lamp does not draw this size.
        """
        size = self.size
        if self.frame:
            size = pictures.side_in(*self.frame, self.rows, self.columns)
        return lamp.drawn_size(size, default=DEFAULT_SIZE)

    def frame_size(self, lamp: Lamp) -> tuple[int, int]:
        """Returns height and width of a frame in pixels.

        Raises:
          ValueError: it is out of range, or the lamp does not draw this size.
        """
        size = self.lamp_size(lamp)
        height, width = self.frame or (self.rows * size, self.columns * size)
        return pictures.scaled_size(height, width, self.scale)


def fitting(shot: Shot, lamp: Lamp, bytes_per_pixel: float) -> Shot:
    """Returns a shot with a size; if it has none, one whose file is not too large.

    Args:
      shot: the choices of a film.
      lamp: whose frames they are.
      bytes_per_pixel: of a frame in the file; 0 if files are small at any size.
    """
    if shot.size or shot.frame:
        return shot
    size = DEFAULT_SIZE
    if bytes_per_pixel:
        # An endless film is as large as one of 14 seconds.
        pixels = _MAX_BYTES / bytes_per_pixel / (shot.num_frames or 420)
        size = math.sqrt(pixels / shot.num_lamps) / shot.scale
        size = int(size) // _SIZE_STEP * _SIZE_STEP
        size = min(DEFAULT_SIZE, max(_MIN_SIZE, size))
    return dataclasses.replace(shot, size=lamp.drawn_size(None, default=size))


def film_lamps(lamp: Lamp, state: RolloutState, shot: Shot) -> Iterator[np.ndarray]:
    """Returns the frames of a film.

    Args:
      lamp: weights of all lamps in the grid.
      state: of as many lamps as the grid has, or of one that all of them start as.
      shot: the choices of the film.

    Returns:
      Frames u8[H, W, 3], or u8[H, W, 4] if they are transparent: `shot.num_frames`, or
      without end.

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
            lamp,
            state,
            chunk_size=chunk_size,
            steps_per_frame=pace,
            size=size,
            num_frames=shot.num_frames,
        )
    return (_framed(moment, shot) for chunk in chunks for moment in chunk)


def _framed(lamps: np.ndarray, shot: Shot) -> np.ndarray:
    """Returns the frame of lamps u8[B, H, W, 3]."""
    shown = themes.recolour(lamps, shot.theme)
    if shot.transparent:
        shown = pictures.cut_out(lamps, shown)
    frame = pictures.tile(shown, shot.rows, shot.columns)
    if shot.frame:
        frame = pictures.place(frame, *shot.frame)
    return pictures.enlarge(frame, shot.scale)
