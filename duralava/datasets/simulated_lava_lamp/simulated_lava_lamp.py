"""TFDS data set `simulated_lava_lamp`: film from `duralava.simulation`."""

import contextlib
import dataclasses
import functools
import os
import pathlib
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from duralava import simulation
from duralava.datasets import arrays, film, lamp_film, unfinished
from duralava.simulation import parallel

_FIRST_SEEDS = {"train": 0, "test": 1}
_HOUR = 3600
_WORK_DIR = ".preparing"


@dataclasses.dataclass(eq=False)
class SimulatedLavaLampConfig(tfds.core.BuilderConfig):
    """Resolution, length and appearance of the film.

    Attributes:
      resolution: height and width of a frame in pixels.
      fps: frames per second, a divisor of `simulation.FRAMES_PER_SECOND`.
      seconds: length of the train split.
      test_seconds: length of the test split.
      lamp_seconds: length of the film of each lamp, from one cut to the next; the film
        of the last lamp may be shorter.
      window_pictures: sizes of larger pictures of each frame, of which a window of
        `resolution` pixels at a random place is kept.
      theme: name of the colour theme, a key of `simulation.THEMES`.
      lamp: physical configuration of the lamps.
    """

    resolution: int = 64
    fps: int = simulation.FRAMES_PER_SECOND
    seconds: int = 600
    test_seconds: int = 60
    lamp_seconds: int = 150
    window_pictures: tuple[int, ...] = ()
    theme: str = simulation.DEFAULT_THEME
    lamp: simulation.LampConfig = dataclasses.field(
        default_factory=simulation.LampConfig
    )

    def __post_init__(self) -> None:
        if self.fps < 1 or simulation.FRAMES_PER_SECOND % self.fps:
            raise ValueError(
                f"fps is {self.fps}, not a divisor of {simulation.FRAMES_PER_SECOND}"
            )
        if min(self.window_pictures, default=self.resolution) < self.resolution:
            raise ValueError(
                f"window_pictures are {self.window_pictures}: smaller than "
                f"the resolution, {self.resolution}"
            )


class SimulatedLavaLamp(film.FilmBuilder):
    """Film of simulated lava lamps, one lamp after the other, without their warm-up.

    Lamp k of `train` has seed 2 k, lamp k of `test` has seed 2 k + 1.

    With `window_pictures`, an example has, beside its `frame`, for each of these sizes
    S a `window_S` of the picture of S pixels, and its `place_S`: row and column of the
    window's first pixel in that picture.

    The metadata contain `fps`, `segment_frames` (the number of frames per lamp), the
    `seeds` of the lamps in each split, the sizes of `window_pictures`, the `theme`, the
    `lamp` (a `simulation.LampConfig` as a dictionary) and the `version`.
    """

    resumable = True

    VERSION = tfds.core.Version("4.1.0")
    BUILDER_CONFIGS: ClassVar = [
        SimulatedLavaLampConfig(name="64x64_10min"),
        SimulatedLavaLampConfig(name="64x64_1h", seconds=_HOUR, test_seconds=1200),
        SimulatedLavaLampConfig(
            name="128x128_1h", resolution=128, seconds=_HOUR, test_seconds=1200
        ),
        SimulatedLavaLampConfig(name="256x256_10min", resolution=256),
        SimulatedLavaLampConfig(
            name="256x256_1h", resolution=256, fps=10, seconds=_HOUR, test_seconds=450
        ),
        SimulatedLavaLampConfig(
            name="10h",
            fps=5,
            seconds=10 * _HOUR,
            test_seconds=_HOUR,
            window_pictures=(128, 256),
        ),
    ]

    def __init__(
        self, *, work_dir: str | os.PathLike[str] | None = None, **kwargs: Any
    ) -> None:
        """Keeps film in `work_dir` until it is complete.

        When a preparation that was killed starts again, it continues with the lamps
        that are missing there. By default the folder is `.preparing`, beside the
        versions of the data set.
        """
        self._work_dir = work_dir
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        window = (config.resolution, config.resolution, 3)
        features = {}
        for size in config.window_pictures:
            features[f"window_{size}"] = arrays.Mapped(shape=window, dtype=np.uint8)
            features[f"place_{size}"] = arrays.Mapped(shape=(2,), dtype=np.uint16)
        return self._film_info(
            description="Frames of simulated lava lamps, in film order.",
            resolution=config.resolution,
            features=features,
            metadata=_metadata(config) | {"version": str(self.VERSION)},
        )

    @contextlib.contextmanager
    def _written_arrays(
        self, dl_manager: tfds.download.DownloadManager
    ) -> Iterator[dict[str, int]]:
        config = self.builder_config
        lamps = _lamps(config)
        lengths = {
            split: sum(lamp.num_frames for lamp in lamps if lamp.split == split)
            for split in _FIRST_SEEDS
        }
        work_dir = self._work_dir or pathlib.Path(self.data_dir).parent / _WORK_DIR
        with unfinished.continued(
            pathlib.Path(work_dir),
            self.data_dir,
            lengths=lengths,
            features=self.info.features,
            content=_metadata(config) | {"version": str(self.VERSION)},
        ) as work:
            _simulate(config, lamps, work)
            yield lengths


