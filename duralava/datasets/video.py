"""Reads a video file, or images, as square uint8 frames of one size.

`movie` reads videos, `images` images, `timing` brings frames to an even rate. What a
file does not say, or says wrongly, becomes an `images.FilmWarning`.
"""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterator
from typing import Literal, NamedTuple

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


def probe(source: str | os.PathLike[str]) -> VideoInfo:
    """Returns the frame rate, length and size of a video, an image or a folder of them.

    Raises:
      FileNotFoundError: there is no such file or folder.
      ValueError: the file is neither a video nor an image, or the folder has no images
        or images of different sizes.
    """
    source = _existing(source)
    if source.is_dir():
        listing = images.list_images(source)
        return VideoInfo(_DEFAULT_FPS, len(listing.paths), *listing.size)
    return _times(source).info


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
        size.
      resolution: height and width of the yielded frames in pixels.
      fit: how to make a frame square.

    Yields:
      uint8 [resolution, resolution, 3].

    Raises:
      FileNotFoundError: there is no such file or folder.
      ValueError: as in `probe`, or over a tenth of the frames cannot be decoded.
    """
    source = _existing(source)
    if source.is_dir():
        pictures = images.load_folder(source)
    else:
        info, times = _times(source)
        if len(times) > 1 and not timing.is_even(times, info.fps):
            images.warn(
                f"the frames of {source} are not evenly spaced in time; they are taken "
                f"at {info.fps:.4g} per second"
            )
        is_image = images.is_image(source)
        frames = (
            images.load_animated(source)
            if is_image
            else movie.read(source, least=resolution)
        )
        pictures = timing.at_even_rate(frames, info.fps)
    for picture in pictures:
        yield _square(picture, resolution, fit)


def fingerprint(source: str | os.PathLike[str]) -> str:
    """Returns a short hash that identifies a film, independent of its path.

    It covers the size, the first MiB and the last MiB of each file, so that hashing is
    fast even for films of several hours.

    Raises:
      FileNotFoundError, ValueError: as in `probe`.
    """
    source = _existing(source)
    digest = hashlib.sha256()
    for path in images.list_images(source).paths if source.is_dir() else [source]:
        size = path.stat().st_size
        digest.update(str(size).encode())
        with path.open("rb") as file:
            digest.update(file.read(_FINGERPRINT_BYTES))
            file.seek(max(0, size - _FINGERPRINT_BYTES))
            digest.update(file.read())
    return digest.hexdigest()[:16]


def _existing(source: str | os.PathLike[str]) -> pathlib.Path:
    source = pathlib.Path(source).expanduser()
    if not source.exists():
        raise FileNotFoundError(f"no video and no folder of images at {source}")
    if not (source.is_file() or source.is_dir()):
        raise ValueError(f"{source} is neither a file nor a folder")
    return source


class _Times(NamedTuple):
    """A film, and the times of its first frames in seconds, in any order."""

    info: VideoInfo
    times: list[float]


def _times(source: pathlib.Path) -> _Times:
    """Probes a video or an image."""
    if images.is_image(source):
        times, size = images.read_times(source)
        seconds, stated_fps = times[-1], None
        num_frames = len(times) - 1
    else:
        width, height, times, seconds, stated_fps = movie.probe(source)
        size, num_frames = (width, height), len(times)
    if len(set(times)) < 2:
        fps = stated_fps or _DEFAULT_FPS
        return _Times(VideoInfo(fps, num_frames or None, *size), [])
    fps = timing.usual_rate(times)
    if fps * timing.LONGEST_GAP < 1:
        raise ValueError(
            f"the frames of {source} are {1 / fps:.0f} seconds apart; films with at "
            f"most {timing.LONGEST_GAP:.0f} seconds between frames are read"
        )
    if stated_fps and abs(stated_fps / fps - 1) < _AGREE:
        fps = stated_fps
    if seconds:
        num_frames = round(seconds * fps)
    return _Times(VideoInfo(fps, num_frames, *size), times)


def _square(image: Image.Image, resolution: int, fit: Fit) -> np.ndarray:
    side = min(image.size) if fit == "crop" else max(image.size)
    # A box filter averages over an area, which is correct for downscaling only.
    method = Image.Resampling.BOX if side >= resolution else Image.Resampling.BICUBIC
    to_square = ImageOps.fit if fit == "crop" else ImageOps.pad
    return np.asarray(to_square(image, (resolution, resolution), method=method))
