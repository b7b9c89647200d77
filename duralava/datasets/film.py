"""The base class of the TFDS builders of films."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

Examples = Iterator[tuple[int, dict[str, np.ndarray]]]

_FILE_FORMAT = "array_record"  # the format that TFDS can write without TensorFlow
_SHARD_BYTES = 1 << 28


class FilmBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Data set of uint8 frames, `frame` [H, W, 3], in film order.

    Its metadata contain `fps` and, if the film has cuts, `segment_frames`: the number
    of frames from one cut to the next.

    Frames are written one at a time, so that memory use does not depend on the length
    of the film. The default writer of TFDS holds a whole split in memory, and needs
    TensorFlow for splits of 1 GB or more.
    """

    takes_source = False  # whether it is made from a film that the user has

    # There is nothing to download; by default TFDS would look up URLs with a package
    # that may be missing.
    url_infos = None

    def __init__(self, *, file_format: str = _FILE_FORMAT, **kwargs: Any) -> None:
        super().__init__(file_format=file_format, **kwargs)

    def _film_info(
        self, *, description: str, resolution: int, metadata: dict[str, Any]
    ) -> tfds.core.DatasetInfo:
        frame = tfds.features.Tensor(
            shape=(resolution, resolution, 3), dtype=np.uint8, encoding="bytes"
        )
        return tfds.core.DatasetInfo(
            builder=self,
            description=description,
            features=tfds.features.FeaturesDict({"frame": frame}),
            metadata=tfds.core.MetadataDict(metadata),
            disable_shuffling=True,
        )

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig,
    ) -> None:
        splits = self._split_generators(dl_manager)
        info = self._info()  # for the temporary folder, which TFDS renames at the end
        writer = tfds.core.SequentialWriter(
            info,
            max_examples_per_shard=_SHARD_BYTES
            // np.prod(info.features["frame"].shape),
            file_format=_FILE_FORMAT,
        )
        writer.initialize_splits(list(splits))
        for split, examples in splits.items():
            writer.add_examples({split: (example for _, example in examples)})
        writer.close_all()
        self.info.set_splits(info.splits)
