"""What the TFDS builders of films share."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

Examples = Iterator[tuple[int, dict[str, np.ndarray]]]

_FILE_FORMAT = "array_record"  # the one that TFDS writes without TensorFlow
_SHARD_BYTES = 1 << 28


class FilmBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Data set of uint8 frames, `frame` [H, W, 3], in film order.

    Its metadata hold `fps` and, where the film has cuts, `segment_frames`: the number
    of frames from one cut to the next.

    It is written frame by frame, whatever the length of the film. TFDS's own writer
    holds a split in memory, and from 1 GB on it needs TensorFlow.
    """

    takes_source = False  # whether it is made from a film, `source`, that users have

    url_infos = None  # no downloads; TFDS would look for them with a missing package

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
        info = self._info()  # of the temporary folder, which TFDS renames at the end
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
