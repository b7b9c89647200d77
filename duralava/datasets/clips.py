"""Batches of a prepared film: clips of T frames, and windows of single frames."""

import dataclasses
import functools
import math
import os
import pathlib
from typing import Any, NamedTuple

import grain
import numpy as np
import tensorflow_datasets as tfds

from duralava.config import DataConfig
from duralava.datasets import arrays, windows
from duralava.datasets.preparation import DATASETS


@dataclasses.dataclass(frozen=True)
class Film:
    """Film of a split.

    Attributes:
      frames: uint8 [N, H, W, 3], in order; an array, or rows that are checked when
        they are read.
      fps: frames per second.
      segment_frames: frames from one cut to the next; the last segment may be shorter.
        None for a film without cuts.
      random_window: returns a part of a larger picture of a frame; None for a film
        without larger pictures.
    """

    frames: windows.Frames
    fps: float
    segment_frames: int | None = None
    random_window: windows.RandomWindow | None = None

    def segments(self) -> list[windows.Frames]:
        """Returns the segments between cuts, without reading them."""
        size = self.segment_frames or len(self.frames)
        starts = range(0, len(self.frames), size)
        if isinstance(self.frames, arrays.Rows):
            return [self.frames.part(start, start + size) for start in starts]
        return [self.frames[start : start + size] for start in starts]


class Batch(NamedTuple):
    """What a training step sees of the film.

    A place is left and upper edge and the width of a pixel, in widths of the frame, as
    `windows.Place`.

    Attributes:
      clips: u8[T, B, H, W, 3].
      views: a window of the first and of the last frame of each clip, whole frames
        where the film has no larger pictures, u8[2, B, H, W, 3].
      view_places: f32[2, B, 3].
      windows: windows of N other frames, u8[N, H, W, 3].
      places: f32[N, 3].
    """

    clips: Any
    views: Any
    view_places: Any
    windows: Any
    places: Any


def load_film(
    name: str,
    data_dir: str | os.PathLike[str],
    split: str,
    *,
    resolution: int | None = None,
) -> Film:
    """Returns the film of a split of a prepared data set.

    The frames are memory-mapped for random access. A damaged frame raises a ValueError
    when it is read.

    Args:
      name: data set and config, as `simulated_lava_lamp/64x64_10min`.
      data_dir: folder of prepared data sets.
      split: `train` or `test`.
      resolution: height and width of the frames; None for those of the data set.
        Smaller ones are computed at the first call, and kept beside the data set.

    Raises:
      ValueError: the data set is not prepared, was prepared by another version of
        duralava, or has no such split; or frames are not a multiple of `resolution`.
      OSError: smaller frames cannot be written.
    """
    folder = _prepared_folder(name, data_dir)
    remedy = f"prepare it anew: {_command(name, data_dir)} --overwrite"
    facts = _read_facts(folder, remedy)
    if split not in facts.splits:
        raise ValueError(
            f"{name} has no split '{split}'; it has {', '.join(facts.splits)}"
        )
    if not arrays.path(folder, split, "frame").exists():
        raise ValueError(
            f"{folder} has its film in records, as earlier versions of duralava wrote "
            f"it; {remedy}"
        )
    load = functools.partial(arrays.load_rows, folder, split, remedy=remedy)
    frames, random_window = load("frame"), None
    if resolution is not None and frames.shape[1] > resolution:
        random_window = functools.partial(windows.cut, pictures=frames, size=resolution)
        frames = windows.small_frames(folder, split, frames, resolution=resolution)
    elif facts.window_pictures:
        pictures = {
            size: (load(f"window_{size}"), load(f"place_{size}"))
            for size in facts.window_pictures
        }
        random_window = functools.partial(windows.stored, pictures=pictures)
    return Film(frames, facts.fps, facts.segment_frames, random_window)


