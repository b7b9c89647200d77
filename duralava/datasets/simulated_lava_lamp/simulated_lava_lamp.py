"""TFDS data set `simulated_lava_lamp`: film from `duralava.simulation`."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from duralava import simulation
from duralava.datasets import film
from duralava.simulation import parallel

_FIRST_SEEDS = {"train": 0, "test": 1}


@dataclasses.dataclass(eq=False)
class SimulatedLavaLampConfig(tfds.core.BuilderConfig):
    """Resolution, length and appearance of the film.

    Attributes:
      resolution: height and width of a frame in pixels.
      seconds: length of the train split.
      test_seconds: length of the test split.
      lamp_seconds: length of the film of each lamp, from one cut to the next; the film
        of the last lamp may be shorter.
      theme: name of the colour theme, a key of `simulation.THEMES`.
      lamp: physical configuration of the lamps.
    """

    resolution: int = 64
    seconds: int = 600
    test_seconds: int = 60
    lamp_seconds: int = 300
    theme: str = simulation.DEFAULT_THEME
    lamp: simulation.LampConfig = dataclasses.field(
        default_factory=simulation.LampConfig
    )


class SimulatedLavaLamp(film.FilmBuilder):
    """Film of simulated lava lamps, one lamp after the other, without their warm-up.

    Lamp k of `train` has seed 2 k, lamp k of `test` has seed 2 k + 1.

    The metadata contain `fps`, `segment_frames` (the number of frames per lamp), the
    `seeds` of the lamps in each split, the `theme`, the `lamp` (a
    `simulation.LampConfig` as a dictionary) and the `version`.
    """

    VERSION = tfds.core.Version("3.0.0")
    BUILDER_CONFIGS: ClassVar = [
        SimulatedLavaLampConfig(name="64x64_10min", resolution=64),
        SimulatedLavaLampConfig(
            name="64x64_1h", resolution=64, seconds=3600, test_seconds=1200
        ),
        SimulatedLavaLampConfig(
            name="128x128_1h", resolution=128, seconds=3600, test_seconds=1200
        ),
        SimulatedLavaLampConfig(name="256x256_10min", resolution=256),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        return self._film_info(
            description="Frames of simulated lava lamps, in film order.",
            resolution=config.resolution,
            metadata={
                "fps": simulation.FRAMES_PER_SECOND,
                "segment_frames": config.lamp_seconds * simulation.FRAMES_PER_SECOND,
                "seeds": {
                    split: [seed for seed, _ in lamps]
                    for split, lamps in _lamps(config).items()
                },
                "theme": config.theme,
                "lamp": dataclasses.asdict(config.lamp),
                "version": str(self.VERSION),
            },
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, film.Examples]:
        lamps = _lamps(self.builder_config)
        # One iterator serves both splits, which TFDS reads in this order.
        films = self._simulate([lamp for split in lamps.values() for lamp in split])
        return {
            split: self._generate_examples(itertools.islice(films, len(lamps[split])))
            for split in lamps
        }

    def _simulate(self, lamps: list[tuple[int, int]]) -> Iterable[np.ndarray]:
        """Yields the film of each lamp, given by its seed and number of frames."""
        film_chunks = functools.partial(
            simulation.film_chunks,
            resolution=self.builder_config.resolution,
            config=self.builder_config.lamp,
            theme=self.builder_config.theme,
        )
        num_frames = sum(num_frames for _, num_frames in lamps)
        with tqdm.tqdm(desc="film", total=num_frames, unit=" frames") as progress:
            yield from parallel.simulate_lamps(
                film_chunks, lamps, folder=self.data_dir, filmed=progress.update
            )

    def _generate_examples(self, films: Iterable[np.ndarray]) -> film.Examples:
        for index, frame in enumerate(itertools.chain.from_iterable(films)):
            yield index, {"frame": frame}


def _lamps(config: SimulatedLavaLampConfig) -> dict[str, list[tuple[int, int]]]:
    """Returns the seed and the number of frames of each lamp of each split."""
    seconds = {"train": config.seconds, "test": config.test_seconds}
    return {
        split: [
            (
                first_seed + len(_FIRST_SEEDS) * index,
                min(config.lamp_seconds, seconds[split] - start)
                * simulation.FRAMES_PER_SECOND,
            )
            for index, start in enumerate(range(0, seconds[split], config.lamp_seconds))
        ]
        for split, first_seed in _FIRST_SEEDS.items()
    }