class _Lamp(NamedTuple):
    """A lamp's part of a split.

    Attributes:
      split: name of the split.
      seed: of the lamp.
      first: number of its first frame in the split.
      num_frames: number of its frames.
    """

    split: str
    seed: int
    first: int
    num_frames: int


def _metadata(config: SimulatedLavaLampConfig) -> dict[str, Any]:
    lamps = _lamps(config)
    return {
        "fps": config.fps,
        "segment_frames": config.lamp_seconds * config.fps,
        "seeds": {
            split: [lamp.seed for lamp in lamps if lamp.split == split]
            for split in _FIRST_SEEDS
        },
        "window_pictures": list(config.window_pictures),
        "theme": config.theme,
        "lamp": dataclasses.asdict(config.lamp),
    }


def _lamps(config: SimulatedLavaLampConfig) -> list[_Lamp]:
    """Returns the lamps of all splits."""
    seconds = {"train": config.seconds, "test": config.test_seconds}
    return [
        _Lamp(
            split,
            first_seed + len(_FIRST_SEEDS) * index,
            start * config.fps,
            min(config.lamp_seconds, seconds[split] - start) * config.fps,
        )
        for split, first_seed in _FIRST_SEEDS.items()
        for index, start in enumerate(range(0, seconds[split], config.lamp_seconds))
    ]


def _simulate(
    config: SimulatedLavaLampConfig,
    lamps: list[_Lamp],
    work: unfinished.Unfinished,
) -> None:
    """Writes the film of the lamps that are not finished yet."""
    missing = [lamp for lamp in lamps if str(lamp.seed) not in work.finished]
    film_chunks = functools.partial(
        lamp_film.film_chunks,
        resolution=config.resolution,
        fps=config.fps,
        window_pictures=config.window_pictures,
        config=config.lamp,
        theme=config.theme,
    )
    chunks = parallel.simulate_lamps(
        film_chunks, [(lamp.seed, lamp.num_frames) for lamp in missing]
    )
    written = [0] * len(missing)
    total = sum(lamp.num_frames for lamp in lamps)
    left = sum(lamp.num_frames for lamp in missing)
    with (
        contextlib.closing(chunks),
        tqdm.tqdm(
            desc="film", total=total, initial=total - left, unit=" frames"
        ) as progress,
    ):
        for index, chunk in chunks:
            lamp = missing[index]
            work.write(lamp.split, lamp.first + written[index], chunk)
            written[index] += len(chunk["frame"])
            progress.update(len(chunk["frame"]))
            if written[index] == lamp.num_frames:
                work.finish(str(lamp.seed))
