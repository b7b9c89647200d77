"""Films a lava lamp in physics, without any network.

python tools/simulate.py --output=lamp.png --seconds=20
"""

from collections.abc import Iterator, Sequence

import numpy as np
import tqdm
from absl import flags

from duralava import command_line, simulation
from duralava.rendering import writers

_OUTPUT = flags.DEFINE_string("output", "lamp.png", "File; its suffix is the format.")
_SECONDS = flags.DEFINE_float("seconds", 20.0, "Length of the film.")
_SIZE = flags.DEFINE_integer("size", 256, "Height and width of a frame in pixels.")
_SEED = flags.DEFINE_integer("seed", 0, "Another seed is another film.")

_MIN_SIZE, _MAX_SIZE = 16, 1024


def main(_: Sequence[str]) -> None:
    """Simulates and says what was written."""
    fps = simulation.FRAMES_PER_SECOND
    if not 1 / fps <= _SECONDS.value < float("inf"):
        raise ValueError(f"--seconds must hold a frame at {fps} fps: {_SECONDS.value}")
    if not _MIN_SIZE <= _SIZE.value <= _MAX_SIZE:
        raise ValueError(
            f"--size must be from {_MIN_SIZE} to {_MAX_SIZE}, not {_SIZE.value}"
        )
    if not 0 <= _SEED.value < 2**32:
        raise ValueError(f"--seed must be from 0 to 2^32 - 1, not {_SEED.value}")
    writers.check_output(_OUTPUT.value)
    num_frames = round(_SECONDS.value * fps)
    with tqdm.tqdm(total=num_frames, unit="frame", dynamic_ncols=True) as progress:

        def counted() -> Iterator[np.ndarray]:
            # A second at a time, so that the bar moves and large frames fit in memory.
            for chunk in simulation.film_chunks(
                _SEED.value, _SIZE.value, chunk_size=fps
            ):
                for frame in chunk:
                    yield frame
                    progress.update()

        count = writers.write_frames(
            _OUTPUT.value, counted(), fps=fps, num_frames=num_frames
        )
    print(f"wrote {count} frames at {fps} fps: {_OUTPUT.value}")


if __name__ == "__main__":
    command_line.run(main)
