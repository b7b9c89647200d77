"""Films a lava lamp in physics, without any network, or reports how well it lives.

duralava simulate --output=lamp.png --seconds=20
duralava simulate --report=lamp_report --seconds=3600 --seeds=20
"""

from collections.abc import Iterator, Sequence

import numpy as np
import tqdm
from absl import flags

from duralava import simulation
from duralava.rendering import writers
from duralava.simulation import shading

_OUTPUT = flags.DEFINE_string("output", "lamp.png", "File; its suffix is the format.")
_SECONDS = flags.DEFINE_float(
    "seconds", None, "Length of the film: 20 unless given, 3600 for a report."
)
_SIZE = flags.DEFINE_integer("size", 256, "Height and width of a frame in pixels.")
_SEED = flags.DEFINE_integer("seed", 0, "Another seed is another film.")
_THEME = flags.DEFINE_string(
    "theme", simulation.DEFAULT_THEME, f"Colours: {', '.join(simulation.THEMES)}."
)
_REPORT = flags.DEFINE_string(
    "report", None, "Folder for a report of the lamp, which is written and no film."
)
_SEEDS = flags.DEFINE_integer("seeds", 20, "Number of lamps in a report.")
_SECONDS_PER_SEED = flags.DEFINE_float(
    "seconds_per_seed", 600.0, "Length of film of each lamp of a report but the first."
)


def main(_: Sequence[str]) -> None:
    """Simulates and says what was written."""
    if not 0 <= _SEED.value < 2**32:
        raise ValueError(f"--seed must be from 0 to 2^32 - 1, not {_SEED.value}")
    if _REPORT.value is None:
        _film(20.0 if _SECONDS.value is None else _SECONDS.value)
    else:
        _report(3600.0 if _SECONDS.value is None else _SECONDS.value)


def _film(seconds: float) -> None:
    fps = simulation.FRAMES_PER_SECOND
    if not 1 / fps <= seconds < float("inf"):
        raise ValueError(f"--seconds must hold a frame at {fps} fps: {seconds}")
    shading.check(_SIZE.value, _THEME.value)
    writers.check_output(_OUTPUT.value)
    num_frames = round(seconds * fps)
    with tqdm.tqdm(total=num_frames, unit="frame", dynamic_ncols=True) as progress:

        def counted() -> Iterator[np.ndarray]:
            # A second at a time, so that the bar moves and large frames fit in memory.
            for chunk in simulation.film_chunks(
                _SEED.value, _SIZE.value, theme=_THEME.value, chunk_size=fps
            ):
                for frame in chunk:
                    yield frame
                    progress.update()

        count = writers.write_frames(
            _OUTPUT.value, counted(), fps=fps, num_frames=num_frames
        )
    print(f"wrote {count} frames at {fps} fps: {_OUTPUT.value}")


def _report(seconds: float) -> None:
    # Imported here, as a film needs no plots.
    from duralava.simulation import report

    measures = report.write_report(
        _REPORT.value,
        seed=_SEED.value,
        num_seeds=_SEEDS.value,
        seconds=seconds,
        seconds_per_seed=_SECONDS_PER_SEED.value,
    )
    asked = [measure for measure in measures if measure.met is not None]
    met = sum(measure.met for measure in asked)
    print(f"wrote a report, {met} of {len(asked)} marks met: {_REPORT.value}/report.md")
