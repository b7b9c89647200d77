"""Reads a video file or a folder of images as square uint8 frames of one size."""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import re
from collections.abc import Iterator
from typing import Literal

import av
import numpy as np
import PIL
from av.stream import Disposition
from PIL import Image, ImageOps

Fit = Literal["crop", "letterbox"]

_IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}
_DEFAULT_FPS = 30.0  # for images, and for videos that do not state their frame rate
_FINGERPRINT_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class VideoInfo:
    """Properties of a film, from its metadata.

    Attributes:
      fps: frames per second; 30 for a folder of images.
      num_frames: number of frames, stated by the file or computed from its duration;
        None if the file states neither.
      width: width of an upright frame in pixels.
      height: height of an upright frame in pixels.
    """

    fps: float
    num_frames: int | None
    width: int
    height: int


def probe(source: str | os.PathLike[str]) -> VideoInfo:
    """Returns the frame rate, length and size of a video or a folder of images.

    Raises:
      FileNotFoundError: there is no such file or folder.
      ValueError: the file is not a video, or the folder has no images or images of
        different sizes.
    """
    source = _existing(source)
    if source.is_dir():
        images = _list_images(source)
        width, height = _load_image(images[0]).size
        return VideoInfo(_DEFAULT_FPS, len(images), width, height)
    with _open_video(source) as (container, stream):
        first = next(_decode(container, stream), None)
        if first is None:
            raise ValueError(f"{source} has no frame")
        fps = float(stream.average_rate or stream.guessed_rate or _DEFAULT_FPS)
        seconds = container.duration and container.duration / av.time_base
        num_frames = stream.frames or round((seconds or 0) * fps) or None
        return VideoInfo(fps, num_frames, first.width, first.height)


def read_frames(
    source: str | os.PathLike[str], *, resolution: int, fit: Fit = "crop"
) -> Iterator[np.ndarray]:
    """Yields the frames of a video, or the images of a folder, as squares.

    Each frame is rotated upright if its metadata contain a rotation. It is then either
    cropped to the centred square (`crop`) or padded with black bars (`letterbox`), and
    downscaled by averaging over the area of each new pixel. Images come in natural
    order: 2 before 10. Only one frame is in memory at a time.

    Args:
      source: a video that FFmpeg can decode, or a folder of images of one size.
      resolution: height and width of the yielded frames in pixels.
      fit: how to make a frame square.

    Yields:
      uint8 [resolution, resolution, 3].

    Raises:
      FileNotFoundError: there is no such file or folder.
      ValueError: as in `probe`, or a frame cannot be decoded.
    """
    source = _existing(source)
    if source.is_dir():
        for path in _list_images(source):
            yield _square(_load_image(path), resolution, fit)
        return
    with _open_video(source) as (container, stream):
        for image in _decode(container, stream):
            yield _square(image, resolution, fit)


def fingerprint(source: str | os.PathLike[str]) -> str:
    """Returns a short hash that identifies a film, independent of its path.

    It covers the size, the first MiB and the last MiB of each file, so that hashing is
    fast even for films of several hours.

    Raises:
      FileNotFoundError, ValueError: as in `probe`.
    """
    source = _existing(source)
    digest = hashlib.sha256()
    for path in _list_images(source) if source.is_dir() else [source]:
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
    return source


@contextlib.contextmanager
def _open_video(
    path: pathlib.Path,
) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    try:
        container = av.open(path)
    except av.error.InvalidDataError as error:
        raise ValueError(f"{path} is not a video") from error
    with container:
        stream = container.streams.best("video")
        # FFmpeg also decodes text files as video, and the cover image of an audio
        # file is a video stream.
        if (
            stream is None
            or container.format.name == "tty"
            or stream.disposition & Disposition.attached_pic
        ):
            raise ValueError(f"{path} is not a video")
        stream.thread_type = "AUTO"
        yield container, stream


def _decode(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[Image.Image]:
    """Yields the upright frames of a video."""
    count = 0
    try:
        for frame in container.decode(stream):
            image = frame.to_image()
            if frame.rotation:
                image = image.rotate(frame.rotation, expand=True)
            yield image
            count += 1
    except av.error.FFmpegError as error:
        raise ValueError(
            f"{container.name} cannot be decoded after frame {count}: {error.strerror}"
        ) from error


def _list_images(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the images of a folder in natural order, after checking their sizes."""
    paths = sorted(
        (
            path
            for path in folder.iterdir()
            if path.suffix.lower() in _IMAGE_SUFFIXES and not path.name.startswith(".")
        ),
        key=lambda path: [
            int(part) if part.isdigit() else part
            for part in re.split(r"([0-9]+)", path.name)
        ],
    )
    if not paths:
        raise ValueError(f"folder {folder} has no images")
    first = None
    for path in paths:
        with _open_image(path) as image:
            first = first or image.size
            if image.size != first:
                raise ValueError(
                    f"images of different sizes: {paths[0]} is {first[0]}x{first[1]}, "
                    f"{path.name} is {image.width}x{image.height}"
                )
    return paths


def _open_image(path: pathlib.Path) -> Image.Image:
    try:
        return Image.open(path)
    except PIL.UnidentifiedImageError as error:
        raise ValueError(f"{path} is not an image") from error


def _load_image(path: pathlib.Path) -> Image.Image:
    """Returns the upright image."""
    with _open_image(path) as image:
        try:
            return ImageOps.exif_transpose(image).convert("RGB")
        except OSError as error:
            raise ValueError(f"{path} cannot be decoded: {error}") from error


def _square(image: Image.Image, resolution: int, fit: Fit) -> np.ndarray:
    side = min(image.size) if fit == "crop" else max(image.size)
    # A box filter averages over an area, which is correct for downscaling only.
    method = Image.Resampling.BOX if side >= resolution else Image.Resampling.BICUBIC
    to_square = ImageOps.fit if fit == "crop" else ImageOps.pad
    return np.asarray(to_square(image, (resolution, resolution), method=method))
