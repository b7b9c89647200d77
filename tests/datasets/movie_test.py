import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import small_films
from av.video.reformatter import Colorspace
from PIL import Image

from duralava.datasets import images, movie, video
from duralava.rendering import writers

COLOUR = np.array([200, 40, 60])


def read(path, resolution=64, **options):
    return np.stack(
        list(video.read_frames(path, resolution=resolution, **options))
    ).astype(int)


def plain(colour=COLOUR, height=96, width=128, count=4):
    return [np.full((height, width, len(colour)), colour, np.uint8)] * count


def bar_at(row, size=96):
    """A white bar whose upper edge is at a row, which need not be whole."""
    rows = np.clip(
        np.minimum(np.arange(size) + 1 - row, row + 8 - np.arange(size)), 0, 1
    )
    return np.repeat(np.uint8(255 * rows)[:, None, None], size, 1).repeat(3, 2)


def centres(frames):
    """Row of the middle of what is bright, for each frame."""
    weights = frames[..., 0].mean(axis=2)
    return weights @ np.arange(weights.shape[1]) / weights.sum(axis=1)


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "libx264"), (".webm", "libvpx-vp9")]
)
def test_a_film_of_two_rates_moves_evenly(tmp_path, suffix, codec):
    times = np.r_[np.arange(150) / 30, 5 + np.arange(50) / 10]
    path = small_films.write_video(
        tmp_path / f"film{suffix}",
        [bar_at(5 + 7 * time) for time in times],
        times=times,
        rate=30,
        codec=codec,
        options={"crf": "10"},
    )
    assert video.probe(path).fps == pytest.approx(30)
    with pytest.warns(images.FilmWarning, match="not evenly spaced.* 30 per second"):
        found = centres(read(path, resolution=96))
    assert len(found) == pytest.approx(297, abs=3)
    line = 8.5 + 7 * np.arange(len(found)) / 30
    # A picture of the slower part is at most half of its spacing away in time.
    np.testing.assert_allclose(found, line, atol=7 * 0.05 + 0.1)


def test_times_of_a_browsers_recording_give_its_rate(tmp_path):
    rng = np.random.default_rng(0)
    times = np.round(np.arange(60) / 60 + rng.uniform(0, 0.002, 60), 3)
    path = small_films.write_video(
        tmp_path / "film.webm",
        plain(count=60),
        times=times,
        rate=1000,
        codec="libvpx",
        options={"crf": "10"},
    )
    assert video.probe(path).fps == pytest.approx(60, rel=0.02)
    assert len(read(path)) == pytest.approx(60, abs=1)


def test_a_film_of_a_frame_an_hour_is_refused(tmp_path):
    path = small_films.write_video(
        tmp_path / "film.mkv", plain(), times=3600 * np.arange(4)
    )
    with pytest.raises(ValueError, match=r"are 3600 seconds apart; .* at most 600"):
        video.probe(path)


def test_interlaced_film_is_deinterlaced(tmp_path):
    pictures = []
    for index in range(20):
        first, second = bar_at(10 + 2 * index), bar_at(11 + 2 * index)
        first = first.swapaxes(0, 1).copy()
        first[1::2] = second.swapaxes(0, 1)[1::2]
        pictures.append(first)
    path = small_films.write_video(
        tmp_path / "film.mp4",
        pictures,
        rate=25,
        options={"crf": "1", "x264-params": "tff=1"},
    )
    with pytest.warns(images.FilmWarning, match="interlaced"):
        frames = read(path, resolution=96)
    assert len(frames) == 20
    combs = np.abs(np.diff(frames[5:15, ..., 0], axis=1)).mean()
    assert (
        np.abs(np.diff(np.stack(pictures)[5:15, ..., 0].astype(int), axis=1)).mean() > 3
    )
    assert combs < 1


