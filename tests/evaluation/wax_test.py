import numpy as np
import pytest
import scipy.ndimage

from duralava.evaluation import wax

SIZE = HEIGHT, WIDTH = 96, 48
RADIUS = 7.0
WAX = np.array([240.0, 70, 40])


def lamp(discs, radius=RADIUS, blur=0.5):
    """Film of discs at (row, column) places f[N, D, 2], before a colour gradient."""
    rows, columns = np.indices(SIZE) + 0.5
    light = rows[..., None] / HEIGHT
    liquid = np.array([60, 20, 90]) + light * np.array([60, 20, -40])
    shares = np.zeros((len(discs), *SIZE))
    for places in np.moveaxis(np.asarray(discs, float), 1, 0):
        y, x = places[:, :, None, None].swapaxes(0, 1)
        away = np.hypot(rows - y, columns - x)
        shares = np.maximum(shares, np.clip(radius - away + 0.5, 0, 1))
    shares = scipy.ndimage.gaussian_filter(shares, (0, blur, blur))[..., None]
    return np.round(liquid + shares * (WAX - liquid)).astype(np.uint8)


def rising(speed, swing=0.0):
    """A disc that rises from foot to top, `speed` pixels a frame."""
    rows = np.arange(80, 16, -speed)
    return np.stack([rows, 24 + swing * np.sin(rows / 2)], axis=1)[:, None]


@pytest.fixture(scope="module")
def film():
    return lamp(rising(0.5, swing=8))


@pytest.fixture(scope="module")
def colour(film):
    return wax.fit_wax_colour(film)


def test_the_direction_is_that_from_liquid_to_wax(colour):
    direction = WAX - np.array([90, 30, 70])  # the liquid at half the height
    direction /= np.linalg.norm(direction)
    assert colour.direction @ direction > 0.98
    assert abs(colour.liquid) < 10 and colour.wax > 100


def test_the_glass_is_where_wax_has_been(film, colour):
    ever = (film[..., 0] > 180).any(axis=0)
    differs = np.count_nonzero(colour.glass != ever)
    assert differs < 0.12 * np.count_nonzero(ever)  # a rim of half a pixel


@pytest.mark.parametrize("blur", [0.5, 1, 1.5])
def test_the_area_of_a_disc_is_kept_when_it_is_blurred(colour, blur):
    share = wax.wax_share(lamp(rising(2)[3:-3], blur=blur), colour)
    area = share * np.count_nonzero(colour.glass)
    np.testing.assert_allclose(area.mean(), np.pi * RADIUS**2, rtol=0.06)
    np.testing.assert_allclose(area, np.pi * RADIUS**2, rtol=0.15)


def test_liquid_has_no_wax_and_full_wax_is_all_wax(film, colour):
    alone = np.median(film, axis=0).astype(np.uint8)  # the disc passes every place
    np.testing.assert_allclose(wax.wax_share(alone[None], colour), 0, atol=0.01)
    full = np.broadcast_to(WAX.astype(np.uint8), (1, *SIZE, 3))
    assert wax.wax_share(full, colour)[0] > 0.95


def test_dark_wax_in_light_liquid_is_wax_too(film, colour):
    negative = wax.fit_wax_colour(255 - film)
    np.testing.assert_allclose(negative.direction, -colour.direction, atol=1e-3)
    np.testing.assert_allclose(
        wax.wax_share(255 - film, negative), wax.wax_share(film, colour), atol=0.01
    )


def test_a_film_in_which_nothing_changes_shows_no_wax(film):
    with pytest.raises(ValueError, match="nothing changes"):
        wax.fit_wax_colour(np.repeat(film[:1], 5, axis=0))


def test_frames_of_another_size_are_refused(film, colour):
    with pytest.raises(ValueError, match=r"\(48, 48\).*\(96, 48\)"):
        wax.wax_share(film[:, :48], colour)


def test_otsu_minimises_the_variance_within_classes():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 300), rng.normal(6, 2, 200)])

    def within(threshold):
        low, high = values[values < threshold], values[values >= threshold]
        return len(low) * low.var() + len(high) * high.var()

    every = min(within(value) for value in np.sort(values)[1:])
    assert within(wax.otsu_threshold(values)) < 1.01 * every


