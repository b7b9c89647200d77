"""Reads images: upright, in sRGB, on black, at 8 bits; and folders of them.

Animated GIF, PNG, WebP and AVIF files are films: their frames come with their times.
"""

import contextlib
import io
import itertools
import mimetypes
import os
import pathlib
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import PIL
import pillow_heif
from PIL import ExifTags, Image, ImageCms, ImageOps

from duralava.datasets import durations

pillow_heif.register_heif_opener()

MOST_PIXELS = 100_000_000
MOST_LOST = 0.1  # share of the frames of a film that may be damaged

_FORMATS = [
    "AVIF",
    "BMP",
    "GIF",
    "HEIF",
    "JPEG",
    "PNG",
    "PPM",
    "TIFF",
    "WEBP",
]
_ANIMATED = {"AVIF", "GIF", "PNG", "WEBP"}
_SUFFIXES = {
    ".avif",
    ".bmp",
    ".heic",
    ".heif",
    ".jpeg",
    ".jpg",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
}
_SHORTEST_GIF_DELAY, _USUAL_GIF_DELAY = 0.02, 0.1  # seconds, as browsers play it

# What Pillow raises for damaged files.
_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    MemoryError,
    RuntimeError,
    IndexError,
    Image.DecompressionBombError,
)


class FilmWarning(UserWarning):
    """What a film does not say, or says wrongly, and how it is taken."""


def is_image(path: pathlib.Path) -> bool:
    """Whether a file is an image, by its content."""
    try:
        with _open(path):
            return True
    except PIL.UnidentifiedImageError:
        return False
    except _ERRORS as error:
        if isinstance(error, OSError) and error.errno:  # of the disk
            raise
        return True  # a damaged one, which `load` reports


def load(path: pathlib.Path) -> Image.Image:
    """Returns an image as it is meant to be seen, RGB; the first one of several.

    Raises:
      ValueError: it is not an image, is damaged, or has over 100 megapixels.
    """
    with _opened(path) as image:
        return _rendered(image)


def load_animated(path: pathlib.Path) -> Iterator[tuple[float, float, Image.Image]]:
    """Yields time and duration in seconds, and RGB image, of the frames of a file.

    Raises:
      ValueError: as `load`.
    """
    time = 0.0
    with _opened(path) as image:
        count = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
        for index in range(count):
            image.seek(index)
            picture = _rendered(image)  # reads the duration too
            duration = _shown(image.info.get("duration", 0) / 1000, image.format)
            yield time, duration, picture
            time += duration


class Listing(NamedTuple):
    """The images of a folder.

    Attributes:
      paths: of those that can be read, in natural order: 2 before 10.
      size: width and height of each when it is upright, in pixels.
      damaged: why others cannot be read.
      unknown: names of pictures of other formats.
    """

    paths: list[pathlib.Path]
    size: tuple[int, int]
    damaged: list[ValueError]
    unknown: list[str]


def read_times(path: pathlib.Path) -> tuple[list[float], tuple[int, int]]:
    """Returns when the frames of a file start and the last one ends, and their size.

    Frames are decoded only where their times are not known otherwise.

    Raises:
      ValueError: as `load`.
    """
    with _opened(path) as image:
        format_, count = image.format, getattr(image, "n_frames", 1)
    shown = [0.0]
    if format_ in _ANIMATED and count > 1:
        shown = durations.read(path, format_)
        if shown is None:
            shown = [duration for _, duration, _ in load_animated(path)]
    ends = itertools.accumulate(_shown(seconds, format_) for seconds in shown)
    return [0.0, *ends], upright_size(path)


def list_images(folder: pathlib.Path) -> Listing:
    """Lists the images of a folder.

    Raises:
      ValueError: there are none, over a tenth is damaged, or upright images differ in
        size.
    """
    names = (path for path in folder.iterdir() if not path.name.startswith("."))
    files = sorted((path for path in names if path.is_file()), key=_natural)
    sizes: dict[pathlib.Path, tuple[int, int]] = {}
    damaged, unknown = [], []
    for path in files:
        if path.suffix.lower() in _SUFFIXES:
            try:
                sizes[path] = upright_size(path)
            except ValueError as error:
                damaged.append(error)
        elif (mimetypes.guess_type(path.name)[0] or "").startswith("image/"):
            unknown.append(path.name)
    check_damage(damaged, len(sizes) + len(damaged))
    if not sizes:
        raise ValueError(f"folder {folder} has no images")
    first, size = next(iter(sizes.items()))
    for path, other in sizes.items():
        if other != size:
            raise ValueError(
                f"images of different sizes: {first} is {size[0]}x{size[1]}, "
                f"{path.name} is {other[0]}x{other[1]}"
            )
    return Listing(list(sizes), size, damaged, unknown)


