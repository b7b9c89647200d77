"""Reads a video file, or images, as square uint8 frames of one size.

`movie` reads videos, `images` images, `timing` brings frames to an even rate. What a
file does not say, or says wrongly, becomes an `images.FilmWarning`.
"""

import dataclasses
import functools
import hashlib
import itertools
import os
import pathlib
from collections.abc import Iterator
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from duralava.datasets import images, movie, timing

Fit = Literal["crop", "letterbox"]

_DEFAULT_FPS = 30.0  # for images, and for videos without times
_AGREE = 2e-3  # a stated rate that is this near is taken
_FINGERPRINT_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class VideoInfo:
    """Properties of a film.

    Attributes:
      fps: frames per second, at most 60: the commonest spacing of frames in time; 30
        for images without times.
      num_frames: number of frames at that rate, as far as the file says how long it
        is; None if it does not.
      width: width of an upright frame in pixels.
      height: height of an upright frame in pixels.
    """

    fps: float
    num_frames: int | None
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class Source(os.PathLike):
    """A film that is probed: a path that the functions of this module need not probe.

    Attributes:
      path: of the video, image or folder.
      info: its properties.
      kind: how it is read.
      is_even: whether frames come at the rate of `info`, as far as is known.
      listing: the images of a folder.
    """

    path: pathlib.Path
    info: VideoInfo
    kind: Literal["video", "image", "folder"]
    is_even: bool = True
    listing: images.Listing | None = None

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)


def open_source(source: str | os.PathLike[str]) -> Source:
    """Probes a video, an image or a folder of images; a `Source` is returned as it is.

    Raises:
      FileNotFoundError: there is no such file or folder.
      ValueError: the file is neither a video nor an image, or the folder has no images
        or images of different sizes.
    """
    if isinstance(source, Source):
        return source
    path = pathlib.Path(source).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no video and no folder of images at {path}")
    if path.is_dir():
        listing = images.list_images(path)
        info = VideoInfo(_DEFAULT_FPS, len(listing.paths), *listing.size)
        return Source(path, info, "folder", listing=listing)
    if not path.is_file():
        raise ValueError(f"{path} is neither a file nor a folder")
    if images.is_image(path):
        times, size = images.read_times(path)
        facts = movie.Facts(*size, times, times[-1], None)
        return _file(path, "image", facts, len(times) - 1)
    facts = movie.probe(path)
    return _file(path, "video", facts, len(facts.times))


def probe(source: str | os.PathLike[str]) -> VideoInfo:
    """Returns the frame rate, length and size of a video, an image or a folder of them.

    Raises:
      FileNotFoundError, ValueError: as `open_source`.
    """
    return open_source(source).info


def read_frames(
    source: str | os.PathLike[str], *, resolution: int, fit: Fit = "crop"
) -> Iterator[np.ndarray]:
    """Yields the frames of a video, or the images of a folder, as squares.

    Frames are shown as their file says: upright, with square pixels, on black where
    they are transparent, in the colours of BT.709 or sRGB, and at the even rate of
    `probe`, each time the nearest in time. They are then either cropped to the centred
    square (`crop`) or padded with black bars (`letterbox`), and downscaled by averaging
    over the area of each new pixel. Images come in natural order: 2 before 10. Only a
    few frames are in memory at a time.

    Args:
      source: a video that FFmpeg can decode, an image, or a folder of images of one
        size; as a path, or probed by `open_source`.
      resolution: height and width of the yielded frames in pixels.
      fit: how to make a frame square.

    Yields:
      uint8 [resolution, resolution, 3].

    Raises:
      FileNotFoundError: there is no such file or folder.
      ValueError: as in `probe`, or over a tenth of the frames cannot be decoded.
    """
    film = open_source(source)
    square = functools.partial(_square, resolution=resolution, fit=fit)
    if film.listing:
        yield from map(square, images.load_folder(film.path, film.listing))
    else:
        fps = film.info.fps
        if not film.is_even:
            images.warn(
                f"the frames of {film} are not evenly spaced in time; they are taken "
                f"at {fps:.4g} per second"
            )
        frames = (
            images.load_animated(film.path)
            if film.kind == "image"
            else movie.read(film.path, least=resolution)
        )

        squares = itertools.starmap(
            lambda time, duration, picture: (time, duration, square(picture)), frames
        )
        # Of squares, because it keeps the last frame while the next one is decoded.
        yield from timing.at_even_rate(squares, fps)


def fingerprint(source: str | os.PathLike[str]) -> str:
    """Returns a short hash that identifies a film, independent of its path.

    It covers the size, the first MiB and the last MiB of each file, so that hashing is
    fast even for films of several hours.

    Raises:
      FileNotFoundError, ValueError: as in `probe`.
    """
    film = open_source(source)
    digest = hashlib.sha256()
    for path in film.listing.paths if film.listing else [film.path]:
        size = path.stat().st_size
        digest.update(str(size).encode())
        with path.open("rb") as file:
            digest.update(file.read(_FINGERPRINT_BYTES))
            file.seek(max(0, size - _FINGERPRINT_BYTES))
            digest.update(file.read())
    return digest.hexdigest()[:16]


def _file(
    path: pathlib.Path,
    kind: Literal["video", "image"],
    facts: movie.Facts,
    num_frames: int,
) -> Source:
    """Returns the source of a file whose first frames are at the times of `facts`."""
    size, times = (facts.width, facts.height), facts.times
    if len(set(times)) < 2:
        fps = facts.stated_fps or _DEFAULT_FPS
        return Source(path, VideoInfo(fps, num_frames or None, *size), kind)
    fps = timing.usual_rate(times)
    if fps * timing.LONGEST_GAP < 1:
        raise ValueError(
            f"the frames of {path} are {1 / fps:.0f} seconds apart; films with at "
            f"most {timing.LONGEST_GAP:.0f} seconds between frames are read"
        )
    stated = facts.stated_fps
    if stated and abs(stated / fps - 1) < _AGREE:
        fps = stated
    if facts.seconds:
        num_frames = round(facts.seconds * fps)
    info = VideoInfo(fps, num_frames, *size)
    return Source(path, info, kind, is_even=timing.is_even(times, fps))


def _square(image: Image.Image, resolution: int, fit: Fit) -> np.ndarray:
    side = min(image.size) if fit == "crop" else max(image.size)
    # A box filter averages over an area, which is correct for downscaling only.
    method = Image.Resampling.BOX if side >= resolution else Image.Resampling.BICUBIC
    to_square = ImageOps.fit if fit == "crop" else ImageOps.pad
    return np.asarray(to_square(image, (resolution, resolution), method=method))
