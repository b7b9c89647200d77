import os
import struct
import wave

import numpy as np
import pytest
from PIL import Image

from duralava.datasets import video
from duralava.rendering import writers

NUM_FRAMES = 12


def gray_film(num_frames=NUM_FRAMES, height=48, width=64):
    """Frame i is a plain gray of 20 i."""
    return [
        np.full((height, width, 3), 20 * index, np.uint8) for index in range(num_frames)
    ]


def write(path, frames, fps=25):
    writers.write_frames(path, iter(frames), fps=fps)
    return path


def save_images(folder, frames, names):
    folder.mkdir()
    for frame, name in zip(frames, names, strict=True):
        Image.fromarray(frame).save(folder / name)
    return folder


def read(source, **options):
    return np.stack(list(video.read_frames(source, **options)))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm", ".gif", ".apng"])
def test_every_frame_in_film_order(tmp_path, suffix):
    path = write(tmp_path / f"film{suffix.replace('.mov', '.mp4')}", gray_film())
    path = path.rename(path.with_suffix(suffix))

    frames = read(path, resolution=16)

    assert frames.shape == (NUM_FRAMES, 16, 16, 3)
    assert frames.dtype == np.uint8
    np.testing.assert_allclose(
        frames.mean((1, 2, 3)), 20 * np.arange(NUM_FRAMES), atol=3
    )


def test_probe_of_a_video(tmp_path):
    path = write(tmp_path / "film.mp4", gray_film())

    assert video.probe(path) == video.VideoInfo(
        fps=25.0, num_frames=NUM_FRAMES, width=64, height=48
    )


def test_probe_of_a_folder(tmp_path):
    folder = save_images(tmp_path / "images", gray_film(2), ["a.png", "b.png"])

    assert video.probe(folder) == video.VideoInfo(
        fps=30.0, num_frames=2, width=64, height=48
    )


def test_shrinking_is_the_mean_of_blocks(tmp_path):
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = write(tmp_path / "film.png", [picture])

    (frame,) = read(path, resolution=16)

    blocks = picture.reshape(16, 4, 16, 4, 3).mean((1, 3))
    np.testing.assert_allclose(frame, blocks, atol=1)  # rounded twice


def test_crop_keeps_the_centred_square(tmp_path):
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, 16:48] = np.arange(32 * 32 * 3).reshape(32, 32, 3) % 256
    path = write(tmp_path / "film.png", [picture])

    (frame,) = read(path, resolution=32)

    np.testing.assert_array_equal(frame, picture[:, 16:48])


def test_letterbox_keeps_the_picture_between_black_bars(tmp_path):
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (32, 64, 3), dtype=np.uint8)
    path = write(tmp_path / "film.png", [picture])

    (frame,) = read(path, resolution=32, fit="letterbox")

    blocks = picture.reshape(16, 2, 32, 2, 3).mean((1, 3))
    np.testing.assert_allclose(frame[8:24], blocks, atol=1)  # rounded twice
    assert not frame[:8].any()
    assert not frame[24:].any()


def test_small_film_is_enlarged(tmp_path):
    path = write(tmp_path / "film.png", gray_film(3, 8, 8))

    np.testing.assert_array_equal(read(path, resolution=32)[:, 0, 0, 0], [0, 20, 40])


def test_images_come_in_natural_order(tmp_path):
    names = ["f10.png", "f9.png", "f2.jpg", "f1.png"]
    frames = [np.full((16, 16, 3), int(n[1:-4]), np.uint8) for n in names]
    folder = save_images(tmp_path / "images", frames, names)
    (folder / "notes.txt").write_text("not an image")

    assert [f[0, 0, 0] for f in read(folder, resolution=16)] == [1, 2, 9, 10]


def test_rotation_metadata_turn_the_frame(tmp_path):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32] = 255  # the left half, which the turn puts on top
    path = write(tmp_path / "film.mp4", [picture] * 3)
    # The matrix of a film that a telephone took upright: 90 degrees clockwise.
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    data[start : start + len(matrix)] = matrix
    path.write_bytes(data)

    info = video.probe(path)
    frame = read(path, resolution=16)[0].astype(int)

    assert (info.width, info.height) == (48, 64)
    assert frame[:6].min() > 240
    assert frame[10:].max() < 15


def test_fingerprint_tells_films_apart_wherever_they_lie(tmp_path):
    path = write(tmp_path / "a.mp4", gray_film(5))
    before = video.fingerprint(path)
    moved = path.rename(tmp_path / "b.mp4")

    assert video.fingerprint(moved) == before
    assert video.fingerprint(write(path, gray_film(6))) != before


def write_text(folder):
    (folder / "film.txt").write_text("no film\n" * 100)
    return folder / "film.txt"


def write_noise(folder):
    (folder / "film.mp4").write_bytes(np.random.default_rng(0).bytes(10_000))
    return folder / "film.mp4"


def write_sound(folder):
    with wave.open(str(folder / "film.wav"), "w") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16_000))
    return folder / "film.wav"


@pytest.mark.parametrize("write_source", [write_text, write_noise, write_sound])
@pytest.mark.parametrize(
    "call", [video.probe, lambda source: read(source, resolution=16)]
)
def test_what_is_no_video_is_refused(tmp_path, write_source, call):
    with pytest.raises(ValueError, match=r"film\.\w+ is not a video"):
        call(write_source(tmp_path))


@pytest.mark.parametrize(
    "call", [video.probe, video.fingerprint, lambda source: read(source, resolution=16)]
)
def test_bad_sources_are_told_apart(tmp_path, call):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        call(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty has no images"):
        call(tmp_path / "empty")
    frames = [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 6, 3), np.uint8)]
    mixed = save_images(tmp_path / "mixed", frames, ["1.png", "2.png"])
    with pytest.raises(ValueError, match=r"different sizes.*8x8, 2.png is 6x8"):
        call(mixed)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "1.png").write_text("not a picture")
    with pytest.raises(ValueError, match=r"1.png is not an image"):
        call(tmp_path / "broken")


def test_a_source_is_probed_once(tmp_path):
    for source in (write(tmp_path / "film.mp4", gray_film(6)), tmp_path):
        opened = video.open_source(source)
        assert video.open_source(opened) is opened
        assert str(opened) == os.fspath(opened) == str(source)
        assert video.fingerprint(opened) == video.fingerprint(source)
        np.testing.assert_array_equal(
            read(opened, resolution=16), read(source, resolution=16)
        )
        Image.new("RGB", (32, 32)).save(tmp_path / "image.png")
