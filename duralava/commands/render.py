"""Renders a film of lamps that a network generates, of any length.

duralava render --output=out.png --seconds=14
duralava render --output=large.mp4 --size=1080
duralava render --output=wall.mp4 --grid=2x4 --size=240 --loop
duralava render --output=- --seconds=inf | mpv --demuxer=rawvideo -
"""

import math
import re
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import tqdm
from absl import flags

from duralava import weights
from duralava.lamp import Lamp, RolloutState
from duralava.rendering import film, seam, starts, writers

_OUTPUT = flags.DEFINE_string(
    "output",
    "out.png",
    "File, its suffix is the format: .png .apng .mp4 .webm .gif .webp; or a folder, "
    "for PNGs; or -, for raw RGB on standard output.",
)
_SECONDS = flags.DEFINE_float(
    "seconds", 14.0, "Length of the film; inf: until Ctrl-C.", lower_bound=0
)
_NUM_FRAMES = flags.DEFINE_integer(
    "num_frames", None, "Length in frames, instead of seconds.", lower_bound=1
)
_FPS = flags.DEFINE_float("fps", 30.0, "Frames per second.")
_SPEED = flags.DEFINE_float("speed", 1.0, "Seconds of the lamp in a second of film.")
_SIZE = flags.DEFINE_integer(
    "size",
    None,
    "Height and width in pixels in which each lamp is drawn, by default 320. Weights "
    "of the generator `convolution` draw only those of the frames they learned.",
    lower_bound=1,
)
_SCALE = flags.DEFINE_float(
    "scale", 1.0, "Factor by which frames are enlarged after that."
)
_GRID = flags.DEFINE_string("grid", "1x1", "Rows and columns of lamps, as 2x4.")
_LOOP = flags.DEFINE_bool("loop", False, "Makes the last frame lead into the first.")
_SEED = flags.DEFINE_integer("seed", 0, "Another seed is another lamp.", lower_bound=0)
_START = flags.DEFINE_string(
    "start", None, "Picture or video; the lamp continues its last frame."
)
_START_STEP = flags.DEFINE_integer(
    "start_step",
    0,
    "Steps that the lamp has made before the first frame.",
    0,
    2_000_000_000,
)
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    weights.DEFAULT,
    "Name of shipped weights, workdir of a training run, or .safetensors file.",
)


def main(_: Sequence[str]) -> None:
    """Renders and prints what was written."""
    shot = _shot()
    if not writers.streams(_OUTPUT.value):
        _print(f"note: {_OUTPUT.value} stays in memory until the film ends")
    lamp = weights.load(_CHECKPOINT.value)
    shot.frame_size(lamp)
    frames = film.film_lamps(lamp, _start(lamp, shot), shot)
    meter = seam.SeamMeter()
    if shot.loop:
        frames = _measured(frames, meter)
    with tqdm.tqdm(
        frames, total=shot.num_frames, unit="frame", dynamic_ncols=True
    ) as counted:
        count = writers.write_frames(
            _OUTPUT.value, iter(counted), fps=shot.fps, num_frames=shot.num_frames
        )
    if shot.loop:
        _print_seam(meter)
    _print(f"wrote {count} frames at {shot.fps:g} fps: {_OUTPUT.value}")


def _measured(
    frames: Iterator[np.ndarray], meter: seam.SeamMeter
) -> Iterator[np.ndarray]:
    for frame in frames:
        meter.add(frame)
        yield frame


def _shot() -> film.Shot:
    grid = re.fullmatch(r"(\d+)x(\d+)", _GRID.value)
    if not grid:
        raise ValueError(f"--grid is rows x columns, as 2x4, not '{_GRID.value}'")
    num_frames = _NUM_FRAMES.value
    if num_frames is None and math.isfinite(_SECONDS.value):
        if not _FPS.value > 0:
            raise ValueError(f"fps must be above 0, not {_FPS.value:g}")
        num_frames = round(_SECONDS.value * _FPS.value)
        if num_frames < 1:
            raise ValueError(f"{_SECONDS.value:g} seconds hold no frame")
    return film.Shot(
        fps=_FPS.value,
        num_frames=num_frames,
        speed=_SPEED.value,
        rows=int(grid[1]),
        columns=int(grid[2]),
        size=_SIZE.value,
        scale=_SCALE.value,
        loop=_LOOP.value,
    )


def _start(lamp: Lamp, shot: film.Shot) -> RolloutState:
    if _START.value is None:
        start = lamp.start(_SEED.value, count=shot.num_lamps)
    else:
        start = starts.start_from_film(lamp, _START.value, seed=_SEED.value)
    num_steps = _START_STEP.value
    if not num_steps:
        return start
    with tqdm.tqdm(total=num_steps, unit="step", dynamic_ncols=True) as progress:
        return starts.skip_steps(lamp, start, num_steps, steps_made=progress.update)


def _print_seam(meter: seam.SeamMeter) -> None:
    try:
        change, turn = meter.measure()
    except ValueError as reason:  # the film is written all the same
        _print(f"the seam of the loop was not measured: {reason}")
        return
    _print(
        f"at the seam of the loop, the picture changes {change:.2f} times and its "
        f"motion {turn:.2f} times as much as usual"
    )


def _print(line: str) -> None:
    to_output = _OUTPUT.value == writers.STANDARD_OUTPUT  # which is the film then
    print(line, file=sys.stderr if to_output else sys.stdout)
