"""Films a lamp that a network dreams, for as long as is asked.

python tools/render.py --output=out.png --seconds=30
"""

from collections.abc import Iterator, Sequence

import numpy as np
import tqdm
from absl import flags

from duralava import command_line, pretrained
from duralava.rendering import frames, writers

_OUTPUT = flags.DEFINE_string("output", "out.png", "File; its suffix is the format.")
_SECONDS = flags.DEFINE_float("seconds", 30.0, "Length of the film.", lower_bound=0)
_NUM_FRAMES = flags.DEFINE_integer(
    "num_frames", None, "Length in frames, in place of seconds.", lower_bound=1
)
_FPS = flags.DEFINE_float("fps", 30.0, "Frames per second.")
_SEED = flags.DEFINE_integer("seed", 0, "Another seed is another lamp.")
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    pretrained.DEFAULT,
    "Name of shipped weights, a training's workdir, or a .safetensors file.",
)


def main(_: Sequence[str]) -> None:
    """Renders and says what was written."""
    if _FPS.value <= 0:
        raise ValueError(f"--fps must be above 0, not {_FPS.value}")
    num_frames = _NUM_FRAMES.value or round(_SECONDS.value * _FPS.value)
    if num_frames < 1:
        raise ValueError(f"{_SECONDS.value} seconds hold no frame")
    writers.check_output(_OUTPUT.value)
    weights = pretrained.load(_CHECKPOINT.value)
    film = frames.lamp_frames(
        weights.params,
        config=weights.config,
        seed=_SEED.value,
        fps=_FPS.value,
        chunk_size=min(frames.CHUNK_SIZE, num_frames),
    )
    with tqdm.tqdm(total=num_frames, unit="frame", dynamic_ncols=True) as progress:

        def counted() -> Iterator[np.ndarray]:
            for frame in film:
                yield frame
                progress.update()

        count = writers.write_frames(
            _OUTPUT.value, counted(), fps=_FPS.value, num_frames=num_frames
        )
    print(f"wrote {count} frames at {_FPS.value:g} fps: {_OUTPUT.value}")


if __name__ == "__main__":
    command_line.run(main)
