"""Where a film starts: from a picture, or after many steps that are not shown."""

import os
from collections import deque
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from duralava.datasets import video
from duralava.lamp import Lamp, RolloutState

_BLOCK = 1_000  # steps of one call
_FAR = 25.0  # grey levels, the mean difference of a frame that is not of this lamp


def last_frame(lamp: Lamp, source: str | os.PathLike[str]) -> np.ndarray:
    """Returns a picture, or the last frame of a video, as a lamp encodes it.

    Args:
      lamp: its weights.
      source: picture, video or folder of images; its centred square is used.

    Returns:
      u8[H, W, 3], of the size of the training frames.

    Raises:
      ValueError: the lamp has no encoder, or `source` is not a picture or video.
      OSError: there is no such file.
    """
    lamp.check_encoder()
    frames = video.read_frames(source, resolution=lamp.config.resolution)
    (last,) = deque(frames, maxlen=1) or (None,)
    if last is None:
        raise ValueError(f"{source} has no frame")
    return last


def start_from_frame(lamp: Lamp, frame: np.ndarray, *, seed: int) -> RolloutState:
    """Returns the state of a lamp that continues a frame of `last_frame`.

    Args:
      lamp: with an encoder, which finds the frame's latent.
      frame: u8[H, W, 3].
      seed: of the noise from there on.
    """
    return lamp.start(seed)._replace(latents=lamp.encode(frame[None]))


def start_from_film(
    lamp: Lamp, source: str | os.PathLike[str], *, seed: int
) -> RolloutState:
    """Returns the state of a lamp that continues a picture, or the end of a video.

    Arguments and errors are those of `last_frame` and `start_from_frame`.
    """
    return start_from_frame(lamp, last_frame(lamp, source), seed=seed)


def looks_like(lamp: Lamp, frame: np.ndarray, state: RolloutState) -> bool:
    """Returns whether the frame of a state is about the frame that it started from.

    The lamp can show only lamps: another picture becomes the lamp nearest to it.
    """
    shown = np.asarray(lamp.generate(state.latents)[0], np.float32)
    return bool(np.abs(shown - frame).mean() < _FAR)


def skip_steps(
    lamp: Lamp,
    state: RolloutState,
    num_steps: int,
    *,
    steps_made: Callable[[int], Any] = lambda steps: None,
) -> RolloutState:
    """Returns the state `num_steps` later; no frames are generated.

    Args:
      lamp: its weights.
      state: before these steps.
      num_steps: to make.
      steps_made: called with the number of steps since it was last called.
    """
    end = state.step + num_steps
    for start in range(state.step, end, _BLOCK):
        count = min(_BLOCK, end - start)
        latents, _ = lamp.rollout(state.latents, state.key, start, num_steps=count)
        # Wait, so that progress counts steps that are complete.
        state = state._replace(
            latents=jax.block_until_ready(latents), step=start + count
        )
        steps_made(count)
    return state
