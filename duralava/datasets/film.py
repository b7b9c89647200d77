"""The base class of the TFDS builders of films."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_builder

from duralava.datasets import arrays

Examples = Iterator[tuple[int, dict[str, np.ndarray]]]

_FILE_FORMAT = "array_record"  # the format that TFDS can write without TensorFlow


class FilmBuilder(dataset_builder.FileReaderBuilder, skip_registration=True):
    """Data set of uint8 frames, `frame` [H, W, 3], in film order.

    Its metadata contain `fps` and, if the film has cuts, `segment_frames`: the number
    of frames from one cut to the next.

    The frames lie in one array for each split, from which they are memory-mapped
    (`arrays`). Records of TFDS refer to them. Frames are written one at a time, so that
    memory use does not depend on the length of the film.
    """

    takes_source = False  # whether it is made from a film that the user has
    resumable = False  # whether it continues in `work_dir` when it is prepared again

    # There is nothing to download; by default TFDS would look up URLs with a package
    # that may be missing.
    url_infos = None

    def __init__(self, *, file_format: str = _FILE_FORMAT, **kwargs: Any) -> None:
        super().__init__(file_format=file_format, **kwargs)

    def download_and_prepare(self, **kwargs: Any) -> None:
        """Prepares the data set; the arguments are those of TFDS."""
        super().download_and_prepare(**kwargs)
        # It was written in a temporary folder.
        self.info.features.load_metadata(self.data_dir)

    def _film_info(
        self,
        *,
        description: str,
        resolution: int,
        metadata: dict[str, Any],
        features: Mapping[str, arrays.Mapped] | None = None,
    ) -> tfds.core.DatasetInfo:
        frame = arrays.Mapped(shape=(resolution, resolution, 3), dtype=np.uint8)
        return tfds.core.DatasetInfo(
            builder=self,
            description=description,
            features=tfds.features.FeaturesDict({"frame": frame, **(features or {})}),
            metadata=tfds.core.MetadataDict(metadata),
            disable_shuffling=True,
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Examples]:
        """Returns the examples of each split, unless `_written_arrays` is replaced."""
        raise NotImplementedError

    @contextlib.contextmanager
    def _written_arrays(
        self, dl_manager: tfds.download.DownloadManager
    ) -> Iterator[dict[str, int]]:
        """Writes the arrays to `data_dir`, at the latest when the context ends.

        Yields:
          The number of examples of each split.
        """
        yield {
            split: _write_examples(self.data_dir, split, self.info.features, examples)
            for split, examples in self._split_generators(dl_manager).items()
        }

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig,
    ) -> None:
        with self._written_arrays(dl_manager) as lengths:
            splits = self._write_records(lengths)
        for split in splits:
            for name in self.info.features:
                arrays.write_checksums(self.data_dir, split, name)
        self.info.set_splits(
            tfds.core.SplitDict(
                [
                    split.replace(num_bytes=split.num_bytes + self._array_bytes(split))
                    for split in splits.values()
                ]
            )
        )

    def _write_records(self, lengths: dict[str, int]) -> tfds.core.SplitDict:
        info = self._info()  # for the temporary folder, which TFDS renames at the end
        writer = tfds.core.SequentialWriter(
            info,
            max_examples_per_shard=max(lengths.values()),
            file_format=_FILE_FORMAT,
        )
        writer.initialize_splits(list(lengths))
        for split, length in lengths.items():
            references = (arrays.reference(split, index) for index in range(length))
            writer.add_examples(
                {split: (dict.fromkeys(info.features, r) for r in references)}
            )
        writer.close_all()
        return info.splits

    def _array_bytes(self, split: tfds.core.SplitInfo) -> int:
        return sum(
            arrays.num_bytes(self.data_dir, split.name, name)
            for name in self.info.features
        )


def _write_examples(
    folder: str | os.PathLike[str],
    split: str,
    features: Mapping[str, arrays.Mapped],
    examples: Examples,
) -> int:
    """Writes the arrays of a split, and returns its number of examples."""
    with contextlib.ExitStack() as stack:
        files = {
            name: stack.enter_context(arrays.path(folder, split, name).open("xb"))
            for name in features
        }
        num_rows = 0
        for _, example in examples:
            for name, file in files.items():
                values = example[name][None]
                arrays.write_rows(file, features[name], num_rows, values)
            num_rows += 1
        for name, file in files.items():
            arrays.write_header(file, features[name], num_rows)
    return num_rows
