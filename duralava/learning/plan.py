"""The plan of a run on your own film: prepared data, clips, steps, starting weights."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
from collections.abc import Callable, Collection, Iterator
from typing import Any

import jax
import numpy as np

from duralava import checkpoints, losses, models, weights
from duralava.config import Config, LossConfig
from duralava.datasets import arrays, clips, preparation, video
from duralava.datasets.lava_lamp import lava_lamp
from duralava.training import loop

_USUAL_STEP = 0.2  # seconds, as that of the shipped weights
_LONGER_STEPS = (0.4, 0.8, 1.6)
_SHORTER_STEPS = (0.1, 0.05)
_MOST_CHANGE = 1 / 3  # in a step, as a share of that between unrelated frames
_ENOUGH_CHANGE = 0.5  # over a clip, as a share of that between unrelated frames
_TIMED_STEPS = 10
_SPARE = 0.9  # share of the time that is planned: the machine may be busy later
_DATA = "data"
_COMPARED_FRAMES = 64
_LEAST_MOTION = 0.5  # grey levels, standard deviation over time
_MOST_BYTES = 8e9  # of the prepared film


def prepare_run(
    source: str | os.PathLike[str],
    workdir: str | os.PathLike[str],
    config: Config,
    *,
    mirror: bool,
    seconds: float,
    given: Collection[str] = (),
    on_share: Callable[[float], Any] | None = None,
    on_prepared: Callable[[], Any] = lambda: None,
) -> Config:
    """Prepares the film in `workdir/data`, and plans a run on it.

    The number of steps is what the time allows at the measured pace. A workdir that has
    been trained in keeps its plan. If the config learns windows, the film is prepared
    as large as it is, up to 1,024 pixels and 8 GB. A step is 0.2 s, unless the film is
    slow or fast (`step_seconds`), and clips are as long as suits the film's length.

    Args:
      source: video, or folder of images.
      workdir: folder that is new, or was made by this function for the same film.
      config: of networks, losses and optimisers, of one phase; data and schedule are
        adapted.
      mirror: whether clips are mirrored at random.
      seconds: of training.
      given: names of values of the config that stay as they are, of `data.dataset`,
        `data.frame_stride` and `data.clip_length`.
      on_share: as of `preparation.prepare`.
      on_prepared: called when the film is prepared.

    Returns:
      The config to train with.

    Raises:
      ValueError: `source` is not a film, is too short, shows no motion or is not that
        of the workdir, the config has several phases, or `seconds` is not above 0. A
        workdir that was new is then removed.
      OSError: no such `source`, or the workdir cannot be written.
    """
    if not seconds > 0:
        raise ValueError(f"time to train must be above 0, not {seconds:g} s")
    if config.then:
        raise ValueError("a film is learned in one phase; this config has several")
    workdir = pathlib.Path(workdir).expanduser().absolute()
    source = video.open_source(source)
    info = source.info
    data = dataclasses.replace(config.data, horizontal_flip=mirror)
    if "data.dataset" not in given:
        data = dataclasses.replace(data, dataset=dataset_of(info, config))
    config = dataclasses.replace(config, data=data)
    earlier = None
    if (workdir / checkpoints.CONFIG).exists():
        earlier = checkpoints.read_config(workdir)
        if not data_dir(workdir).exists():
            raise ValueError(f"{workdir} is the workdir of another training")
    if info.num_frames:  # else known only once the film has been decoded
        fit_to_film(config, info.num_frames, info.fps, given=given)

    with _removed_if_refused(workdir):
        preparation.prepare(
            data.dataset, data_dir(workdir), source=source, on_share=on_share
        )
        on_prepared()
        learned, held_out = films(config, workdir)
        check_motion(learned.frames)
        num_frames = len(learned.frames) + len(held_out.frames)
        step = step_seconds(learned.frames, learned.fps, config.data.clip_length)
        config = fit_to_film(config, num_frames, learned.fps, step=step, given=given)
    if earlier:
        kept = {
            name: getattr(earlier.data, name)
            for name in ("frame_stride", "clip_length")
            if f"data.{name}" not in given
        }
        data = dataclasses.replace(config.data, **kept)
        config = dataclasses.replace(config, data=data)
        return _scheduled(config, earlier.training.num_steps)
    pace = loop.seconds_per_step(
        config, num_steps=_TIMED_STEPS, data_dir=data_dir(workdir)
    )
    return _scheduled(config, max(1, int(_SPARE * seconds / pace)))


def dataset_of(info: video.VideoInfo, config: Config) -> str:
    """Returns the data set to prepare of a film.

    Its frames have the size of the model's, or, if the config learns windows of larger
    pictures, as much of the film's own size as fits 1,024 pixels and 8 GB.
    """
    size = config.model.resolution
    largest = size
    if config.loss.window_weight or config.data.windows:
        # A film of unknown length may be long.
        fitting = (_MOST_BYTES / 3 / info.num_frames) ** 0.5 if info.num_frames else 256
        largest = max(size, min(info.width, info.height, fitting))
    sizes = [
        found.resolution
        for found in lava_lamp.LavaLamp.BUILDER_CONFIGS
        if found.resolution <= largest and found.resolution % size == 0
    ]
    size = max(sizes, default=size)
    return f"{lava_lamp.LavaLamp.name}/{size}x{size}"


def fit_to_film(
    config: Config,
    num_frames: int,
    fps: float,
    *,
    step: float = _USUAL_STEP,
    given: Collection[str] = (),
) -> Config:
    """Returns the config with steps and clips that suit the film.

    The learned part holds two clips in sequence, the held-out part two pairs of frames
    one step apart.

    Args:
      config: its clips are shortened if necessary.
      num_frames: of the whole film.
      fps: its frames per second.
      step: seconds of a step.
      given: as of `prepare_run`.

    Raises:
      ValueError: the film is too short.
    """
    stride = max(1, round(step * fps))
    if "data.frame_stride" in given:
        stride = config.data.frame_stride
    shortest = _shortest_clip(config.loss)
    if "data.clip_length" in given:
        shortest = max(shortest, config.data.clip_length)
    percent = lava_lamp.TRAIN_PERCENT
    needed = max(
        -(-200 * ((shortest - 1) * stride + 1) // percent),
        -(-200 * (stride + 1) // (100 - percent)),
    )
    if num_frames < needed:
        raise ValueError(
            f"the film has {num_frames} frames; to learn from it, it should have "
            f"{needed} at least, {needed / fps:.1f} s"
        )
    longest = longest_clip(num_frames * percent // 100, stride)
    data = dataclasses.replace(
        config.data,
        clip_length=min(config.data.clip_length, longest),
        frame_stride=stride,
        film_fps=fps,
    )
    return dataclasses.replace(config, data=data)


def step_seconds(frames: arrays.Rows, fps: float, clip_length: int) -> float:
    """Returns the seconds of a step that suit the motion of a film.

    They are 0.2 s, with two exceptions. A transition cannot foresee a film that changes
    faster: if frames 0.2 s apart differ more than a third as much as unrelated frames
    do, a step is 0.1 or 0.05 s. In a slow film clips should show motion: a step is the
    shortest of 0.2 to 1.6 s with which the frames at both ends of a clip differ half as
    much as unrelated frames do, if there is one, and such a clip fits into the film
    twice.

    Args:
      frames: of the film, u8[N, H, W, 3].
      fps: frames per second.
      clip_length: steps in a clip.
    """
    rng = np.random.default_rng(0)
    first, other = (_some(frames, rng.random(_COMPARED_FRAMES)) for _ in range(2))
    unrelated = np.abs(first - other).mean()

    def change(count: int) -> float:
        """Of frames that are `count` frames apart, as a share of unrelated ones."""
        starts = np.linspace(0, 1, _COMPARED_FRAMES)
        ends = _some(frames.part(count, len(frames)), starts)
        begins = _some(frames.part(0, len(frames) - count), starts)
        return float(np.abs(ends - begins).mean() / unrelated)

    step = _USUAL_STEP
    for shorter in _SHORTER_STEPS:
        if change(max(1, round(step * fps))) <= _MOST_CHANGE:
            break
        step = shorter
    if step < _USUAL_STEP:
        return step
    for longer in (_USUAL_STEP, *_LONGER_STEPS):
        span = (clip_length - 1) * max(1, round(longer * fps))
        if 2 * span > len(frames):
            break
        if change(span) >= _ENOUGH_CHANGE:
            return longer
    return _USUAL_STEP


def _some(frames: arrays.Rows, shares: np.ndarray) -> np.ndarray:
    """Returns frames at some shares of a film, f32[N, H, W, 3], without their mean.

    Light that changes slowly over the film is no motion.
    """
    some = frames[(shares * (len(frames) - 1)).astype(int)].astype(np.float32)
    return some - some.mean(axis=(1, 2), keepdims=True)


def check_motion(frames: np.ndarray) -> None:
    """Raises ValueError if nothing moves in a film u8[N, H, W, 3]."""
    some = np.linspace(0, len(frames) - 1, _COMPARED_FRAMES).round().astype(int)
    if frames[np.unique(some)].std(axis=0).mean() < _LEAST_MOTION:
        raise ValueError("nothing moves in the film, so there is nothing to learn")


def starting_weights(config: Config, name: str | None) -> str | None:
    """Returns the weights to start from, None for fresh ones.

    Args:
      config: of the run.
      name: as `weights.load` takes it, or "" for fresh ones; None for the shipped ones
        if they fit.

    Raises:
      ValueError: there are none of that name, or they do not fit.
    """
    if name == "":
        return None
    source = weights.DEFAULT if name is None else name
    with_encoder = losses.has_weight(losses.ENCODER_TERMS, config=config.loss)
    fresh = jax.eval_shape(
        lambda: models.init_networks(
            jax.random.key(0), config=config.model, with_encoder=with_encoder
        )
    )
    try:
        models.check_fit(
            models.with_fresh_parts(weights.load(source).params, fresh),
            config=config.model,
            source=source,
            with_encoder=with_encoder,
        )
    except ValueError:
        if name:
            raise
        return None
    return source


def data_dir(workdir: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the folder of the prepared film of a workdir."""
    return pathlib.Path(workdir).expanduser() / _DATA


