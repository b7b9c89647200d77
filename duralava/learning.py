"""Learning a film of one's own: from the file to a lamp that plays.

A workdir is that of a training, with the prepared film in `data/` and a film of the
lamp in `preview.png`.
"""

import dataclasses
import os
import pathlib
from typing import NamedTuple

import jax
import numpy as np

from duralava import checkpoints, models, pretrained, training
from duralava.config import Config, LossConfig
from duralava.datasets import clips, preparation, video
from duralava.datasets.lava_lamp import lava_lamp
from duralava.evaluation import distances, features, measures, novelty
from duralava.pretrained import Pretrained
from duralava.rendering import frames, writers

_STEP_SECONDS = 0.2
_MEASURED_STEPS = 10
_SPARE = 0.9  # of the time is planned with: a machine may have other work later
_NUM_CLIPS, _CLIP_LENGTH = 128, 16
_HORIZON = 20  # steps that a lamp has run when it is looked at
_MEMORISED = 0.5  # share of held-out film's distance to learned film
_PREVIEW_FRAMES, _PREVIEW_FPS = 300, 30.0


class Verdict(NamedTuple):
    """How far generated clips are from held-out film.

    Attributes:
      frames: Frechet distance of their frames, over that of learned film (the floor).
      clips: as much of whole clips.
      nearest: median distance of a generated frame to the nearest learned one, over
        that of a held-out frame.
    """

    frames: float
    clips: float
    nearest: float

    @property
    def memorised(self) -> bool:
        """Whether frames lie much nearer to learned film than other film does."""
        return self.nearest < _MEMORISED


def prepare(
    source: str | os.PathLike[str],
    workdir: str | os.PathLike[str],
    config: Config,
    *,
    mirror: bool,
    start_from: str | None,
    seconds: float,
) -> Config:
    """Prepares the film in `workdir/data`, and plans a run on it.

    The number of steps is what the time allows at the pace that is measured. A workdir
    that has been trained in keeps its plan.

    Args:
      source: video, or folder of images.
      workdir: folder that is new, or was made by this function for the same film.
      config: of networks, losses and optimisers; data and schedule are adapted.
      mirror: whether clips are mirrored by chance.
      start_from: weights to begin with, "" for none; None for the shipped ones where
        they fit.
      seconds: of training.

    Returns:
      The config to train with.

    Raises:
      ValueError: `source` is not a film, is too short or not that of the workdir, the
        weights do not fit, or `seconds` is not above 0.
      OSError: no such `source`, or the workdir cannot be written.
    """
    if not seconds > 0:
        raise ValueError(f"time to train must be above 0, not {seconds:g} s")
    workdir = pathlib.Path(workdir).expanduser().absolute()
    size = config.model.resolution
    data = dataclasses.replace(
        config.data,
        dataset=f"{lava_lamp.LavaLamp.name}/{size}x{size}",
        data_dir=str(workdir / "data"),
        horizontal_flip=mirror,
    )
    config = dataclasses.replace(config, data=data)
    earlier = None
    if (workdir / checkpoints.CONFIG).exists():
        earlier = checkpoints.read_config(workdir)
        if earlier.data.data_dir != data.data_dir:
            raise ValueError(f"{workdir} is the workdir of another training")
    start = starting_weights(config, start_from)
    told = video.probe(source)
    if told.num_frames:  # else known only once the film has been decoded
        fit_to_film(config, told.num_frames, told.fps)

    preparation.prepare(data.dataset, data.data_dir, source=source)
    learned, held_out = _films(config)
    num_frames = len(learned.frames) + len(held_out.frames)
    config = fit_to_film(config, num_frames, learned.fps)
    if earlier:
        kept = earlier.training
        return _schedule(config, kept.num_steps, start_from=kept.start_from)
    pace = training.measure_pace(config, num_steps=_MEASURED_STEPS)
    num_steps = max(1, int(_SPARE * seconds / pace))
    return _schedule(config, num_steps, start_from=start)


