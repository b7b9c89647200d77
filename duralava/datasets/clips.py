"""Clips of a prepared film: windows of T frames, shuffled, sharded and batched."""

import os
import pathlib

import grain
import numpy as np
import tensorflow_datasets as tfds
from numpy.lib import format as npy

from duralava import files
from duralava.config import DataConfig

_CHUNK = 1024  # frames copied at a time


def load_frames(
    name: str, data_dir: str | os.PathLike[str], split: str
) -> tuple[np.ndarray, float]:
    """Returns all frames of a split of a prepared data set, and their rate.

    The first call copies them to `<split>.npy` beside the prepared data, from where
    they are mapped: they take no memory and every frame is had at once.

    Args:
      name: data set and config, as `simulated_lava_lamp/64x64_10min`.
      data_dir: folder of prepared data sets.
      split: `train` or `test`.

    Returns:
      Frames uint8 [N, H, W, 3], and frames per second.

    Raises:
      ValueError: the data set is not prepared, or has no such split.
      OSError: the copy cannot be written.
    """
    folder = _prepared_folder(name, data_dir)
    builder = tfds.builder_from_directory(folder)
    if split not in builder.info.splits:
        raise ValueError(
            f"{name} has no split '{split}'; it has {', '.join(builder.info.splits)}"
        )
    path = folder / f"{split}.npy"
    if not path.exists():
        _copy_frames(builder, split, path)
    return np.load(path, mmap_mode="r"), float(builder.info.metadata["fps"])


def clip_dataset(
    frames: np.ndarray, data: DataConfig, *, seed: int
) -> grain.MapDataset[np.ndarray]:
    """Returns the endless sequence of batches of clips; item i is the batch of step i.

    Every window of `clip_length` frames, `frame_stride` apart, comes once in each
    epoch, in an order that `seed` decides. A batch is the same whatever the number of
    JAX processes: each reads its own clips of it.

    Args:
      frames: film, uint8 [N, H, W, 3].
      data: length, stride, flip and batch size B, the last over all processes.
      seed: of the order and of the flips.

    Returns:
      Items of uint8 [T, B / processes, H, W, 3], time first.

    Raises:
      ValueError: the film is shorter than a clip, or the batch cannot be shared
        equally between the processes.
    """
    span = (data.clip_length - 1) * data.frame_stride + 1
    num_windows = len(frames) - span + 1
    if num_windows < 1:
        raise ValueError(
            f"the film has {len(frames)} frames, but a clip needs {span}: "
            f"{data.clip_length} steps of {data.frame_stride} frames"
        )
    shard = grain.sharding.ShardByJaxProcess()
    if data.batch_size % shard.shard_count:
        raise ValueError(
            f"a batch of {data.batch_size} clips cannot be shared equally between "
            f"{shard.shard_count} processes"
        )
    size = data.batch_size // shard.shard_count
    own = slice(shard.shard_index * size, (shard.shard_index + 1) * size)

    def read(starts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        flips = rng.integers(2, size=len(starts)) * data.horizontal_flip
        batch = np.empty((data.clip_length, size, *frames.shape[1:]), np.uint8)
        for index, (start, flip) in enumerate(
            zip(starts[own], flips[own], strict=True)
        ):
            clip = frames[start : start + span : data.frame_stride]
            if flip:
                # By colour: numpy copies single bytes faster than three at a time.
                for colour in range(frames.shape[-1]):
                    batch[:, index, ..., colour] = clip[:, :, ::-1, colour]
            else:
                batch[:, index] = clip
        return batch

    starts = grain.MapDataset.range(num_windows).seed(seed).shuffle().repeat(None)
    return starts.batch(data.batch_size, drop_remainder=True).random_map(read)


def clip_iterator(
    frames: np.ndarray, data: DataConfig, *, seed: int
) -> grain.DatasetIterator[np.ndarray]:
    """Returns an iterator over `clip_dataset`, read ahead by two threads.

    Its `get_state()` is one small dict; after `set_state` of it, this or a new
    iterator of the same arguments goes on with the very batches that would have come.

    Raises:
      ValueError: as `clip_dataset`.
    """
    # More threads would not help: a batch is one copy out of the page cache.
    options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)
    return iter(clip_dataset(frames, data, seed=seed).to_iter_dataset(options))


def _prepared_folder(name: str, data_dir: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the folder of the latest version that is prepared."""
    folder = pathlib.Path(data_dir).expanduser() / name
    versions = [path.parent for path in folder.glob("*/dataset_info.json")]
    if not versions:
        source = " --source=VIDEO_OR_FOLDER" if name.startswith("lava_lamp") else ""
        raise ValueError(
            f"data set {name} is not prepared in {data_dir}; run: python "
            f"tools/prepare_dataset.py --dataset={name} --data_dir={data_dir}{source}"
        )
    return max(versions, key=lambda path: tfds.core.Version(path.name))


def _copy_frames(
    builder: tfds.core.DatasetBuilder, split: str, path: pathlib.Path
) -> None:
    source = builder.as_data_source(split)
    shape = (len(source), *builder.info.features["frame"].shape)
    with files.written_whole(path) as partial:
        copy = npy.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        for start in range(0, len(source), _CHUNK):
            indices = range(start, min(start + _CHUNK, len(source)))
            examples = source.__getitems__(indices)
            copy[start : indices.stop] = [example["frame"] for example in examples]
        copy.flush()
