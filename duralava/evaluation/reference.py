"""The reference of an evaluation: held-out film, and the film that was learned."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from duralava.evaluation import features
from duralava.evaluation.samples import Sample, SampleSize, Segments, cut_sample


@dataclasses.dataclass(frozen=True)
class Reference:
    """What contenders are compared with.

    Attributes:
      sample: of the held-out film.
      step_seconds: time from one frame of a clip to the next.
      learned: frames of the learned film, one a step, u8[M, H, W, 3].
      mirrored: whether their mirror images were learned too.
      extractors: of features. An extractor whose features do not vary in one of the
        films is left out.
      scales: of the features over the learned film, by extractor.
      features: scaled features f64[N, D] of the held-out clips, by extractor.
    """

    sample: Sample
    step_seconds: float
    learned: np.ndarray
    mirrored: bool
    extractors: Mapping[str, features.Extractor]
    scales: Mapping[str, features.Scale]
    features: Mapping[str, np.ndarray]


def make_reference(
    learned: Segments,
    held_out: Segments,
    *,
    size: SampleSize,
    stride: int,
    step_seconds: float,
    mirrored: bool,
    extractors: Mapping[str, features.Extractor] = features.EXTRACTORS,
    windows: Segments | None = None,
) -> Reference:
    """Samples the films and extracts their features.

    Args:
      learned: film that the model was trained on.
      held_out: other film of the same kind.
      size: of the sample that is taken of each.
      stride: film frames per step.
      step_seconds: time from one step to the next.
      mirrored: whether the model was trained on mirror images too.
      extractors: of features.
      windows: of the held-out film, as of `cut_sample`.

    Raises:
      ValueError: a film is too short.
    """
    known = cut_sample(learned, size, stride=stride)
    sample = cut_sample(held_out, size, stride=stride, windows=windows)
    known_rows, rows = (features.extract(s.clips, extractors) for s in (known, sample))
    extractors = {
        name: extractor
        for name, extractor in extractors.items()
        if np.ptp(known_rows[name], axis=0).any() and np.ptp(rows[name], axis=0).any()
    }
    scales = {name: features.fit_scale(known_rows[name]) for name in extractors}
    return Reference(
        sample=sample,
        step_seconds=step_seconds,
        learned=np.concatenate([segment[::stride] for segment in learned]),
        mirrored=mirrored,
        extractors=extractors,
        scales=scales,
        features=features.rescale({name: rows[name] for name in extractors}, scales),
    )
