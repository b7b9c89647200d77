"""How near a lamp came to the film that it learned."""

import os
import pathlib
from typing import NamedTuple

import numpy as np

from duralava import checkpoints, weights
from duralava.evaluation import distances, features, novelty, samples
from duralava.lamp import Lamp
from duralava.learning.plan import films, longest_clip
from duralava.rendering import writers

PREVIEW = "preview.png"
_NUM_CLIPS, _CLIP_LENGTH = 128, 16
_HORIZON = 20  # steps before the clips that are compared
_MEMORISED = 0.5  # share of held-out film's distance to learned film
_PREVIEW_SECONDS, _PREVIEW_FPS = 10.0, 30.0


class Score(NamedTuple):
    """How far generated clips are from held-out film.

    Attributes:
      frames: Frechet distance of their frames, over that of learned film (the floor).
      clips: Frechet distance of whole clips, over that of learned film.
      nearest: median distance of a generated frame to the nearest learned one, over
        that of a held-out frame.
    """

    frames: float
    clips: float
    nearest: float

    @property
    def memorised(self) -> bool:
        """Whether frames are much nearer to learned film than held-out film is."""
        return self.nearest < _MEMORISED


def score_workdir(workdir: str | os.PathLike[str]) -> Score:
    """Scores the latest lamp of a workdir against the film in it.

    Raises:
      ValueError: there is no lamp.
    """
    lamp = weights.load(workdir)
    config = checkpoints.read_config(workdir)
    learned, held_out = films(config, workdir)
    stride = config.data.frame_stride
    longest = longest_clip(len(held_out.frames), stride)
    return score_clips(
        _generated_clips(lamp, min(_CLIP_LENGTH, longest)),
        learned.frames,
        held_out.frames,
        stride=stride,
        mirrored=config.data.horizontal_flip,
    )


def score_clips(
    generated: np.ndarray,
    learned: np.ndarray,
    held_out: np.ndarray,
    *,
    stride: int,
    mirrored: bool,
) -> Score:
    """Compares generated clips with learned and with held-out film.

    Args:
      generated: clips u8[T, N, H, W, 3].
      learned: film u8[M, H, W, 3].
      held_out: film u8[K, H, W, 3], at least twice as long as a clip.
      stride: frames of film per step.
      mirrored: whether mirror images of the film were learned too.
    """
    length, count = generated.shape[:2]

    def cut(film: np.ndarray) -> np.ndarray:
        # A short film has fewer clips than a lamp can generate.
        available = samples.count_clips([film], length, stride=stride)
        return samples.cut_clips([film], min(count, available), length, stride=stride)

    known, real = cut(learned), cut(held_out)
    extractors = {
        extractor.__name__: extractor
        for extractor in (features.random_conv_frames, features.random_conv_clips)
    }
    found = [features.extract(some, extractors) for some in (generated, known, real)]
    scales = {name: features.fit_scale(rows) for name, rows in found[1].items()}
    own, floor, reference = (features.rescale(rows, scales) for rows in found)
    over_floor = [
        _ratio(
            distances.frechet_distance(own[name], reference[name]),
            distances.frechet_distance(floor[name], reference[name]),
        )
        for name in extractors
    ]
    held_out_frames = held_out[
        np.linspace(0, len(held_out) - 1, count).round().astype(int)
    ]
    nearest = [
        np.median(novelty.nearest_distances(some, learned[::stride], mirrored=mirrored))
        for some in (generated[0], held_out_frames)
    ]
    return Score(*over_floor, nearest=_ratio(*nearest))


def render_preview(workdir: str | os.PathLike[str]) -> pathlib.Path:
    """Renders ten seconds of the latest lamp of a workdir, and returns the file.

    Raises:
      ValueError: there is no lamp.
      OSError: the file cannot be written.
    """
    path = pathlib.Path(workdir).expanduser() / PREVIEW
    film = weights.load(workdir).film(seconds=_PREVIEW_SECONDS, fps=_PREVIEW_FPS)
    writers.write_frames(path, film, fps=_PREVIEW_FPS)
    return path


def _generated_clips(lamp: Lamp, clip_length: int) -> np.ndarray:
    """Returns clips u8[T, N, H, W, 3], each of its own lamp."""
    start = lamp.start(0, count=_NUM_CLIPS)
    _, trajectory = lamp.rollout(
        start.latents, start.key, num_steps=_HORIZON + clip_length
    )
    return np.asarray(lamp.generate(trajectory[_HORIZON:]))


def _ratio(found: float, floor: float) -> float:
    return float(found / floor) if floor > 0 else float("inf")