def test_blobs_are_counted_in_their_places(colour):
    places = [
        [(70, 24), (70, 24)],
        [(70, 24), (30, 26)],
        [(75, 24), (75, 24)],
    ]
    blobs = wax.measure_blobs(lamp(places), colour, 0.05)
    np.testing.assert_array_equal(blobs.counts, [1, 2, 1])
    rows = np.flatnonzero(colour.glass.any(axis=1))
    foot, height = rows[-1] + 1, len(rows)
    expected = (foot - np.array([70, 70, 30, 75])) / height
    np.testing.assert_allclose(blobs.heights, expected, atol=0.5 / height)
    area = blobs.areas * np.count_nonzero(colour.glass)
    np.testing.assert_allclose(area, np.pi * RADIUS**2, rtol=0.1)
    spray = wax.measure_blobs(lamp(places, radius=2.0), colour, 0.05)
    np.testing.assert_array_equal(spray.counts, 0)
    assert spray.heights.shape == spray.areas.shape == spray.roundness.shape == (0,)


def labelled(*shapes):
    """Labels i64[1, 200, 200] of shapes: functions of rows and columns."""
    rows, columns = np.indices((200, 200)) - 100.0
    labels = np.zeros((1, 200, 200), int)
    for number, shape in enumerate(shapes, 1):
        labels[0][shape(rows, columns)] = number
    return labels


# By name: a shape, and A^2 / (2 pi J) of its area A and polar moment J.
SHAPES = {
    "disc": (lambda y, x: np.hypot(y, x) < 60, 1),
    "small disc": (lambda y, x: np.hypot(y - 0.5, x - 0.5) < 3, 1),
    "square": (lambda y, x: np.maximum(abs(y), abs(x)) < 50.5, 3 / np.pi),
    "ellipse 2:1": (lambda y, x: np.hypot(y, x / 2) < 40, 2 * 2 / (2**2 + 1)),
    "ellipse 3:1": (lambda y, x: np.hypot(y / 3, x) < 30, 2 * 3 / (3**2 + 1)),
    "two discs that touch": (lambda y, x: np.hypot(y, abs(x) - 40) < 40, 2 / 3),
    "ring": (
        lambda y, x: (np.hypot(y, x) < 80) & (np.hypot(y, x) >= 40),
        (1 - 0.5**2) / (1 + 0.5**2),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_roundness_of_a_shape_is_the_known_one(name):
    shape, expected = SHAPES[name]
    (found,) = wax.roundness(labelled(shape))
    assert found == pytest.approx(expected, rel=0.02 if "small" in name else 0.005)


def test_each_blob_has_its_own_roundness():
    places = [[(30, 24), (30, 24)], [(30, 20), (30, 28)]]
    film = lamp(rising(0.5, swing=8))
    blobs = wax.measure_blobs(
        lamp([*places, [(70, 24), (30, 24)]]), wax.fit_wax_colour(film), 0.05
    )
    np.testing.assert_array_equal(blobs.counts, [1, 1, 2])
    assert blobs.roundness[[0, 2, 3]] == pytest.approx(1, abs=0.03)
    assert blobs.roundness[1] < 0.9


@pytest.mark.parametrize("speed", [0.81, 1.5, -0.81])
def test_wax_rises_at_the_speed_of_the_disc(colour, speed):
    up = lamp(rising(abs(speed)))[:: int(np.sign(speed))]
    seconds = 0.2
    speeds = wax.rise_speeds(up[:, None], colour, seconds) * HEIGHT * seconds
    assert len(speeds) > len(up)
    assert np.median(speeds) == pytest.approx(speed, abs=0.08)
    assert speeds.mean() == pytest.approx(speed, abs=0.08)


def test_still_wax_has_no_speed_and_without_wax_there_is_no_value(film, colour):
    still = np.repeat(film[60:61], 3, axis=0)[:, None]
    speeds = wax.rise_speeds(still, colour, 1.0)
    assert len(speeds)
    np.testing.assert_allclose(speeds, 0, atol=1e-6)
    alone = np.median(film, axis=0).astype(np.uint8)[None, None]
    assert not len(wax.rise_speeds(np.repeat(alone, 3, axis=0), colour, 1.0))
