import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from duralava.datasets import images

COLOUR = (200, 40, 60)


def plain(colour=COLOUR, size=(16, 16)):
    return Image.new("RGB", size, colour)


def save(path, picture, **options):
    picture.save(path, **options)
    return path


def colours(picture):
    """The colour in the middle, and that in the corner."""
    pixels = np.asarray(picture).astype(int)
    return pixels[len(pixels) // 2, pixels.shape[1] // 2], pixels[0, 0]


@pytest.mark.parametrize(
    ("orientation", "stored"),  # how an upright picture lies in the file
    [
        (1, lambda x: x),
        (2, lambda x: x[:, ::-1]),
        (3, lambda x: x[::-1, ::-1]),
        (4, lambda x: x[::-1]),
        (5, lambda x: x.swapaxes(0, 1)),
        (6, lambda x: np.rot90(x, 1)),
        (7, lambda x: np.rot90(x, 2).swapaxes(0, 1)),
        (8, lambda x: np.rot90(x, -1)),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_pictures_are_turned_as_their_exif_data_say(
    tmp_path, orientation, stored, suffix
):
    upright = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"picture{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    save(path, Image.fromarray(stored(upright).copy()), exif=exif, **options)
    np.testing.assert_array_equal(images.load(path), upright)
    assert images.upright_size(path) == (8, 6)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".gif", ".tif", ".avif"])
def test_transparent_pictures_are_shown_on_black(tmp_path, suffix):
    pixels = np.full((16, 16, 4), (255, 0, 255, 0), np.uint8)  # hidden
    pixels[4:12, 4:12] = (*COLOUR, 255)
    exact = {".webp": {"lossless": True, "exact": True}, ".avif": {"quality": 100}}
    path = save(
        tmp_path / f"picture{suffix}",
        Image.fromarray(pixels),
        **exact.get(suffix, {}),
    )
    seen, hidden = colours(images.load(path))
    np.testing.assert_allclose(seen, COLOUR, atol=8)
    np.testing.assert_allclose(hidden, 0, atol=2)


def test_half_transparent_is_half_as_bright(tmp_path):
    path = save(tmp_path / "a.png", Image.new("RGBA", (8, 8), (200, 100, 50, 128)))
    np.testing.assert_allclose(colours(images.load(path))[0], [100, 50, 25], atol=1)


@pytest.mark.parametrize("suffix", [".jpg", ".avif", ".heic", ".png", ".bmp", ".ppm"])
def test_formats_of_cameras_and_screens(tmp_path, suffix):
    path = save(tmp_path / f"a{suffix}", plain(size=(64, 64)), quality=95)
    np.testing.assert_allclose(colours(images.load(path))[0], COLOUR, atol=3)


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("a.png", np.full((4, 4), 200 * 257, np.uint16)),
        ("a.tif", np.full((4, 4), 200 * 257, np.uint16)),
        ("b.tif", np.full((4, 4), 200 / 255, np.float32)),
    ],
)
def test_deep_greys_are_scaled(tmp_path, name, pixels):
    path = save(tmp_path / name, Image.fromarray(pixels))
    np.testing.assert_array_equal(colours(images.load(path))[0], 200)


def test_modes_of_one_bit_palettes_and_cmyk(tmp_path):
    for name, picture, expected in (
        ("a.png", Image.new("1", (4, 4), 1), (255, 255, 255)),
        ("b.png", plain().convert("P", palette=Image.Palette.ADAPTIVE), COLOUR),
        ("c.tif", Image.new("CMYK", (4, 4), (0, 255, 255, 0)), (255, 0, 0)),
    ):
        found, _ = colours(images.load(save(tmp_path / name, picture)))
        np.testing.assert_allclose(found, expected, atol=2)


def display_p3():
    """The ICC profile of the displays of telephones: DCI-P3 with the curve of sRGB."""

    def fixed(*values):
        return b"".join(struct.pack(">i", round(65_536 * value)) for value in values)

    def xyz(*values):
        return b"XYZ " + bytes(4) + fixed(*values)

    curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0)
    curve += fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    text = "P3".encode("utf-16-be")
    name = b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", 4, 28)
    tags = {  # primaries, adapted to D50
        b"desc": name + text,
        b"cprt": name + text,
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.51512, 0.24120, -0.00105),
        b"gXYZ": xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": xyz(0.15710, 0.06657, 0.78407),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        table += struct.pack(">4sII", tag, start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    header = struct.pack(
        ">I4sI4s4s4s", 0, b"lcms", 0x04400000, b"mntr", b"RGB ", b"XYZ "
    )
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    header = header.ljust(68, bytes(1)) + fixed(0.9642, 1.0, 0.8249)
    profile = header.ljust(128, bytes(1)) + table + data
    return struct.pack(">I", len(profile)) + profile[4:]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("alpha", [(), (255,)])
def test_colours_of_a_profile_are_those_of_srgb(tmp_path, suffix, alpha):
    if suffix == ".jpg" and alpha:
        pytest.skip("JPEG has no alpha")
    # The same colour in Display P3, as CSS Color 4 converts it.
    picture = Image.new("RGBA" if alpha else "RGB", (16, 16), (183, 56, 65, *alpha))
    options = {"quality": 100} if suffix in (".jpg", ".webp") else {}
    path = save(tmp_path / f"a{suffix}", picture, icc_profile=display_p3(), **options)
    np.testing.assert_allclose(colours(images.load(path))[0], COLOUR, atol=4)


def test_a_profile_that_is_damaged_has_no_effect(tmp_path):
    path = save(tmp_path / "a.png", plain(), icc_profile=b"no profile")
    np.testing.assert_array_equal(colours(images.load(path))[0], COLOUR)


