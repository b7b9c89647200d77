"""Reads video files: upright, with square pixels, progressive, in BT.709, on black."""

import contextlib
import dataclasses
import itertools
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition
from av.video.reformatter import Colorspace, Interpolation
from PIL import Image

from duralava.datasets import hdr, images

_HD_LINES = 720  # from here on, untagged film is in BT.709, else in BT.601
_CUT_SHORT = 0.95  # a film that ends before this share of its length
_TIMED_PACKETS = 10_000  # enough to know the rate
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # the others ignore alpha
_UNSPECIFIED = 2  # colour space, as ITU-T H.273 numbers it
_FIXED = 1 << 16  # 1 in the numbers of a display matrix

# How a display matrix turns a picture, by the signs of a, b, c and d in
# x' = a x + c y, y' = b x + d y.
_TURNS = {
    (1, 0, 0, 1): None,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}


class Facts(NamedTuple):
    """What is known of a video before it is decoded.

    Attributes:
      width: of an upright frame with square pixels.
      height: of the same.
      times: in seconds, of the first frames of the film, in any order.
      seconds: length of the whole film, None if the file does not say.
      stated_fps: mean frames per second, None if the file does not say.
    """

    width: int
    height: int
    times: list[float]
    seconds: float | None
    stated_fps: float | None


def probe(path: pathlib.Path) -> Facts:
    """Decodes the first frame, and reads the times of packets.

    Raises:
      ValueError: the file is not a video, or has no frame.
    """
    with _open_video(path) as (container, stream):
        first = next(_decode(path, container, stream, _Damage()), None)
        if first is None:
            raise ValueError(f"{path} has no frame")
        width, height = _picture(path, first, stream, None).size
    with _open_video(path) as (container, stream):
        times = []
        with contextlib.suppress(av.error.FFmpegError):  # the file may be cut short
            for packet in itertools.islice(container.demux(stream), _TIMED_PACKETS):
                if packet.pts is not None and not packet.is_discard:
                    times.append(float(packet.pts * stream.time_base))
        rate = stream.average_rate or stream.guessed_rate
        seconds = _seconds(container, stream)
        return Facts(width, height, times, seconds, float(rate) if rate else None)


def read(
    path: pathlib.Path, *, least: int | None = None
) -> Iterator[tuple[float, float, Image.Image]]:
    """Yields time and duration in seconds, and RGB picture, of the frames of a video.

    Frames that cannot be decoded are left out, and named in a warning at the end. So
    are interlaced film, high dynamic range and a film that is cut short.

    Args:
      path: of the video.
      least: pixels of the shorter side that are enough; larger film of high dynamic
        range is made smaller, as its colours take long to map.

    Raises:
      ValueError: the file is not a video, or over a tenth of it is damaged.
    """
    with _open_video(path) as (container, stream):
        damage = _Damage()
        frames = _deinterlaced(path, _decode(path, container, stream, damage))
        start = end = None
        for index, frame in enumerate(frames):
            time = frame.time
            if time is None:
                time = index / float(stream.average_rate or stream.guessed_rate or 25)
            duration = float((frame.duration or 0) * (frame.time_base or 0))
            if start is None:
                start = time
                if frame.color_trc in (hdr.PQ, hdr.HLG):
                    images.warn(f"{path} is HDR; it is mapped to SDR (BT.709)")
            end = max(end or 0.0, time + duration)
            yield time, duration, _picture(path, frame, stream, least)
        _check_damage(path, damage)
        seconds = _seconds(container, stream)
        if start is not None and seconds and end - start < _CUT_SHORT * seconds:
            images.warn(
                f"{path} is cut short: it ends after {end - start:.1f} of "
                f"{seconds:.1f} seconds"
            )


@contextlib.contextmanager
def _open_video(
    path: pathlib.Path,
) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    # FFmpeg would take what precedes a colon in a name for a protocol.
    with (
        _named_errors(path),
        # Titles and the like may be of any encoding.
        av.open(f"file:{path}", metadata_errors="replace") as container,
    ):
        stream = container.streams.best("video")
        # FFmpeg also decodes text files as video, and the cover image of an audio file
        # is a video stream.
        if (
            stream is None
            or container.format.name == "tty"
            or stream.disposition & Disposition.attached_pic
        ):
            raise ValueError(f"{path} is not a video")
        if stream.codec_context is None:
            raise ValueError(f"{path} has a codec that is not known")
        images.check_size(path, stream.width, stream.height)
        stream.thread_type = "AUTO"
        yield container, stream


@contextlib.contextmanager
def _named_errors(path: pathlib.Path) -> Iterator[None]:
    """Errors of FFmpeg become a ValueError that names the file."""
    try:
        yield
    except av.error.InvalidDataError as error:
        raise ValueError(f"{path} is not a video") from error
    except (av.error.FFmpegError, EOFError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path} cannot be decoded: {reason}") from error


@dataclasses.dataclass
class _Damage:
    lost: int = 0
    total: int = 0


