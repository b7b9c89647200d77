import itertools

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from duralava.evaluation import features, measures

NUM_CLIPS, CLIP_LENGTH, FILM_LENGTH, STRIDE = 64, 8, 240, 2
OPTIONS = {
    "num_clips": NUM_CLIPS,
    "clip_length": CLIP_LENGTH,
    "film_length": FILM_LENGTH,
    "stride": STRIDE,
    "step_seconds": 0.2,
    "mirrored": False,
}


def cut(segments, stride=STRIDE):
    """Clips, and the film of some lamps."""
    clips = measures.cut_clips(segments, NUM_CLIPS, CLIP_LENGTH, stride=stride)
    lamps = measures.NUM_LAMPS
    return clips, measures.cut_clips(segments, lamps, FILM_LENGTH, stride=stride)


def figures(found, prefix=""):
    """All figures by name, such as `wax share` and `motion_histogram kernel`."""
    flat = {}
    for name, value in found.items():
        if name == "kernel" or name == "backwards":
            value = value["value"]
        if isinstance(value, dict):
            flat |= figures(value, f"{prefix}{name} ")
        else:
            flat[prefix + name] = value
    return flat


@pytest.fixture(scope="module")
def reference(film_discs):
    learned, held_out = film_discs(0), film_discs(1)
    return measures.make_reference(learned, held_out, **OPTIONS)[0]


@pytest.fixture(scope="module")
def floor(film_discs, reference):
    """Where the figures of one more real film lie with a probability of 99 %."""
    films = [
        figures(measures.compare(*cut(film_discs(seed)), reference))
        for seed in (2, 3, 4, 5)
    ]
    count = len(films)
    reach = scipy.stats.t.ppf(0.995, count - 1) * np.sqrt(1 + 1 / count)
    ends = {}
    for name in films[0]:
        values = np.array([film[name] for film in films])
        mean, std = values.mean(), values.std(ddof=1)
        ends[name] = mean - reach * std, mean + reach * std
    return ends


def shuffled(frames):
    rng = np.random.default_rng(9)
    order = rng.permuted(np.indices(frames.shape[:2])[0], axis=0)
    return frames[order, np.arange(frames.shape[1])]


def frozen(frames):
    return np.repeat(frames[:1], len(frames), axis=0)


def looped(frames):
    return frames[np.arange(len(frames)) % 100]


def turned_back(frames):
    return frames[::-1]


def tinted(frames):
    return (frames * np.array([1, 1, 0.7])).astype(np.uint8)


def blurred(frames):
    return scipy.ndimage.gaussian_filter(frames, (0, 0, 1, 1, 0))