# The eight ways in which a camera can be held, as the matrices of ISO/IEC 14496-12.
@pytest.mark.parametrize(
    ("matrix", "turned"),
    [
        ((1, 0, 0, 1), lambda x: x),
        ((0, 1, -1, 0), lambda x: np.rot90(x, -1)),
        ((-1, 0, 0, -1), lambda x: np.rot90(x, 2)),
        ((0, -1, 1, 0), lambda x: np.rot90(x, 1)),
        ((-1, 0, 0, 1), lambda x: x[:, ::-1]),
        ((1, 0, 0, -1), lambda x: x[::-1]),
        ((0, 1, 1, 0), lambda x: x.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda x: np.rot90(x, 2).swapaxes(0, 1)),
    ],
)
def test_the_whole_display_matrix_counts(tmp_path, matrix, turned):
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:16], picture[:, :16] = (255, 255, 255), (128, 128, 128)
    path = small_films.write_video(tmp_path / "film.mp4", [picture] * 3)
    a, b, c, d = (value << 16 for value in matrix)
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    np.testing.assert_allclose(read(path)[0], turned(picture), atol=12)


def test_a_circle_of_long_pixels_is_a_circle(tmp_path):
    rows, columns = np.mgrid[:120, :96]
    inside = np.hypot((columns - 47.5) * 4 / 3, rows - 59.5) < 40
    path = small_films.write_video(
        tmp_path / "film.mp4",
        [np.uint8(255 * inside)[..., None].repeat(3, 2)] * 3,
        sample_aspect_ratio=Fraction(4, 3),
    )
    info = video.probe(path)
    assert (info.width, info.height) == (128, 120)
    found = read(path, resolution=120)[0, ..., 0] > 128
    assert found.any(axis=0).sum() == pytest.approx(80, abs=2)
    assert found.any(axis=1).sum() == pytest.approx(80, abs=2)


def test_side_data_of_an_unknown_kind_are_left_out(tmp_path):
    """FFmpeg attaches the tags of a TIFF to its picture; PyAV has no name for them."""
    path = tmp_path / "film.tif"
    Image.fromarray(plain()[0]).save(path)
    ((_, _, picture),) = movie.read(path)
    np.testing.assert_array_equal(picture, plain()[0])


def test_pixels_that_are_too_long_are_refused(tmp_path):
    path = tmp_path / "film.png"
    writers.write_frames(path, iter(plain()), fps=10)
    # FFmpeg reads the shape of pixels in pictures that are not animated.
    data = bytearray(path.read_bytes().replace(b"acTL", b"acT\0"))
    start = data.index(b"pHYs") + 4
    data[start : start + 8] = struct.pack(">II", 1_000_000, 1)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"film\.png has \d+x\d+ pixels; .*megapixels"):
        next(video.read_frames(path, resolution=16))


@pytest.mark.parametrize(
    ("height", "width", "space", "stated"),
    [
        (240, 320, Colorspace.ITU601, 2),  # not stated: by the number of lines
        (720, 960, Colorspace.ITU709, 2),
        (960, 720, Colorspace.ITU709, 2),
        (240, 320, Colorspace.ITU709, 1),
        (720, 960, Colorspace.ITU601, 6),
    ],
)
def test_colours_are_those_of_the_films_space(tmp_path, height, width, space, stated):
    path = small_films.write_video(
        tmp_path / "film.mp4",
        plain(height=height, width=width),
        space=space,
        colorspace=stated,
    )
    np.testing.assert_allclose(read(path)[1, 32, 32], COLOUR, atol=4)