def batch_of(clips: np.ndarray) -> Batch:
    """Returns a batch of clips u8[T, B, H, W, 3] whose windows are whole frames."""
    views = clips[:: len(clips) - 1] if len(clips) > 1 else clips[[0, 0]]
    size = clips.shape[2]
    place = np.array([0.0, 0.0, 1 / size], np.float32)
    return Batch(
        clips=clips,
        views=views,
        view_places=np.broadcast_to(place, (2, clips.shape[1], 3)),
        windows=np.zeros((0, *clips.shape[2:]), np.uint8),
        places=np.zeros((0, 3), np.float32),
    )


def batch_dataset(
    film: Film, data: DataConfig, *, seed: int
) -> grain.MapDataset[Batch]:
    """Returns the endless sequence of batches; item i is the batch of step i.

    Every clip of `clip_length` frames, `frame_stride` apart, without a cut, occurs
    once in each epoch, in an order that depends on `seed`. Windows are of other frames
    at random, one from each of N equal parts of the film. A batch does not depend on
    the number of JAX processes: each process reads its own part of it.

    Args:
      film: from which clips are cut.
      data: length, stride, flip, number of windows, and the batch size B over all
        processes.
      seed: of the order, the windows and the flips.

    Returns:
      Batches of B / processes clips and N / processes windows.

    Raises:
      ValueError: no segment of the film is as long as a clip, or the batch cannot be
        shared equally between the processes.
    """
    num_frames = len(film.frames)
    segment_frames = min(film.segment_frames or num_frames, num_frames)
    span = (data.clip_length - 1) * data.frame_stride + 1
    if segment_frames < span:
        raise ValueError(
            f"the film's longest piece has {segment_frames} frames, but a clip needs "
            f"{span}: {data.clip_length} steps of {data.frame_stride} frames"
        )
    num_segments, last_frames = divmod(num_frames, segment_frames)
    segment_clips = segment_frames - span + 1
    num_clips = num_segments * segment_clips + max(0, last_frames - span + 1)
    own_clips = _own_part(data.batch_size, "clips")
    own_windows = _own_part(data.windows, "windows")

    def read(indices: np.ndarray, rng: np.random.Generator) -> Batch:
        segments, offsets = np.divmod(indices, segment_clips)
        starts = segments * segment_frames + offsets
        flips = rng.integers(2, size=len(indices)) * data.horizontal_flip
        clips = _read_clips(film.frames, starts[own_clips], flips[own_clips], data)
        views = _read_windows(
            film,
            np.stack([starts, starts + span - 1])[:, own_clips],
            rng.integers(2**32, size=(2, len(indices)))[:, own_clips],
            flips=np.stack([flips, flips])[:, own_clips],
            whole_share=0.0,
        )
        parts = rng.permutation(data.windows) + rng.random(data.windows)
        chosen = (parts * (num_frames / max(data.windows, 1))).astype(int)
        flips = rng.integers(2, size=data.windows) * data.horizontal_flip
        others = _read_windows(
            film,
            chosen[own_windows],
            rng.integers(2**32, size=data.windows)[own_windows],
            flips=flips[own_windows],
            whole_share=data.whole_windows,
        )
        return Batch(clips, *views, *others)

    order = grain.MapDataset.range(num_clips).seed(seed).shuffle().repeat(None)
    return order.batch(data.batch_size, drop_remainder=True).random_map(read)


def batch_iterator(
    film: Film, data: DataConfig, *, seed: int
) -> grain.DatasetIterator[Batch]:
    """Returns an iterator over `batch_dataset`, read ahead by some threads.

    Its `get_state()` is one small dict. After `set_state` of that dict, an iterator of
    the same arguments continues with exactly the batches that would have followed.

    Raises:
      ValueError: as `batch_dataset`.
    """
    # More threads do not help two processors: a batch is one copy out of the page
    # cache. With an accelerator, a step is shorter than the copy.
    num_threads = max(2, (os.cpu_count() or 1) // 2)
    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=4)
    return iter(batch_dataset(film, data, seed=seed).to_iter_dataset(options))