def films(
    config: Config, workdir: str | os.PathLike[str]
) -> tuple[clips.Film, clips.Film]:
    """Returns the learned and the held-out film of a workdir, in the model's size."""
    size = config.model.resolution
    learned, held_out = (
        clips.load_film(config.data.dataset, data_dir(workdir), split, resolution=size)
        for split in ("train", "test")
    )
    return learned, held_out


def longest_clip(num_frames: int, stride: int) -> int:
    """Returns the steps of a clip that is half as long as a film of `num_frames`."""
    return 1 + (num_frames // 2 - 1) // stride


@contextlib.contextmanager
def _removed_if_refused(workdir: pathlib.Path) -> Iterator[None]:
    """Removes a workdir that is made inside the context if its film is refused."""
    is_new = not workdir.exists()
    try:
        yield
    except ValueError:
        if is_new:
            shutil.rmtree(workdir, ignore_errors=True)
        raise


def _shortest_clip(loss: LossConfig) -> int:
    encoder = losses.has_weight(losses.ENCODER_TERMS, config=loss)
    return max(2, loss.rollout_steps + 1 if encoder else 0, loss.adversarial_steps)


def _scheduled(config: Config, num_steps: int) -> Config:
    warmup = min(config.optimizer.warmup_steps, num_steps // 10)
    return dataclasses.replace(
        config,
        optimizer=dataclasses.replace(config.optimizer, warmup_steps=warmup),
        training=dataclasses.replace(config.training, num_steps=num_steps),
    )
