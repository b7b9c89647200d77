"""TFDS data set `lava_lamp`: a film from the user, as small square frames."""

import dataclasses
import os
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from duralava.datasets import film, video

_FILM_NAME = "lavalamp.mov"
TRAIN_PERCENT = 90


@dataclasses.dataclass(eq=False)
class LavaLampConfig(tfds.core.BuilderConfig):
    """Size of the frames.

    Attributes:
      resolution: height and width in pixels.
      fit: how to make the frames square.
    """

    resolution: int = 64
    fit: video.Fit = "crop"


class LavaLamp(film.FilmBuilder):
    """Film of a lava lamp; `train` is its first 90 %, `test` its last 10 %.

    The metadata contain `fps` and `source`, the fingerprint of the film.
    """

    takes_source = True

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [
        LavaLampConfig(
            name=f"{resolution}x{resolution}" + ("_letterbox" if fit != "crop" else ""),
            resolution=resolution,
            fit=fit,
        )
        for fit in ("crop", "letterbox")
        for resolution in range(64, 1025, 64)
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"Put the film into the folder as {_FILM_NAME}, or as its only file, or put "
        "the film's frames there as images."
    )

    def __init__(
        self,
        *,
        source: str | os.PathLike[str] | None = None,
        on_share: Callable[[float], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Uses the film at `source`, or if it is None, the film in `manual_dir`.

        `on_share` is called with the share of the film that is decoded, instead of a
        progress bar.
        """
        self._source = source
        self._on_share = on_share
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return self._film_info(
            description="Frames of a film of a lava lamp, in film order.",
            resolution=self.builder_config.resolution,
            metadata={},
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, film.Examples]:
        found = self._source or find_film(dl_manager.manual_dir)
        source = video.open_source(found)
        info = source.info
        self.info.metadata.update(fps=info.fps, source=video.fingerprint(source))
        frames = self._decode(source, info.num_frames)
        num_train = len(frames) * TRAIN_PERCENT // 100
        if num_train == 0:
            raise ValueError(f"{source} is too short: {len(frames)} frame")
        return {
            "train": self._generate_examples(frames[:num_train]),
            "test": self._generate_examples(frames[num_train:]),
        }

    def _decode(self, source: video.Source, expected_frames: int | None) -> np.ndarray:
        """Returns all frames, uint8 [N, H, W, 3], memory-mapped from a temporary file.

        The whole film is decoded before it is split, because metadata do not state the
        number of frames reliably.
        """
        resolution = self.builder_config.resolution
        frames = video.read_frames(
            source, resolution=resolution, fit=self.builder_config.fit
        )
        file = tempfile.TemporaryFile(dir=self.data_dir)  # noqa: SIM115, mapped below
        counted = tqdm.tqdm(
            frames,
            desc="film",
            total=expected_frames,
            unit=" frames",
            disable=True if self._on_share else None,  # else in a terminal only
        )
        for number, frame in enumerate(counted, 1):
            file.write(frame.tobytes())
            if self._on_share and expected_frames:
                self._on_share(number / expected_frames)
        file.flush()
        flat = np.memmap(file, np.uint8, mode="r")
        return flat.reshape(-1, resolution, resolution, 3)

    def _generate_examples(self, frames: np.ndarray) -> film.Examples:
        for index, frame in enumerate(frames):
            yield index, {"frame": frame}


def find_film(folder: str | os.PathLike[str]) -> pathlib.Path:
    """Returns `lavalamp.mov` in a folder, or its only file, or the folder itself.

    A folder of several files is read as a folder of images.
    """
    folder = pathlib.Path(folder)
    if (folder / _FILM_NAME).exists():
        return folder / _FILM_NAME
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return files[0] if len(files) == 1 and files[0].is_file() else folder