class _Facts(NamedTuple):
    """What a data set says of itself."""

    splits: list[str]
    fps: float
    segment_frames: int | None
    window_pictures: list[int]


def _read_facts(folder: pathlib.Path, remedy: str) -> _Facts:
    """Returns what a prepared data set says of itself.

    Raises:
      ValueError: it is damaged.
    """
    try:
        info = tfds.builder_from_directory(folder).info
        facts = _Facts(
            list(info.splits),
            float(info.metadata["fps"]),
            int(info.metadata.get("segment_frames") or 0) or None,
            [int(size) for size in info.metadata.get("window_pictures") or []],
        )
        if not 0 < facts.fps < math.inf or (facts.segment_frames or 1) < 1:
            raise ValueError("its metadata are out of range")
    except OSError:
        raise
    except Exception as error:  # TFDS raises whatever its many parts raise
        raise ValueError(f"{folder} is damaged: {error!r}; {remedy}") from error
    return facts


def _own_part(count: int, what: str) -> slice:
    """Returns this process's part of a batch."""
    shard = grain.sharding.ShardByJaxProcess()
    if count % shard.shard_count:
        raise ValueError(
            f"a batch of {count} {what} cannot be shared equally between "
            f"{shard.shard_count} processes"
        )
    size = count // shard.shard_count
    return slice(shard.shard_index * size, (shard.shard_index + 1) * size)


def _read_clips(
    frames: windows.Frames, starts: np.ndarray, flips: np.ndarray, data: DataConfig
) -> np.ndarray:
    """Returns clips u8[T, B, H, W, 3] that start at frames i64[B]."""
    span = (data.clip_length - 1) * data.frame_stride + 1
    clips = np.empty((data.clip_length, len(starts), *frames.shape[1:]), np.uint8)
    for index, (start, flip) in enumerate(zip(starts, flips, strict=True)):
        clip = frames[start : start + span : data.frame_stride]
        if flip:
            # By colour: numpy copies single bytes faster than three at a time.
            for colour in range(frames.shape[-1]):
                clips[:, index, ..., colour] = clip[:, :, ::-1, colour]
        else:
            clips[:, index] = clip
    return clips


def _read_windows(
    film: Film,
    indices: np.ndarray,
    seeds: np.ndarray,
    *,
    flips: np.ndarray,
    whole_share: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns windows u8[..., H, W, 3] of frames i64[...], and places f32[..., 3].

    Each has a seed of its own, so that it does not depend on which others are read.
    """
    pixels = np.empty((indices.size, *film.frames.shape[1:]), np.uint8)
    places = np.empty((indices.size, 3), np.float32)
    for row, (index, seed, flip) in enumerate(
        zip(indices.flat, seeds.flat, flips.flat, strict=True)
    ):
        rng = np.random.default_rng(seed)
        if film.random_window is None or rng.random() < whole_share:
            window = windows.whole(film.frames, index)
        else:
            window = film.random_window(index, rng)
        pixels[row], places[row] = windows.mirrored(window) if flip else window
    return (
        pixels.reshape(*indices.shape, *film.frames.shape[1:]),
        places.reshape(*indices.shape, 3),
    )


def _prepared_folder(name: str, data_dir: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the folder of the latest prepared version.

    A name without a config is that of the first one, as in `preparation.prepare`.
    """
    builder = DATASETS.get(name.partition("/")[0])
    if builder and "/" not in name:
        name = f"{name}/{next(iter(builder.builder_configs))}"
    folder = pathlib.Path(data_dir).expanduser() / name
    versions = [path.parent for path in folder.glob("*/dataset_info.json")]
    if not versions:
        raise ValueError(
            f"data set {name} is not prepared in {data_dir}; run: "
            f"{_command(name, data_dir)}"
        )
    latest = max(versions, key=lambda path: tfds.core.Version(path.name))
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
