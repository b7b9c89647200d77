import numpy as np
import pytest
from PIL import Image

from duralava.datasets import durations, images

SUFFIXES = [".gif", ".png", ".webp"]


def animation(path, milliseconds):
    """An animation of noise, each frame shown for its number of milliseconds."""
    rng = np.random.default_rng(0)
    frames = [
        Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8))
        for _ in milliseconds
    ]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=milliseconds)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_durations_are_those_of_the_decoded_frames(tmp_path, suffix):
    milliseconds = [10 * n for n in np.random.default_rng(1).integers(2, 300, 40)]
    path = animation(tmp_path / f"a{suffix}", [int(n) for n in milliseconds])
    times, size = images.read_times(path)
    decoded = [time + duration for time, duration, _ in images.load_animated(path)]
    np.testing.assert_allclose(times, [0, *decoded])
    np.testing.assert_allclose(times[-1], sum(milliseconds) / 1000)
    assert size == (32, 24)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_frames_are_not_decoded_for_their_times(tmp_path, suffix):
    path = animation(tmp_path / f"a{suffix}", [30, 300, 50, 40])
    expected = images.read_times(path)
    content = bytearray(path.read_bytes())
    middle = len(content) * 5 // 8  # in the pixels of the third frame
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    assert images.read_times(path) == expected


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_cut_short_has_the_durations_up_to_there(tmp_path, suffix):
    path = animation(tmp_path / f"a{suffix}", [30, 300, 50, 40])
    kind = {".gif": "GIF", ".png": "PNG", ".webp": "WEBP"}[suffix]
    whole, content = durations.read(path, kind), path.read_bytes()
    assert whole == pytest.approx([0.03, 0.3, 0.05, 0.04])
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        found = durations.read(path, kind) or []
        assert found == whole[: len(found)]


def test_other_formats_are_to_be_decoded(tmp_path):
    path = tmp_path / "a.bmp"
    Image.new("RGB", (4, 4)).save(path)
    assert durations.read(path, "BMP") is None
    assert images.read_times(path) == ([0.0, 0.0], (4, 4))