def _decode(
    path: pathlib.Path,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    damage: _Damage,
) -> Iterator[av.VideoFrame]:
    """Yields the frames that can be decoded, and counts the others."""
    decoder = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and decoder.name in _ALPHA_DECODERS:
        decoder = av.CodecContext.create(_ALPHA_DECODERS[decoder.name], "r")
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:  # the file ends in the middle
            packet = None
        if packet is None:
            return
        flush = packet.size == 0
        damage.total += not flush
        try:
            frames = decoder.decode(None if flush else packet)
        except (av.error.FFmpegError, EOFError):
            damage.lost += not flush
            continue
        for frame in frames:
            if frame.is_corrupt:
                damage.lost += 1
                continue
            images.check_size(path, frame.width, frame.height)
            frame.time_base = stream.time_base  # unset where the decoder is flushed
            yield frame


def _check_damage(path: pathlib.Path, damage: _Damage) -> None:
    if damage.total and damage.lost == damage.total:
        raise ValueError(f"{path} cannot be decoded: all of its frames are damaged")
    text = f"{damage.lost} of {damage.total} frames of {path} could not be decoded"
    if damage.lost > images.MOST_LOST * damage.total:
        raise ValueError(text)
    if damage.lost:
        images.warn(text)


def _deinterlaced(
    path: pathlib.Path, frames: Iterator[av.VideoFrame]
) -> Iterator[av.VideoFrame]:
    """Yields progressive frames; from the first interlaced frame on, those of bwdif."""
    for frame in frames:
        if frame.interlaced_frame:
            images.warn(f"{path} is interlaced; it is deinterlaced")
            yield from _filtered(itertools.chain([frame], frames))
            return
        yield frame


def _filtered(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    first = next(frames)
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=first.width,
        height=first.height,
        format=first.format,
        time_base=first.time_base,
    )
    deinterlace = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    graph.link_nodes(source, deinterlace, graph.add("buffersink")).configure()
    for frame in itertools.chain([first], frames, [None]):
        graph.vpush(frame)
        while True:
            try:
                yield graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break


def _picture(
    path: pathlib.Path,
    frame: av.VideoFrame,
    stream: av.VideoStream,
    least: int | None,
) -> Image.Image:
    """Returns a frame as it is meant to be seen."""
    if frame.color_trc in (hdr.PQ, hdr.HLG):
        image = _standard(frame, least)
    else:
        alpha = _has_alpha(frame.format)
        converted = frame.reformat(
            format="rgba" if alpha else "rgb24",
            src_colorspace=_colour_space(frame),
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
        )
        image = Image.fromarray(converted.to_ndarray())
        image = images.on_black(image) if alpha else image
    image = _with_square_pixels(path, image, stream)
    turn = _turn(frame)
    return image if turn is None else image.transpose(turn)


def _standard(frame: av.VideoFrame, least: int | None) -> Image.Image:
    scale = 1.0
    if least:  # twice as large, to be averaged
        scale = min(1.0, 2 * least / min(frame.width, frame.height))
    wide = frame.reformat(
        width=round(frame.width * scale),
        height=round(frame.height * scale),
        format="rgb48le",
        src_colorspace=Colorspace.BT2020,
        interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND,
    )
    return Image.fromarray(hdr.to_standard(wide.to_ndarray(), frame.color_trc))


def _colour_space(frame: av.VideoFrame) -> Colorspace | None:
    """Returns the colour space of untagged film, None if the frame states its own."""
    if frame.format.is_rgb or frame.colorspace != _UNSPECIFIED:
        return None
    lines = min(frame.width, frame.height)
    return Colorspace.ITU709 if lines >= _HD_LINES else Colorspace.ITU601


def _has_alpha(pixels: av.VideoFormat) -> bool:
    return pixels.has_palette or any(part.is_alpha for part in pixels.components)


def _with_square_pixels(
    path: pathlib.Path, image: Image.Image, stream: av.VideoStream
) -> Image.Image:
    """Enlarges a picture along the side whose pixels are longer."""
    ratio = stream.sample_aspect_ratio
    if not ratio or ratio == 1:
        return image
    width, height = image.size
    if ratio > 1:
        width = round(width * ratio)
    else:
        height = round(height / ratio)
    images.check_size(path, width, height)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _turn(frame: av.VideoFrame) -> Image.Transpose | None:
    """Returns how the frame's display matrix turns it, in steps of 90 degrees."""
    try:
        matrix = frame.side_data.get(SideData.DISPLAYMATRIX)
    except ValueError:  # FFmpeg has kinds of side data that PyAV does not know
        matrix = None
    if matrix is None:
        return None
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5] / _FIXED
    if max(abs(a), abs(d)) >= max(abs(b), abs(c)):
        b = c = 0
    else:
        a = d = 0
    return _TURNS.get(tuple(int(np.sign(value)) for value in (a, b, c, d)))


def _seconds(
    container: av.container.InputContainer, stream: av.VideoStream
) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None