def load_folder(
    folder: pathlib.Path, listing: Listing | None = None
) -> Iterator[Image.Image]:
    """Yields the images of a folder, and warns of those that are left out.

    Args:
      folder: of the images.
      listing: of the folder, if the caller has it.

    Raises:
      ValueError: as `list_images`.
    """
    listing = listing or list_images(folder)
    if listing.unknown:
        warn(
            f"pictures of other formats in {folder} are left out: "
            + _few(listing.unknown)
        )
    damaged = list(listing.damaged)
    for path in listing.paths:
        try:
            yield load(path)
        except ValueError as error:
            damaged.append(error)
    num_images = len(listing.paths) + len(listing.damaged)
    check_damage(damaged, num_images)
    if damaged:
        warn(f"{len(damaged)} of {num_images} images are left out: {_few(damaged)}")


def upright_size(path: pathlib.Path) -> tuple[int, int]:
    """Returns width and height of an image in pixels, after its EXIF orientation.

    Raises:
      ValueError: as `load`.
    """
    with _opened(path) as image:
        width, height = image.size
        turned = _orientation(image) >= 5
        # Pillow states the upright size of TIFF files.
        swapped = turned and image.format != "TIFF"
        return (height, width) if swapped else (width, height)


def check_damage(errors: list[ValueError], count: int) -> None:
    """Raises the first of the errors if over a tenth of a film is damaged."""
    if len(errors) > MOST_LOST * count:
        raise errors[0]


def warn(text: str) -> None:
    """Warns of what a film does not say, or says wrongly."""
    warnings.warn(text, FilmWarning, stacklevel=2)


def on_black(image: Image.Image) -> Image.Image:
    """Returns an RGBA image on a black ground, as RGB."""
    ground = Image.new("RGB", image.size)
    ground.paste(image, mask=image)
    return ground


def check_size(path: str | os.PathLike[str], width: int, height: int) -> None:
    """Raises ValueError if a picture has over 100 megapixels."""
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"{path} has {width}x{height} pixels; pictures of up to "
            f"{MOST_PIXELS // 10**6} megapixels are read"
        )


def _shown(seconds: float, format_: str | None) -> float:
    """Returns for how long a frame is shown that has a duration in its file."""
    if format_ == "GIF" and seconds < _SHORTEST_GIF_DELAY:
        return _USUAL_GIF_DELAY
    return seconds


def _natural(path: pathlib.Path) -> list[str | int]:
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]


def _few(causes: Sequence[object]) -> str:
    """Names up to three of the causes."""
    more = ", ..." if len(causes) > 3 else ""
    return "; ".join(map(str, causes[:3])) + more


def _open(path: pathlib.Path) -> Image.Image:
    with warnings.catch_warnings():
        # `check_size` has a limit of its own.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(path, formats=_FORMATS)


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[Image.Image]:
    """Opens an image; errors of Pillow become a ValueError that names the file."""
    try:
        with _open(path) as image:
            check_size(path, *image.size)
            yield image
    except PIL.UnidentifiedImageError as error:
        raise ValueError(f"{path} is not an image") from error
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{path} is too large; pictures of up to {MOST_PIXELS // 10**6} "
            "megapixels are read"
        ) from error
    except _ERRORS as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        raise ValueError(f"{path} cannot be decoded: {error}") from error


def _rendered(image: Image.Image) -> Image.Image:
    """Returns the current frame of an image upright, in sRGB, and on black."""
    picture = _at_8_bits(image)
    if _orientation(image) != 1:
        picture = ImageOps.exif_transpose(picture)
    profile = image.info.get("icc_profile")
    has_alpha = "A" in picture.getbands() or "transparency" in picture.info
    if picture.mode not in ("RGB", "RGBA", "CMYK", "L"):
        picture = picture.convert("RGBA" if has_alpha else "RGB")
    if profile:
        picture = _to_srgb(picture, profile)
    if not has_alpha:
        return picture.convert("RGB")
    # Without a copy: of large pictures, each is hundreds of megabytes.
    return on_black(picture if picture.mode == "RGBA" else picture.convert("RGBA"))


def _orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 is upright."""
    return image.getexif().get(ExifTags.Base.Orientation, 1)


def _at_8_bits(image: Image.Image) -> Image.Image:
    """Scales grey values of more than 8 bits: integers of 16 bits, floats up to 1."""
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.float64) / 257
    elif image.mode == "F":
        grey = 255 * np.asarray(image).astype(np.float64)
    else:
        return image
    values = np.rint(np.clip(np.nan_to_num(grey), 0, 255)).astype(np.uint8)
    return Image.fromarray(values)


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Maps the colours of a profile to sRGB; a profile that is no use has no effect."""
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    colours = picture.convert("RGB") if alpha else picture
    try:
        mapped = ImageCms.profileToProfile(
            colours,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError):  # it is damaged, or of other colours
        return picture
    if alpha:
        mapped.putalpha(alpha)
    return mapped