def test_an_animation_comes_with_its_times(tmp_path):
    frames = [plain((20 * i, 0, 0)) for i in range(4)]
    for name in ("a.gif", "a.png", "a.webp", "a.avif"):
        path = tmp_path / name
        frames[0].save(
            path, save_all=True, append_images=frames[1:], duration=[30, 300, 50, 40]
        )
        found = list(images.load_animated(path))
        np.testing.assert_allclose([f[0] for f in found], [0, 0.03, 0.33, 0.38])
        np.testing.assert_allclose([f[1] for f in found], [0.03, 0.3, 0.05, 0.04])
        reds = [colours(f[2])[0][0] for f in found]
        np.testing.assert_allclose(reds, [0, 20, 40, 60], atol=4)
        times, size = images.read_times(path)
        np.testing.assert_allclose(times, [0, 0.03, 0.33, 0.38, 0.42])
        assert size == (16, 16)


def test_a_gif_without_delays_plays_as_in_a_browser(tmp_path):
    path = tmp_path / "a.gif"
    frames = [plain((20 * i, 0, 0)) for i in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=10)
    assert [f[1] for f in images.load_animated(path)] == [0.1] * 3


def folder_of(tmp_path, names):
    folder = tmp_path / "images"
    folder.mkdir()
    for index, name in enumerate(names):
        save(folder / name, plain((index, 0, 0)))
    return folder


def test_digits_of_other_scripts_are_letters(tmp_path):
    folder = folder_of(tmp_path, ["f10.png", "f9.png", "f①.png", "f².png", "f٣.png"])
    names = [path.name for path in images.list_images(folder).paths]
    assert names[:2] == ["f9.png", "f10.png"]
    assert len(names) == 5


def test_sizes_are_compared_upright(tmp_path):
    folder = folder_of(tmp_path, [])
    exif = Image.Exif()
    exif[0x0112] = 6
    save(folder / "1.png", plain(size=(8, 6)))
    save(folder / "2.png", plain(size=(6, 8)), exif=exif)
    assert images.list_images(folder).size == (8, 6)
    assert [picture.size for picture in images.load_folder(folder)] == [(8, 6)] * 2


def test_folders_and_pipes_that_are_named_as_images_are_passed_over(tmp_path):
    folder = folder_of(tmp_path, ["1.png"])
    (folder / "2.png").mkdir()
    os.mkfifo(folder / "3.png")
    assert len(images.list_images(folder).paths) == 1


def test_what_is_left_out_is_named(tmp_path):
    folder = folder_of(tmp_path, [f"{i}.png" for i in range(12)])
    (folder / "drawing.svg").write_text("<svg/>")
    (folder / "notes.txt").write_text("no picture")
    whole = save(folder / "3.png", plain(size=(16, 16))).read_bytes()
    (folder / "3.png").write_bytes(whole[:45])  # without most of its pixels
    with pytest.warns(images.FilmWarning) as record:
        assert len(list(images.load_folder(folder))) == 11
    formats, damage = (str(warning.message) for warning in record)
    assert formats.endswith("left out: drawing.svg")
    assert damage.startswith("1 of 12 images are left out")
    assert "3.png cannot be decoded" in damage


def test_a_folder_with_too_many_damaged_images_is_refused(tmp_path):
    folder = folder_of(tmp_path, [f"{i}.png" for i in range(12)])
    for name in ("3.png", "7.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:50])
    with pytest.raises(ValueError, match=r"3\.png cannot be decoded"):
        list(images.load_folder(folder))


def test_an_avif_file_with_damaged_pixels_is_named(tmp_path):
    path = save(tmp_path / "a.avif", plain(size=(64, 64)))
    content = path.read_bytes()
    path.write_bytes(content[:-8] + bytes(8))
    with pytest.raises(ValueError, match=r"a\.avif cannot be decoded: Failed to"):
        images.load(path)


def output_of(code, path):
    """Runs a program that may call `peak_memory()`; returns what it prints."""
    # `ru_maxrss` would begin with the memory of this process.
    start = (
        "import pathlib, sys\n"
        "from torture.inputs import peak_memory\n"
        "path = pathlib.Path(sys.argv[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", start + code, path],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("size", [(12_000, 9_000), (16_000, 16_000)])
@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_huge_pictures_are_refused_before_they_are_decoded(tmp_path, size, suffix):
    printed = output_of(
        "from duralava.datasets import images\n"
        "before = peak_memory()\n"
        "assert images.is_image(path)\n"
        "try:\n"
        "    images.load(path)\n"
        "except ValueError as error:\n"
        "    print(error)\n"
        "assert peak_memory() - before < 50e6\n",
        save(tmp_path / f"a{suffix}", Image.new("1", size)),
    )
    assert "pictures of up to 100 megapixels are read" in printed


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_film_of_large_frames_needs_the_memory_of_few(tmp_path):
    """10 megapixels of 4 bytes: three in Pillow's decoder, and one on black."""
    frames = [Image.new("RGBA", (4_000, 2_500), (x, 40, 60, 128)) for x in (1, 99, 200)]
    path = tmp_path / "a.png"
    save(path, frames[0], save_all=True, append_images=frames[1:], duration=99)
    printed = output_of(
        "from duralava.datasets import video\n"
        "before = peak_memory()\n"
        "assert len(list(video.read_frames(path, resolution=16))) == 3\n"
        "print((peak_memory() - before) / 40e6)\n",
        path,
    )
    assert 1 < float(printed) < 5
