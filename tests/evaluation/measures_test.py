import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from duralava.evaluation import measures

pytestmark = pytest.mark.usefixtures("quick_compilation")

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
        for seed in range(2, 8)
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


def slowed(segments):
    return cut(segments, stride=STRIDE // 2)


def each(fault):
    return lambda segments: tuple(map(fault, cut(segments)))


# Fault, the figures above what another real film has, those below, and those that do
# not see it.
PROOF = {
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
    "turned back in time": (
        each(turned_back),
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


@pytest.mark.parametrize("fault", PROOF)
def test_each_fault_is_seen_by_the_measures_made_for_it(
    film_discs, reference, floor, fault
):
    make, above, below, blind = PROOF[fault]
    found = figures(measures.compare(*make(film_discs(8)), reference))
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
    """No distance, and ratios of one, within what real films differ by."""
    for name, (low, high) in floor.items():
        if name.endswith("kernel"):
            assert low < 0 < high < 0.1, name
        if name in ("wax share", "wax spread", "motion", "novelty"):
            assert 0.5 < low < 1 < high < 1.6, name


def test_a_copy_of_the_learned_film_is_not_new(film_discs, reference):
    frames = [segment[::STRIDE] for segment in film_discs(0)]
    found = measures.compare(*cut(frames, stride=1), reference)
    assert found["novelty"] < 0.02


def numbered(*lengths):
    """Film whose frames are their number, and that of their piece in green."""
    film = []
    for index, length in enumerate(lengths):
        segment = np.zeros((length, 4, 4, 3), np.uint8)
        segment[..., 0] = np.arange(length)[:, None, None]
        segment[..., 1] = index
        film.append(segment)
    return film


def test_clips_are_spread_evenly_and_cross_no_cut():
    film = numbered(50, 3, 30, 50)
    clips = measures.cut_clips(film, 40, 4, stride=3)[..., 0, 0, :].astype(int)
    assert clips.shape == (4, 40, 3)
    np.testing.assert_array_equal(np.diff(clips[..., 0], axis=0), 3)
    np.testing.assert_array_equal(np.diff(clips[..., 1], axis=0), 0)
    # Pieces of 50, 3, 30 and 50 frames have 41, 0, 21 and 41 clips of 10 frames.
    assert measures.count_clips(film, 4, stride=3) == 41 + 0 + 21 + 41
    place = clips[0, :, 0] + np.array([0, 0, 41, 62])[clips[0, :, 1]]
    np.testing.assert_allclose(place, np.linspace(0, 102, 40), atol=0.5)


def test_as_many_clips_as_there_are_is_all_of_them():
    clips = measures.cut_clips(numbered(20, 13), 10 + 3, 11, stride=1)
    first = clips[0, :, 0, 0, :2].tolist()
    assert first == [[i, 0] for i in range(10)] + [[i, 1] for i in range(3)]
    with pytest.raises(ValueError, match="33 frames has 13 clips of 11 steps"):
        measures.cut_clips(numbered(20, 13), 14, 11, stride=1)


def test_a_film_in_which_nothing_moves_is_refused(film_discs):
    moving = film_discs(0, num_segments=2)
    still = [np.repeat(segment[:1], len(segment), axis=0) for segment in moving]
    one = [np.repeat(still[0], 3, axis=0)]
    for films in ((moving, still), (one, moving)):
        with pytest.raises(ValueError, match="nothing changes"):
            measures.make_reference(*films, **OPTIONS)


def test_a_lamp_without_wax_is_measured_all_the_same(film_discs, reference):
    ground = np.median(film_discs(0)[0], axis=0).astype(np.uint8)
    clips, film = (
        np.broadcast_to(ground, (steps, count, *ground.shape))
        for steps, count in ((CLIP_LENGTH, NUM_CLIPS), (FILM_LENGTH, 8))
    )
    found = measures.compare(clips, film, reference)
    assert found["wax"]["share"] < 0.05
    assert found["wax"]["rise_speed"] == found["wax"]["blob_height"] == 1
    assert found["motion"] == found["dynamics"]["recurrence"] == 0
    assert found["dynamics"]["autocorrelation"] == 1
    assert found["random_conv_frames"]["coverage"] < 0.3