def fit_to_film(config: Config, num_frames: int, fps: float) -> Config:
    """Returns the config with steps of 0.2 s, and clips no longer than suit the film.

    The part that is learned holds two clips one after the other, that which is held out
    two pairs of frames a step apart.

    Args:
      config: whose clips are shortened, if need be.
      num_frames: of the whole film.
      fps: its frames per second.

    Raises:
      ValueError: the film is too short.
    """
    stride = max(1, round(_STEP_SECONDS * fps))
    shortest = _shortest_clip(config.loss)
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
    longest = _longest_clip(num_frames * percent // 100, stride)
    data = dataclasses.replace(
        config.data,
        clip_length=min(config.data.clip_length, longest),
        frame_stride=stride,
        film_fps=fps,
    )
    return dataclasses.replace(config, data=data)


def starting_weights(config: Config, name: str | None) -> str:
    """Returns the weights to begin with, "" for none.

    Args:
      config: of the networks.
      name: as `pretrained.load` takes it, or ""; None for the shipped ones if they fit.

    Raises:
      ValueError: there are none of that name, or they do not fit.
    """
    if name == "":
        return ""
    source = pretrained.DEFAULT if name is None else name
    expected, found = (
        pretrained.named_leaves(params)
        for params in (
            pretrained.abstract_params(config),
            pretrained.load(source).params,
        )
    )
    try:
        pretrained.check_shapes(expected, found, source=source)
    except ValueError:
        if name:
            raise
        return ""
    return source


def judge(workdir: str | os.PathLike[str]) -> Verdict:
    """Looks at the latest lamp of a workdir.

    Raises:
      ValueError: there is none.
    """
    lamp = pretrained.load(workdir)
    learned, held_out = _films(lamp.config)
    stride = lamp.config.data.frame_stride
    longest = _longest_clip(len(held_out.frames), stride)
    dreamt = _dream(lamp, min(_CLIP_LENGTH, longest))
    return compare(
        dreamt,
        learned.frames,
        held_out.frames,
        stride=stride,
        mirrored=lamp.config.data.horizontal_flip,
    )


def compare(
    generated: np.ndarray,
    learned: np.ndarray,
    held_out: np.ndarray,
    *,
    stride: int,
    mirrored: bool,
) -> Verdict:
    """Compares generated clips with the film that was learned, and that was not.

    Args:
      generated: clips u8[T, N, H, W, 3].
      learned: film u8[M, H, W, 3].
      held_out: film u8[K, H, W, 3], twice as long as a clip at least.
      stride: frames of film per step.
      mirrored: whether mirror images of the film were learned too.
    """
    length, count = generated.shape[:2]

    def cut(film: np.ndarray) -> np.ndarray:
        # A short film has fewer clips than a lamp can dream.
        available = measures.count_clips([film], length, stride=stride)
        return measures.cut_clips([film], min(count, available), length, stride=stride)

    known, real = cut(learned), cut(held_out)
    extractors = {
        extractor.__name__: extractor
        for extractor in (features.random_conv_frames, features.random_conv_clips)
    }
    found = [features.extract(some, extractors) for some in (generated, known, real)]
    scales = {name: measures.fit_scale(rows) for name, rows in found[1].items()}
    dreamt, floor, reference = (measures.rescale(rows, scales) for rows in found)
    over_floor = [
        _ratio(
            distances.frechet_distance(dreamt[name], reference[name]),
            distances.frechet_distance(floor[name], reference[name]),
        )
        for name in extractors
    ]
    unseen = held_out[np.linspace(0, len(held_out) - 1, count).round().astype(int)]
    nearest = [
        np.median(novelty.nearest_distances(some, learned[::stride], mirrored=mirrored))
        for some in (generated[0], unseen)
    ]
    return Verdict(*over_floor, nearest=_ratio(*nearest))


def render_preview(workdir: str | os.PathLike[str]) -> pathlib.Path:
    """Films the latest lamp of a workdir for ten seconds, and returns the file.

    Raises:
      ValueError: there is none.
      OSError: the file cannot be written.
    """
    path = pathlib.Path(workdir) / "preview.png"
    lamp = pretrained.load(workdir)
    film = frames.lamp_frames(lamp.params, config=lamp.config, seed=0, fps=_PREVIEW_FPS)
    writers.write_frames(path, film, fps=_PREVIEW_FPS, num_frames=_PREVIEW_FRAMES)
    return path


def _films(config: Config) -> tuple[clips.Film, clips.Film]:
    learned, held_out = (
        clips.load_film(config.data.dataset, config.data.data_dir, split)
        for split in ("train", "test")
    )
    return learned, held_out


def _schedule(config: Config, num_steps: int, *, start_from: str) -> Config:
    warmup = min(config.optimizer.warmup_steps, num_steps // 10)
    return dataclasses.replace(
        config,
        optimizer=dataclasses.replace(config.optimizer, warmup_steps=warmup),
        training=dataclasses.replace(
            config.training, num_steps=num_steps, start_from=start_from
        ),
    )


def _longest_clip(num_frames: int, stride: int) -> int:
    """Returns the steps of a clip in half of a film: that there are many to choose."""
    return 1 + (num_frames // 2 - 1) // stride


def _shortest_clip(loss: LossConfig) -> int:
    rollout = loss.rollout_steps if loss.uses_encoder else 0
    return max(2, rollout + 1, loss.adversarial_steps)


def _dream(lamp: Pretrained, clip_length: int) -> np.ndarray:
    """Returns clips u8[T, N, H, W, 3] of as many lamps."""
    model = lamp.config.model
    latent_key, noise_key = jax.random.split(jax.random.key(0))
    _, trajectory = models.rollout(
        lamp.params["transition"],
        jax.random.normal(latent_key, (_NUM_CLIPS, model.latent_size)),
        noise_key,
        0,
        num_steps=_HORIZON + clip_length,
        config=model,
    )
    draw = jax.jit(models.draw, static_argnames="config")
    frames = draw(lamp.params["generator"], trajectory[_HORIZON:], config=model)
    return np.asarray(frames)


def _ratio(found: float, floor: float) -> float:
    return float(found / floor) if floor > 0 else float("inf")
