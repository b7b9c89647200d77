import signal
import subprocess
import sys
import time

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from duralava import weights
from duralava.rendering import writers

ANIMATIONS = ["lamp.png", "lamp.apng", "lamp.gif", "lamp.webp"]
VIDEOS = ["lamp.mp4", "lamp.webm"]


def film(num_frames=8, height=32, width=48):
    """Returns frames of a smooth picture that gets brighter by 10 in each frame."""
    y, x = np.mgrid[:height, :width]
    picture = np.stack([2 * y, 2 * x, 40 + 0 * x], axis=-1)
    return [(picture + 10 * index).astype(np.uint8) for index in range(num_frames)]


@pytest.fixture(scope="module")
def lamp_film():
    """Frames of a lamp, which moves slowly."""
    return list(weights.load().film(seconds=3.7, seed=7, size=160))


def endless_noise():
    random = np.random.default_rng(0)
    while True:
        yield random.integers(0, 256, (64, 64, 3), dtype=np.uint8)


def read_animation(path):
    with Image.open(path) as image:
        return np.stack(
            [np.asarray(f.convert("RGB")) for f in ImageSequence.Iterator(image)]
        )


def read_video(path):
    with av.open(path) as container:
        return np.stack(
            [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        )


@pytest.mark.parametrize("name", ["lamp.png", "lamp.apng"])
def test_apng_is_exact_and_loops_endlessly(tmp_path, name):
    frames = film()

    assert writers.write_frames(tmp_path / name, iter(frames), fps=20) == 8

    with Image.open(tmp_path / name) as image:
        assert image.n_frames == 8
        assert image.info["loop"] == 0
        durations = [f.info["duration"] for f in ImageSequence.Iterator(image)]
    np.testing.assert_allclose(durations, 50)
    np.testing.assert_array_equal(read_animation(tmp_path / name), frames)


def test_one_frame_is_a_plain_png(tmp_path):
    frames = film(1)

    writers.write_frames(tmp_path / "still.png", iter(frames), fps=30)

    with Image.open(tmp_path / "still.png") as image:
        assert not getattr(image, "is_animated", False)
        np.testing.assert_array_equal(image, frames[0])


@pytest.mark.parametrize("name", ["lamp.gif", "lamp.webp"])
def test_gif_and_webp_look_like_the_film_and_loop(tmp_path, name):
    frames = film()

    writers.write_frames(tmp_path / name, iter(frames), fps=20)

    with Image.open(tmp_path / name) as image:
        assert image.n_frames == 8
        assert image.info["loop"] == 0
    error = np.abs(read_animation(tmp_path / name).astype(float) - frames)
    assert error.mean() < 4


def test_errors_of_webp_do_not_add_up(tmp_path, lamp_film):
    frames = lamp_film[:60]
    writers.write_frames(tmp_path / "lamp.webp", iter(frames), fps=30)
    with Image.open(tmp_path / "lamp.webp") as image:
        shown = ImageSequence.Iterator(image)
        durations = [frame.load() and frame.info["duration"] for frame in shown]
    assert np.cumsum(durations)[[0, 1, 2, 29]].tolist() == [33, 67, 100, 1000]
    shown = read_animation(tmp_path / "lamp.webp")
    error = np.square(shown.astype(float) - frames).mean(axis=(1, 2, 3))
    assert error[-10:].mean() < 1.5 * error[:10].mean()


@pytest.mark.parametrize("name", VIDEOS)
def test_videos_look_like_the_film(tmp_path, name):
    frames = film(20)

    writers.write_frames(tmp_path / name, iter(frames), fps=29.97)

    with av.open(tmp_path / name) as container:
        stream = container.streams.video[0]
        assert stream.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == pytest.approx(29.97, rel=1e-3)
    shown = read_video(tmp_path / name)
    assert shown.shape == (20, 32, 48, 3)
    assert np.abs(shown.astype(float) - frames).mean() < 4


@pytest.mark.parametrize("name", VIDEOS)
def test_odd_sizes_repeat_the_last_row_and_column(tmp_path, name):
    frames = film(3, height=33, width=47)

    writers.write_frames(tmp_path / name, iter(frames), fps=30)

    shown = read_video(tmp_path / name).astype(float)
    assert shown.shape == (3, 34, 48, 3)
    assert np.abs(shown[:, :33, :47] - frames).mean() < 4


@pytest.mark.parametrize("name", ["frames/", "frames"])
def test_a_folder_receives_numbered_pngs(tmp_path, name):
    frames = film()

    assert writers.write_frames(f"{tmp_path}/{name}", iter(frames), fps=30) == 8

    paths = sorted((tmp_path / "frames").iterdir())
    assert [path.name for path in paths] == [f"{i:06d}.png" for i in range(8)]
    for path, frame in zip(paths, frames, strict=True):
        np.testing.assert_array_equal(Image.open(path), frame)


def test_an_empty_folder_may_exist(tmp_path):
    (tmp_path / "frames.d").mkdir()

    writers.write_frames(tmp_path / "frames.d", iter(film(2)), fps=30)

    assert len(list((tmp_path / "frames.d").iterdir())) == 2


@pytest.mark.parametrize("name", [*ANIMATIONS, *VIDEOS, "frames"])
def test_an_endless_film_is_cut(tmp_path, name):
    written = writers.write_frames(
        tmp_path / name, endless_noise(), fps=30, num_frames=5
    )

    assert written == 5
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", [*ANIMATIONS, *VIDEOS, "frames"])
def test_an_interrupt_completes_the_file(tmp_path, name):
    def interrupted():
        yield from film(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as interrupt:
        writers.write_frames(tmp_path / name, interrupted(), fps=30)
    assert interrupt.value.count == 5

    path = tmp_path / name
    if name == "frames":
        assert len(list(path.iterdir())) == 5
    else:
        read = read_video if name in VIDEOS else read_animation
        assert len(read(path)) == 5


@pytest.mark.parametrize("name", ["lamp.png", "lamp.mp4", "frames"])
def test_a_failure_leaves_the_previous_file(tmp_path, name):
    def failing():
        yield from film(5)
        raise RuntimeError("no more")

    if name != "frames":
        (tmp_path / name).write_text("old")
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(RuntimeError, match="no more"):
        writers.write_frames(tmp_path / name, failing(), fps=30)

    assert {path.name for path in tmp_path.iterdir()} == before
    assert all(path.read_text() == "old" for path in tmp_path.iterdir())


@pytest.mark.parametrize("name", ["lamp.png", "lamp.mp4", "frames"])
def test_a_kill_leaves_no_file_of_the_name(tmp_path, name):
    code = f"""
import numpy as np
from duralava.rendering import writers

def frames():
    for index in range(10**9):
        if index == 30:
            print("writing", flush=True)
        yield np.full((64, 64, 3), index % 256, np.uint8)

writers.write_frames({str(tmp_path / name)!r}, frames(), fps=30)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "writing\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)

    assert not (tmp_path / name).exists()


def test_a_reused_buffer_is_copied(tmp_path):
    frames = film(6)

    def reusing():
        buffer = np.empty_like(frames[0])
        for frame in frames:
            buffer[:] = frame
            yield buffer

    writers.write_frames(tmp_path / "lamp.png", reusing(), fps=30)

    np.testing.assert_array_equal(read_animation(tmp_path / "lamp.png"), frames)


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("lamp.avi", ValueError, "unknown suffix '.avi'.*known: .png, .apng, .mp4"),
        ("nowhere/lamp.png", FileNotFoundError, "no folder .*nowhere"),
        ("full", FileExistsError, "full is not empty"),
        ("full/file.mp4/", NotADirectoryError, "is a file"),
    ],
)
def test_impossible_output_is_an_error_before_any_frame(tmp_path, path, error, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file.mp4").touch()
    frames = iter(film(3))

    with pytest.raises(error, match=message):
        writers.check_output(f"{tmp_path}/{path}")
    with pytest.raises(error, match=message):
        writers.write_frames(f"{tmp_path}/{path}", frames, fps=30)

    assert len(list(frames)) == 3


def test_check_output_writes_nothing(tmp_path):
    for name in [*ANIMATIONS, *VIDEOS, "frames"]:
        writers.check_output(tmp_path / name)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lamp.png", {"fps": 0}, "fps must be above 0"),
        ("lamp.png", {"fps": float("nan")}, "fps must be above 0"),
        ("lamp.gif", {"fps": 60}, "at most 50 fps"),
        ("lamp.png", {"fps": 30, "num_frames": 0}, "num_frames must be at least 1"),
    ],
)
def test_impossible_rates_are_told_before_any_frame(tmp_path, name, options, message):
    frames = iter(film(3))

    with pytest.raises(ValueError, match=message):
        writers.write_frames(tmp_path / name, frames, **options)

    assert len(list(frames)) == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frame"),
        ([np.zeros((8, 8, 3))], "must be uint8"),
        ([np.zeros((8, 8), np.uint8)], "must be uint8"),
        (
            [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 6, 3), np.uint8)],
            "frames of two sizes",
        ),
    ],
)
def test_impossible_frames_are_an_error(tmp_path, frames, message):
    with pytest.raises(ValueError, match=message):
        writers.write_frames(tmp_path / "lamp.png", iter(frames), fps=30)

    assert not list(tmp_path.iterdir())


RAW = """
import itertools, sys
import numpy as np
from duralava.rendering import writers
frames = np.arange(10 * 4 * 6 * 3, dtype=np.uint8).reshape(10, 4, 6, 3)
if sys.argv[1:]:  # endless
    frames = itertools.repeat(np.zeros((64, 64, 3), np.uint8))
print(writers.write_frames("-", iter(frames), fps=30), file=sys.stderr)
"""


def test_standard_output_receives_the_bytes_of_all_frames():
    done = subprocess.run([sys.executable, "-c", RAW], capture_output=True, timeout=60)
    assert done.stdout == bytes(np.arange(10 * 4 * 6 * 3, dtype=np.uint8))
    assert done.stderr.decode().strip() == "10"


def test_a_reader_that_closes_the_pipe_ends_the_film():
    process = subprocess.Popen(
        [sys.executable, "-c", RAW, "endless"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.read(5 * 64 * 64 * 3) == bytes(5 * 64 * 64 * 3)
    process.stdout.close()
    errors = process.stderr.read().decode()
    assert process.wait(timeout=60) == 0
    assert int(errors) >= 5  # standard error holds only the count


@pytest.mark.parametrize(
    ("path", "streams"),
    [
        ("lamp.png", True),
        ("lamp.mp4", True),
        ("lamp.webm", True),
        ("frames/", True),
        ("-", True),
        ("lamp.gif", False),
        ("lamp.WEBP", False),
    ],
)
def test_formats_report_whether_they_stream(tmp_path, monkeypatch, path, streams):
    monkeypatch.chdir(tmp_path)
    assert writers.streams(path) == streams


def slow_loop(num_frames, size=64):
    """A soft ball that circles once, a fraction of a pixel per frame."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    frames = []
    for angle in 2 * np.pi * np.arange(num_frames) / num_frames:
        distance = np.hypot(x - 0.2 * np.cos(angle), y - 0.2 * np.sin(angle))
        ball = 1 / (1 + np.exp((distance - 0.18) / 0.03))
        colour = 30 + ball[..., None] * np.array([200, 90, 40])
        frames.append(np.round(colour).astype(np.uint8))
    return frames


@pytest.mark.parametrize(
    ("name", "expected"), [("lamp.mp4", [0, 300]), ("lamp.webm", [0])]
)
def test_a_loop_has_one_key_frame_and_its_seam_is_even(tmp_path, name, expected):
    writers.write_frames(tmp_path / name, iter(slow_loop(300)), fps=10, loop=True)

    with av.open(tmp_path / name) as container:
        keys = [frame.key_frame for frame in container.decode(video=0)]
    # An MP4 ends in a copy of the first frame, which is not shown.
    assert np.flatnonzero(keys).tolist() == expected
    shown = np.stack(list(writers.read_frames(tmp_path / name))).astype(float)
    changes = np.abs(shown - np.roll(shown, 1, axis=0)).mean(axis=(1, 2, 3))
    assert changes[0] <= 1.5 * np.median(changes)
    assert np.mean(changes == 0) <= 0.02


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_does_not_pulse_at_its_key_frames(tmp_path, name):
    writers.write_frames(tmp_path / name, iter(slow_loop(250)), fps=10)

    with av.open(tmp_path / name) as container:
        keys = [frame.key_frame for frame in container.decode(video=0)]
    assert np.flatnonzero(keys).tolist() == [0, 100, 200]
    shown = np.stack(list(writers.read_frames(tmp_path / name))).astype(float)
    changes = np.abs(np.diff(shown, axis=0)).mean(axis=(1, 2, 3))
    assert changes[[99, 199]].max() <= 1.5 * np.median(changes)
    assert np.mean(changes == 0) <= 0.02


@pytest.mark.parametrize("name", VIDEOS)
def test_the_film_of_a_lamp_does_not_pulse(tmp_path, name, lamp_film):
    writers.write_frames(tmp_path / name, iter(lamp_film), fps=10)

    shown = np.stack(list(writers.read_frames(tmp_path / name))).astype(float)
    changes = np.abs(np.diff(shown, axis=0)).mean(axis=(1, 2, 3))
    # The lamp itself moves faster at some times than at others.
    assert changes[99] <= 1.5 * np.median(changes[85:114])
    assert np.mean(changes == 0) <= 0.02


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_shows_gradients_between_its_levels(tmp_path, name):
    """Where 8 bits have no value for a colour, pixels around it have it on average."""
    x = np.arange(256) / 255
    row = np.stack([40 + 20 * x, 17 + 6 * x, 55 - 15 * x], axis=-1).round()
    frame = np.zeros((64, 256, 3), np.uint8)
    frame[:32] = row  # the rest is black
    writers.write_frames(tmp_path / name, iter([frame] * 6), fps=20)

    with av.open(tmp_path / name) as container:
        luma = list(container.decode(video=0))[-1].to_ndarray()[:64].astype(float)
    expected = 16 + 219 / 255 * row @ [0.2126, 0.7152, 0.0722]
    error = luma[:32].reshape(4, 8, 32, 8).mean((1, 3)) - expected.reshape(32, 8).mean(
        1
    )
    assert np.sqrt(np.mean(error**2)) < 0.12  # of levels; rounding alone has 0.29
    assert (luma[40:] == 16).all()


def cut_out_film():
    """Frames with a soft disc that is opaque in front of nothing."""
    y, x = np.mgrid[:32, :48]
    opacity = np.clip(14 - np.hypot(x - 24, y - 16), 0, 1)[..., None]
    colour = np.broadcast_to([200, 90, 40], (32, 48, 3))
    frame = np.concatenate([colour * (opacity > 0), 255 * opacity], axis=-1)
    return [frame.astype(np.uint8)] * 6


@pytest.mark.parametrize("name", ["lamp.png", "lamp.webp", "frames"])
def test_pictures_keep_their_opacity(tmp_path, name):
    frames = cut_out_film()
    writers.write_frames(tmp_path / name, iter(frames), fps=20)

    path = tmp_path / name
    with Image.open(path / "000000.png" if name == "frames" else path) as image:
        shown = np.int16(image.convert("RGBA"))
    assert np.abs(shown[..., 3] - frames[0][..., 3]).max() <= 1
    inside = frames[0][..., 3] == 255
    assert np.abs(shown - frames[0])[inside].mean() < 3


def test_a_webm_keeps_its_opacity(tmp_path):
    frames = cut_out_film()
    writers.write_frames(tmp_path / "lamp.webm", iter(frames), fps=20)

    # FFmpeg's own decoder ignores opacity, that of libvpx, as in browsers, does not.
    decoder = av.CodecContext.create("libvpx-vp9", "r")
    with av.open(tmp_path / "lamp.webm") as container:
        shown = [f for p in container.demux(video=0) for f in decoder.decode(p)]
    assert [frame.format.name for frame in shown] == ["yuva420p"] * 6
    opacity = np.int16(shown[-1].to_ndarray(format="rgba")[..., 3])
    assert np.abs(opacity - frames[0][..., 3]).mean() < 2


@pytest.mark.parametrize("name", ["lamp.mp4", "lamp.gif"])
def test_formats_without_opacity_are_an_error(tmp_path, name):
    message = "cannot be transparent; .png, .apng, .webm"
    with pytest.raises(ValueError, match=message):
        writers.check_output(tmp_path / name, transparent=True)
    with pytest.raises(ValueError, match=message):
        writers.write_frames(tmp_path / name, iter(cut_out_film()), fps=20)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["lamp.png", "lamp.gif", "lamp.webp", "frames"])
def test_written_frames_are_read_back(tmp_path, name):
    frames = film()
    writers.write_frames(tmp_path / name, iter(frames), fps=20)
    shown = list(writers.read_frames(tmp_path / name))
    assert np.abs(np.stack(shown).astype(float) - frames).mean() < 4


@pytest.mark.parametrize("name", ["a.png", "a.mp4", "a.webm", "a.gif", "a.webp"])
def test_the_same_frames_are_the_same_bytes(tmp_path, name):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, 32, 48, 3), np.uint8)
    contents = set()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        writers.write_frames(tmp_path / folder / name, iter(frames), fps=10)
        contents.add((tmp_path / folder / name).read_bytes())
    assert len(contents) == 1