def perceptual_quantizer(light):
    """Signal of light in cd/m^2 (SMPTE ST 2084)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = (light / 10_000) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def hybrid_log_gamma(light):
    """Signal of light in cd/m^2 on a display of 1,000 cd/m^2 (ITU-R BT.2100)."""
    display = light / 1000
    luminance = display @ np.array([0.2627, 0.6780, 0.0593])
    scene = display * luminance ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    log = a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), log)


@pytest.mark.parametrize(
    ("curve", "transfer"), [(perceptual_quantizer, 16), (hybrid_log_gamma, 18)]
)
def test_hdr_is_mapped_to_the_colours_of_standard_film(tmp_path, curve, transfer):
    # From BT.709 to BT.2020 (ITU-R BT.2087), with white at 203 cd/m^2 (BT.2408).
    to_wide = [
        [0.6274, 0.3293, 0.0433],
        [0.0691, 0.9195, 0.0114],
        [0.0164, 0.088, 0.8956],
    ]
    light = 203 * (np.array(to_wide) @ (COLOUR / 255) ** 2.4)
    picture = np.full((96, 96, 3), np.rint(65_535 * curve(light)), np.uint16)
    path = small_films.write_video(
        tmp_path / "film.mp4",
        [picture] * 3,
        codec="libx265",
        pixels="yuv420p10le",
        format="rgb48le",
        options={"crf": "1", "x265-params": "log-level=none"},
        space=Colorspace.BT2020,
        colorspace=9,
        color_primaries=9,
        color_trc=transfer,
    )
    with pytest.warns(images.FilmWarning, match="HDR"):
        found = read(path)[1, 32, 32]
    np.testing.assert_allclose(found, COLOUR, atol=4)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("film.webm", "libvpx-vp9", "yuva420p"),
        ("film.mov", "prores_ks", "yuva444p10le"),
        ("film.mkv", "ffv1", "bgra"),
    ],
)
def test_transparent_film_is_shown_on_black(tmp_path, name, codec, pixels):
    picture = np.full((96, 96, 4), (255, 0, 255, 0), np.uint8)  # hidden
    picture[32:64, 32:64] = (*COLOUR, 255)
    path = small_films.write_video(
        tmp_path / name,
        [picture] * 3,
        codec=codec,
        pixels=pixels,
        format="rgba",
        options={"crf": "4"} if codec == "libvpx-vp9" else {"strict": "-2"},
    )
    found = read(path, resolution=96)[1]
    np.testing.assert_allclose(found[48, 48], COLOUR, atol=4)
    np.testing.assert_allclose(found[8, 8], 0, atol=2)


@pytest.fixture
def long_film(tmp_path):
    """150 frames that are hard to predict, one to a packet."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (48, 48, 3), np.uint8) for _ in range(150)]
    return small_films.write_video(
        tmp_path / "film.mp4", pictures, rate=30, codec="mpeg4", options={"qscale": "2"}
    )


def damage(path, numbers):
    """Overwrites packets."""
    with av.open(path) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        places = [(packets[k].pos, packets[k].size) for k in numbers]
    data = bytearray(path.read_bytes())
    for start, size in places:
        data[start : start + size] = b"\xff" * size
    path.write_bytes(data)


def test_damaged_packets_are_skipped_counted_and_named(long_film):
    damage(long_film, [20, 61, 62, 99, 100, 101, 140])
    with pytest.warns(images.FilmWarning, match=r"7 of 150 frames .* not be decoded"):
        assert len(read(long_film, resolution=16)) == 150


def test_a_film_that_is_mostly_damaged_is_refused(long_film):
    damage(long_film, range(20, 60))
    with pytest.raises(ValueError, match=r"40 of 150 frames .* could not be decoded"):
        read(long_film, resolution=16)


def test_a_film_that_is_cut_short_says_so(tmp_path):
    path = small_films.write_video(
        tmp_path / "film.webm",
        [bar_at(index / 2) for index in range(150)],
        rate=30,
        codec="libvpx-vp9",
        options={"crf": "20", "deadline": "realtime", "cpu-used": "8"},
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.warns(images.FilmWarning, match=r"cut short: it ends after .* of 5\.0"):
        assert 20 < len(read(path, resolution=16)) < 140


@pytest.mark.parametrize("name", ["a:b.mp4", "http:film.mp4", "-film.mp4", "ä 1%d.mp4"])
def test_names_that_look_like_addresses_are_files(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    small_films.write_video("film.mp4", plain())
    (tmp_path / "film.mp4").rename(name)
    assert video.probe(name).num_frames == 4
    assert len(read(name)) == 4
