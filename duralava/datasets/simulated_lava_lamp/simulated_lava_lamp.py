"""TFDS data set `simulated_lava_lamp`: film from `duralava.simulation`."""

import dataclasses
import itertools
from typing import ClassVar

import tensorflow_datasets as tfds
import tqdm

from duralava import simulation
from duralava.datasets import film

_SEEDS = {"train": 0, "test": 1}


@dataclasses.dataclass(eq=False)
class SimulatedLavaLampConfig(tfds.core.BuilderConfig):
    """Size, length and look of the film.

    Attributes:
      resolution: height and width of a frame in pixels.
      seconds: length of the train split.
      test_seconds: length of the test split.
      theme: name of the colours, a key of `simulation.THEMES`.
      lamp: its physics.
    """

    resolution: int = 64
    seconds: int = 600
    test_seconds: int = 60
    theme: str = simulation.DEFAULT_THEME
    lamp: simulation.LampConfig = dataclasses.field(
        default_factory=simulation.LampConfig
    )


class SimulatedLavaLamp(film.FilmBuilder):
    """Film of a simulated lava lamp; `test` shows another lamp than `train`.

    The metadata hold `fps`, the `seeds` of the two lamps, the `theme`, the `lamp` (a
    `simulation.LampConfig` as a dictionary) and the `version`.
    """

    VERSION = tfds.core.Version("2.0.0")
    BUILDER_CONFIGS: ClassVar = [
        SimulatedLavaLampConfig(name="64x64_10min", resolution=64),
        SimulatedLavaLampConfig(
            name="64x64_1h", resolution=64, seconds=3600, test_seconds=600
        ),
        SimulatedLavaLampConfig(
            name="128x128_1h", resolution=128, seconds=3600, test_seconds=600
        ),
        SimulatedLavaLampConfig(name="256x256_10min", resolution=256),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return self._film_info(
            description="Frames of a simulated lava lamp, in film order.",
            resolution=self.builder_config.resolution,
            metadata={
                "fps": simulation.FRAMES_PER_SECOND,
                "seeds": _SEEDS,
                "theme": self.builder_config.theme,
                "lamp": dataclasses.asdict(self.builder_config.lamp),
                "version": str(self.VERSION),
            },
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, film.Examples]:
        seconds = {
            "train": self.builder_config.seconds,
            "test": self.builder_config.test_seconds,
        }
        return {
            split: self._generate_examples(
                split, simulation.FRAMES_PER_SECOND * seconds[split]
            )
            for split in _SEEDS
        }

    def _generate_examples(self, split: str, num_frames: int) -> film.Examples:
        chunks = simulation.film_chunks(
            _SEEDS[split],
            self.builder_config.resolution,
            config=self.builder_config.lamp,
            theme=self.builder_config.theme,
        )
        frames = itertools.islice(itertools.chain.from_iterable(chunks), num_frames)
        progress = tqdm.tqdm(frames, desc=split, total=num_frames, unit=" frames")
        for index, frame in enumerate(progress):
            yield index, {"frame": frame}
