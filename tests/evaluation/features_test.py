import numpy as np
import pytest
import scipy.ndimage

from duralava.evaluation import features
from duralava.evaluation.distances import kernel_distance

T, N, SIZE = 8, 120, 32


def film(seed, *, speed=1.5, contrast=1.0):
    """Clips of a bright disc that rises on a dark ground, u8[T, N, H, W, 3]."""
    rng = np.random.default_rng(seed)
    across, start = rng.uniform(8, 24, N), rng.uniform(20, 26, N)
    radius = rng.uniform(3, 6, N)
    y, x = np.mgrid[:SIZE, :SIZE]
    height = start - speed * np.arange(T)[:, None]
    distance = np.hypot(y - height[..., None, None], x - across[:, None, None])
    disc = np.clip(radius[:, None, None] - distance + 0.5, 0, 1)
    ground = np.stack([30 + y, 20 + 0 * y, 60 + x], axis=-1)
    wax = np.array([220, 90, 40])
    return np.round(ground + contrast * disc[..., None] * (wax - ground)).astype(
        np.uint8
    )


def still(clips):
    return np.repeat(clips[:1], T, axis=0)


def shuffled(clips):
    order = np.random.default_rng(9).permuted(np.tile(np.arange(T), (N, 1)), axis=1)
    return clips[order.T, np.arange(N)]


def turned_back(clips):
    return clips[::-1]


def slowed(clips):
    return clips[np.arange(T) // 2]


def tinted(clips):
    return (clips * np.array([1, 1, 0.7])).astype(np.uint8)


def blurred(clips):
    return scipy.ndimage.gaussian_filter(clips, (0, 0, 1, 1, 0))


def distance(name, first, second):
    one = {name: features.EXTRACTORS[name]}
    return kernel_distance(
        *(features.extract(clips, one)[name] for clips in (first, second))
    )


@pytest.fixture(scope="module")
def real():
    return film(0), film(1)


@pytest.mark.parametrize(
    ("fault", "seen_by"),
    [
        (still, ("random_conv_clips", "motion_histogram")),
        (shuffled, ("random_conv_clips", "motion_histogram")),
        (turned_back, ("random_conv_clips", "motion_histogram")),
        (slowed, ("random_conv_clips", "motion_histogram")),
        (tinted, ("random_conv_frames", "colour_histogram")),
        (blurred, ("random_conv_frames", "radial_spectrum")),
    ],
)
def test_each_fault_is_caught_by_the_measure_made_for_it(real, fault, seen_by):
    for name in seen_by:
        floor = distance(name, real[0], real[1])
        found = distance(name, fault(real[0]), real[1])
        assert found.low > max(floor.high, 0), name
