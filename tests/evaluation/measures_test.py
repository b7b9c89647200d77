import dataclasses

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from duralava.evaluation.distances import Estimate, Untested
from duralava.evaluation.measures import MEASURES, fit_measures
from duralava.evaluation.reference import make_reference
from duralava.evaluation.samples import Sample, SampleSize, cut_sample

# `two_sample_test` and `ladder_test` test the measure that trains.
WITHOUT_TRAINING = {
    name: measure for name, measure in MEASURES.items() if name != "two_sample"
}
SIZE, STRIDE = SampleSize(num_clips=64, clip_length=8, film_length=240), 2
OPTIONS = {
    "size": SIZE,
    "stride": STRIDE,
    "step_seconds": 0.2,
    "mirrored": False,
}


def cut(segments, stride=STRIDE):
    return cut_sample(segments, SIZE, stride=stride)


def figures(found):
    """All figures by name, such as `wax share` and `motion_histogram kernel`."""
    flat = {"samples": found.samples}
    for name, value in {**found.features, **found.measures}.items():
        if isinstance(value, Estimate):
            flat[name] = value.value
        elif dataclasses.is_dataclass(value):
            for field, part in vars(value).items():
                parts = part if isinstance(part, dict) else {"": part}
                for rung, part in parts.items():
                    part = part.value if isinstance(part, Estimate) else part
                    if not isinstance(part, Untested):
                        flat[f"{name} {field} {rung}".strip()] = part
        else:
            flat[name] = value
    return flat


@pytest.fixture(scope="module")
def measure_clips(film_discs):
    reference = make_reference(film_discs(0), film_discs(1), **OPTIONS)
    return fit_measures(reference, WITHOUT_TRAINING)


@pytest.fixture(scope="module")
def floor(film_discs, measure_clips):
    """Where the figures of one more real film lie with a probability of 99 %."""
    films = [figures(measure_clips(cut(film_discs(seed)))) for seed in range(2, 8)]
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


def reversed_in_time(frames):
    return frames[::-1]


def tinted(frames):
    return (frames * np.array([1, 1, 0.7])).astype(np.uint8)


def blurred(frames):
    return scipy.ndimage.gaussian_filter(frames, (0, 0, 1, 1, 0))


def slowed(segments):
    return cut(segments, stride=STRIDE // 2)


def each(fault):
    def make(segments):
        real = cut(segments)
        return Sample(fault(real.clips), fault(real.film))

    return make


# By fault: how film with it is made; the figures that are above those of any real film,
# those that are below, and those that do not detect it.
FAULTS = {
    "shuffled in time": (
        each(shuffled),
        [
            "random_conv_clips frechet",
            "random_conv_clips kernel",
            "motion_histogram frechet",
            "motion_histogram kernel",
            "wax rise_speed",
            "motion",
        ],
        [],
        [
            "random_conv_frames kernel",
            "colour_histogram kernel",
            "radial_spectrum kernel",
            "wax share",
            "wax blob_height",
            "novelty",
        ],
    ),
    "frozen": (
        each(frozen),
        [
            "random_conv_clips frechet",
            "random_conv_clips kernel",
            "motion_histogram frechet",
            "motion_histogram kernel",
            "wax rise_speed",
            "dynamics autocorrelation",
        ],
        ["motion", "dynamics recurrence"],
        ["random_conv_frames kernel", "radial_spectrum kernel", "wax blob_count"],
    ),
    "looped": (
        each(looped),
        ["dynamics autocorrelation"],
        ["dynamics recurrence"],
        ["random_conv_clips kernel", "motion_histogram kernel", "motion"],
    ),
    "reversed in time": (
        each(reversed_in_time),
        [
            "motion_histogram frechet",
            "motion_histogram kernel",
            "wax rise_speed",
        ],
        ["backwards"],
        [
            "random_conv_frames kernel",
            "colour_histogram kernel",
            "motion",
            "dynamics recurrence",
            "dynamics autocorrelation",
        ],
    ),
    "tinted": (
        each(tinted),
        [
            "random_conv_frames frechet",
            "random_conv_frames kernel",
            "colour_histogram frechet",
            "colour_histogram kernel",
        ],
        [],
        [
            "radial_spectrum kernel",
            "motion_histogram kernel",
            "wax rise_speed",
            "dynamics recurrence",
        ],
    ),
    "blurred": (
        each(blurred),
        [
            "random_conv_frames kernel",
            "radial_spectrum frechet",
            "radial_spectrum kernel",
        ],
        [],
        ["wax rise_speed", "wax share", "motion", "dynamics recurrence"],
    ),
    "slowed": (
        slowed,
        ["motion_histogram frechet", "motion_histogram kernel", "wax rise_speed"],
        ["motion"],
        [
            "random_conv_frames kernel",
            "colour_histogram kernel",
            "radial_spectrum kernel",
            "wax share",
            "dynamics recurrence",
        ],
    ),
    "none": (
        cut,
        [],
        [],
        [
            "random_conv_frames kernel",
            "random_conv_clips kernel",
            "colour_histogram kernel",
            "radial_spectrum kernel",
            "motion_histogram kernel",
            "wax share",
            "wax rise_speed",
            "novelty",
            "motion",
            "backwards",
            "dynamics recurrence",
            "dynamics autocorrelation",
        ],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_detected_by_the_measures_for_it(
    film_discs, measure_clips, floor, fault
):
    make, above, below, blind = FAULTS[fault]
    found = figures(measure_clips(make(film_discs(8))))
    where = {name: (found[name], floor[name]) for name in (*above, *below, *blind)}
    missed = {
        **{n: w for n, w in where.items() if n in above and w[0] <= w[1][1]},
        **{n: w for n, w in where.items() if n in below and w[0] >= w[1][0]},
    }
    assert not missed
    assert not {
        name: (value, (low, high))
        for name, (value, (low, high)) in where.items()
        if name in blind and not low <= value <= high
    }


def test_a_real_film_is_at_the_floor(floor):
    """Its distances are 0 and its ratios 1, within the spread of real films."""
    for name, (low, high) in floor.items():
        if name.endswith("kernel"):
            assert low < 0 < high < 0.1, name
        if name in ("wax share", "wax spread", "motion", "novelty"):
            assert 0.5 < low < 1 < high < 1.6, name


def test_a_copy_of_the_learned_film_is_not_new(film_discs, measure_clips):
    frames = [segment[::STRIDE] for segment in film_discs(0)]
    assert measure_clips(cut(frames, stride=1)).measures["novelty"] < 0.02


def test_still_film_is_refused(film_discs):
    moving = film_discs(0, num_segments=2)
    still = [np.repeat(segment[:1], len(segment), axis=0) for segment in moving]
    one = [np.repeat(still[0], 3, axis=0)]
    for films in ((moving, still), (one, moving)):
        with pytest.raises(ValueError, match="nothing changes"):
            fit_measures(make_reference(*films, **OPTIONS), MEASURES)


def test_a_lamp_without_wax_can_be_measured(film_discs, measure_clips):
    ground = np.median(film_discs(0)[0], axis=0).astype(np.uint8)
    clips, film = (
        np.broadcast_to(ground, (steps, count, *ground.shape))
        for steps, count in ((8, 64), (240, 8))
    )
    found = measure_clips(Sample(clips, film))
    wax, dynamics = found.measures["wax"], found.measures["dynamics"]
    assert wax.share < 0.05
    assert wax.rise_speed == wax.blob_height == 1
    assert found.measures["motion"] == dynamics.recurrence == 0
    assert dynamics.autocorrelation == 1
    assert found.features["random_conv_frames"].coverage < 0.3
