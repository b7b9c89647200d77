"""Clips of a prepared film: windows of T frames, shuffled, sharded and batched."""

import dataclasses
import os
import pathlib

import grain
import numpy as np
import tensorflow_datasets as tfds

from duralava.config import DataConfig
from duralava.datasets import arrays
from duralava.datasets.preparation import DATASETS


@dataclasses.dataclass(frozen=True)
class Film:
    """Film of a split.

    Attributes:
      frames: uint8 [N, H, W, 3], in order.
      fps: frames per second.
      segment_frames: frames from one cut to the next; the last segment may be shorter.
        None for a film without cuts.
    """

    frames: np.ndarray
    fps: float
    segment_frames: int | None = None

    def segments(self) -> list[np.ndarray]:
        """Returns the segments between cuts."""
        size = self.segment_frames or len(self.frames)
        return [self.frames[i : i + size] for i in range(0, len(self.frames), size)]


def load_film(name: str, data_dir: str | os.PathLike[str], split: str) -> Film:
    """Returns the film of a split of a prepared data set.

    The frames are memory-mapped for random access.

    Args:
      name: data set and config, as `simulated_lava_lamp/64x64_10min`.
      data_dir: folder of prepared data sets.
      split: `train` or `test`.

    Raises:
      ValueError: the data set is not prepared, was prepared by another version of
        duralava, or has no such split.
    """
    folder = _prepared_folder(name, data_dir)
    builder = tfds.builder_from_directory(folder)
    if split not in builder.info.splits:
        raise ValueError(
            f"{name} has no split '{split}'; it has {', '.join(builder.info.splits)}"
        )
    if not arrays.path(folder, split, "frame").exists():
        raise ValueError(
            f"{folder} has its film in records, as earlier versions of duralava wrote "
            f"it; prepare it anew: {_command(name, data_dir)} --overwrite"
        )
    metadata = builder.info.metadata
    return Film(
        arrays.load(folder, split, "frame"),
        float(metadata["fps"]),
        metadata.get("segment_frames") or None,
    )


def clip_dataset(
    film: Film, data: DataConfig, *, seed: int
) -> grain.MapDataset[np.ndarray]:
    """Returns the endless sequence of batches of clips; item i is the batch of step i.

    Every window of `clip_length` frames, `frame_stride` apart, without a cut, occurs
    once in each epoch, in an order that depends on `seed`. A batch does not depend on
    the number of JAX processes: each process reads its own clips of it.

    Args:
      film: from which clips are cut.
      data: length, stride, flip, and the batch size B over all processes.
      seed: of the order and of the flips.

    Returns:
      Items of uint8 [T, B / processes, H, W, 3], time first.

    Raises:
      ValueError: no segment of the film is as long as a clip, or the batch cannot be
        shared equally between the processes.
    """
    frames, num_frames = film.frames, len(film.frames)
    segment_frames = min(film.segment_frames or num_frames, num_frames)
    span = (data.clip_length - 1) * data.frame_stride + 1
    if segment_frames < span:
        raise ValueError(
            f"the film's longest piece has {segment_frames} frames, but a clip needs "
            f"{span}: {data.clip_length} steps of {data.frame_stride} frames"
        )
    num_segments, last_frames = divmod(num_frames, segment_frames)
    segment_windows = segment_frames - span + 1
    num_windows = num_segments * segment_windows + max(0, last_frames - span + 1)
    shard = grain.sharding.ShardByJaxProcess()
    if data.batch_size % shard.shard_count:
        raise ValueError(
            f"a batch of {data.batch_size} clips cannot be shared equally between "
            f"{shard.shard_count} processes"
        )
    size = data.batch_size // shard.shard_count
    own = slice(shard.shard_index * size, (shard.shard_index + 1) * size)

    def read(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        segments, offsets = np.divmod(windows, segment_windows)
        starts = segments * segment_frames + offsets
        flips = rng.integers(2, size=len(windows)) * data.horizontal_flip
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

    windows = grain.MapDataset.range(num_windows).seed(seed).shuffle().repeat(None)
    return windows.batch(data.batch_size, drop_remainder=True).random_map(read)


def clip_iterator(
    film: Film, data: DataConfig, *, seed: int
) -> grain.DatasetIterator[np.ndarray]:
    """Returns an iterator over `clip_dataset`, read ahead by two threads.

    Its `get_state()` is one small dict. After `set_state` of that dict, an iterator of
    the same arguments continues with exactly the batches that would have followed.

    Raises:
      ValueError: as `clip_dataset`.
    """
    # More threads do not help: a batch is one copy out of the page cache.
    options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)
    return iter(clip_dataset(film, data, seed=seed).to_iter_dataset(options))


def _prepared_folder(name: str, data_dir: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the folder of the latest prepared version."""
    folder = pathlib.Path(data_dir).expanduser() / name
    versions = [path.parent for path in folder.glob("*/dataset_info.json")]
    if not versions:
        raise ValueError(
            f"data set {name} is not prepared in {data_dir}; run: "
            f"{_command(name, data_dir)}"
        )
    latest = max(versions, key=lambda path: tfds.core.Version(path.name))
    builder = DATASETS.get(name.partition("/")[0])
    if builder and latest.name != str(builder.VERSION):
        raise ValueError(
            f"{latest} is film of another version of duralava; this one needs "
            f"{builder.VERSION}; prepare it: {_command(name, data_dir)}"
        )
    return latest


def _command(name: str, data_dir: str | os.PathLike[str]) -> str:
    """Returns the command that prepares a data set."""
    builder = DATASETS.get(name.partition("/")[0])
    source = " --source=VIDEO_OR_FOLDER" if builder and builder.takes_source else ""
    return f"duralava prepare --dataset={name} --data_dir={data_dir}{source}"
