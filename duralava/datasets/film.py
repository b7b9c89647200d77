"""What the TFDS builders of films share: features, and frames in film order."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

_NUM_KEYS = 2**128  # TFDS sorts examples by a key in this range


def film_info(
    builder: tfds.core.DatasetBuilder,
    *,
    description: str,
    resolution: int,
    metadata: dict[str, Any],
) -> tfds.core.DatasetInfo:
    """Returns the info of a data set of uint8 frames, `frame` [H, W, 3], in order."""
    frame = tfds.features.Tensor(
        shape=(resolution, resolution, 3), dtype=np.uint8, encoding="bytes"
    )
    return tfds.core.DatasetInfo(
        builder=builder,
        description=description,
        features=tfds.features.FeaturesDict({"frame": frame}),
        metadata=tfds.core.MetadataDict(metadata),
        disable_shuffling=True,
    )


def keyed_examples(
    frames: Iterable[np.ndarray], num_frames: int
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Yields `(key, example)` of each of `num_frames` frames, keys rising."""
    # Keys are spread over TFDS's whole range: it sorts them bucket by bucket, each in
    # memory, and would put the keys 0, 1, 2, ... of a long film all into one bucket.
    spacing = _NUM_KEYS // num_frames
    for index, frame in enumerate(frames):
        yield index * spacing, {"frame": frame}
