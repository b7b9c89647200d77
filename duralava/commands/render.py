r"""Renders a film of lamps that a network generates, of any length.

duralava render -o out.png --seconds=14
duralava render -o large.mp4 --size=1920x1080 --theme=ocean
duralava render -o wall.mp4 --grid=2x4 --size=240 --loop
duralava render -o overlay.webm --loop --transparent
duralava render -o - --seconds=inf | mpv --demuxer=rawvideo \
  --demuxer-rawvideo-mp-format=rgb24 --demuxer-rawvideo-w=512 \
  --demuxer-rawvideo-h=512 --demuxer-rawvideo-fps=30 -
duralava render -o - --seconds=inf | ffplay -f rawvideo -pixel_format rgb24 \
  -video_size 512x512 -framerate 30 -
"""

from __future__ import annotations

import contextlib
import math
import re
import sys
from collections.abc import Iterator, Sequence

from absl import flags
from etils import epy

from duralava import pretrained, themes

with epy.lazy_imports():
    import numpy as np
    import tqdm

    from duralava import lamp as lamps
    from duralava import weights
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
_SIZE = flags.DEFINE_string(
    "size",
    None,
    "Height and width in pixels in which each lamp is drawn, by default 512, and less "
    "for .png, .apng and .gif, so that the file stays below 25 MB. Or width x height "
    "of the frame, as 1920x1080: lamps fill its height in front of black. Weights of "
    "the generator `convolution` draw only the size of the frames they learned.",
)
_THEME = flags.DEFINE_enum(
    "theme",
    themes.DEFAULT,
    list(themes.THEMES),
    "Colours: " + "; ".join(f"{name}, {look}" for name, look in themes.THEMES.items()),
)
_TRANSPARENT = flags.DEFINE_bool(
    "transparent",
    False,
    "Makes the black around lamps transparent, for an overlay in OBS or on a page: "
    ".webm, .webp, .png, .apng, or a folder.",
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
    pretrained.DEFAULT,
    "Name of shipped weights, workdir of a training run, or .safetensors file.",
)


def main(_: Sequence[str]) -> None:
    """Renders and prints what was written."""
    shot = _shot()
    writers.check_output(_OUTPUT.value, transparent=shot.transparent)
    if not writers.streams(_OUTPUT.value):
        _print(f"note: {_OUTPUT.value} stays in memory until the film ends")
    lamp = weights.load(_CHECKPOINT.value)
    shot = _with_size(shot, lamp)
    frames = film.film_lamps(lamp, _start(lamp, shot), shot)
    try:
        count = _write(frames, shot)
    except writers.Interrupted as interrupt:
        _print_wrote(interrupt.count, shot)
        raise
    if shot.loop:
        _print_seam()
    _print_wrote(count, shot)


def _with_size(shot: film.Shot, lamp: lamps.Lamp) -> film.Shot:
    """Returns a shot with a size that suits the format, and says if it is smaller."""
    shot = film.fitting(shot, lamp, writers.bytes_per_pixel(_OUTPUT.value))
    height, width = shot.frame_size(lamp)
    if _SIZE.value is None and shot.lamp_size(lamp) < film.DEFAULT_SIZE:
        _print(
            f"note: frames of {width}x{height} pixels, for a file below 25 MB; --size "
            "sets another size"
        )
    return shot


def _write(frames: Iterator[np.ndarray], shot: film.Shot) -> int:
    """Writes the film, and returns the number of its frames."""
    with _progress(shot.num_frames, "frame") as progress:

        def counted() -> Iterator[np.ndarray]:
            for frame in frames:
                progress.update()
                yield frame

        return writers.write_frames(
            _OUTPUT.value, counted(), fps=shot.fps, loop=shot.loop
        )


def _progress(total: int | None, unit: str) -> contextlib.AbstractContextManager:
    """Returns a progress bar."""
    return tqdm.tqdm(total=total, unit=unit, dynamic_ncols=True)


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
    size, frame = _size()
    return film.Shot(
        fps=_FPS.value,
        num_frames=num_frames,
        speed=_SPEED.value,
        rows=int(grid[1]),
        columns=int(grid[2]),
        size=size,
        frame=frame,
        scale=_SCALE.value,
        loop=_LOOP.value,
        theme=_THEME.value,
        transparent=_TRANSPARENT.value,
    )


def _size() -> tuple[int | None, tuple[int, int] | None]:
    """Returns the size of a lamp, or height and width of the frame."""
    if _SIZE.value is None:
        return None, None
    given = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", _SIZE.value)
    if not given:
        raise ValueError(
            f"--size is pixels, as 512, or width x height, as 1920x1080, not "
            f"'{_SIZE.value}'"
        )
    width, height = given.groups()
    return (None, (int(height), int(width))) if height else (int(width), None)


def _start(lamp: lamps.Lamp, shot: film.Shot) -> lamps.RolloutState:
    if _START.value is None:
        start = lamp.start(_SEED.value, count=shot.num_lamps)
    else:
        frame = starts.last_frame(lamp, _START.value)
        start = starts.start_from_frame(lamp, frame, seed=_SEED.value)
        if not starts.looks_like(lamp, frame, start):
            _print(
                f"note: {_START.value} does not look like a lamp of these weights; the "
                "film starts from the lamp that is nearest to it"
            )
    num_steps = _START_STEP.value
    if not num_steps:
        return start
    with _progress(num_steps, "step") as progress:
        return starts.skip_steps(lamp, start, num_steps, steps_made=progress.update)


def _print_seam() -> None:
    """Prints how well the written loop closes, once it is decoded again."""
    if _OUTPUT.value == writers.STANDARD_OUTPUT:
        return
    meter = seam.SeamMeter()
    for frame in writers.read_frames(_OUTPUT.value):
        meter.add(frame)
    try:
        change, turn = meter.measure()
    except ValueError as reason:  # the film is written all the same
        _print(f"the seam of the loop was not measured: {reason}")
        return
    _print(
        f"at the seam of the loop, the picture changes {change:.2f} times and its "
        f"motion {turn:.2f} times as much as usual, in the film as it is decoded"
    )


def _print_wrote(count: int, shot: film.Shot) -> None:
    _print(f"wrote {count} frames at {shot.fps:g} fps: {_OUTPUT.value}")


def _print(line: str) -> None:
    to_output = _OUTPUT.value == writers.STANDARD_OUTPUT  # which is the film then
    print(line, file=sys.stderr if to_output else sys.stdout)
