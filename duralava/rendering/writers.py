"""Frames to an animation or a video file, one frame at a time.

The suffix of the path selects the format; a folder gets numbered PNGs, `-` is standard
output. A file appears under its final name when it is complete.
"""

import contextlib
import dataclasses
import fractions
import itertools
import math
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from PIL import Image, ImageSequence

from duralava import files
from duralava.rendering import frame_types

STANDARD_OUTPUT = "-"
MAX_GIF_FPS = 50  # browsers slow a GIF with shorter delays than 20 ms to 10 fps


@dataclasses.dataclass(frozen=True)
class _Format:
    """Container and codec by their FFmpeg names, with their options."""

    container: str
    codec: str
    pixel_format: str
    container_options: tuple[tuple[str, str], ...] = ()
    codec_options: tuple[tuple[str, str], ...] = ()
    streams: bool = True  # whether the encoder keeps no frames in memory
    transparent: str | None = None  # the pixel format of frames with opacity
    bytes_per_pixel: float = 0.0  # 0 if files are small, as frames change little
    fade: int = 0  # B frames before each key frame, see `frame_types`


_APNG = _Format(
    "apng",
    "apng",
    "rgb24",
    container_options=(("plays", "0"),),
    codec_options=(("compression_level", "1"), ("pred", "paeth")),
    transparent="rgba",
    bytes_per_pixel=0.58,
)
_FORMATS = {
    ".png": _APNG,
    ".apng": _APNG,
    ".mp4": _Format(
        "mp4",
        "libx264",
        "yuv420p",
        container_options=(("movflags", "+faststart"),),
        # All frames have one quality, good enough to follow slow motion. In an open
        # group of pictures, B frames refer to the key frame that follows them.
        codec_options=(
            ("qp", "2"),
            (
                "x264-params",
                "ipratio=1:pbratio=1:psy=0:scenecut=0:bframes=15:b-adapt=0:"
                "b-pyramid=none:open-gop=1",
            ),
        ),
        fade=15,
    ),
    ".webm": _Format(
        "webm",
        "libvpx-vp9",
        "yuv420p",
        # Without random numbers that would identify the file and its track.
        container_options=(("fflags", "+bitexact"),),
        # This codec has no frames that lead to a key frame, so that only a lossless
        # film does not pulse. Frames that repeat others would stutter.
        codec_options=(
            ("lossless", "1"),
            ("cpu-used", "4"),
            ("row-mt", "1"),
            ("auto-alt-ref", "0"),
            ("lag-in-frames", "0"),
        ),
        transparent="yuva420p",
    ),
    ".gif": _Format(
        "gif",
        "gif",
        "pal8",
        container_options=(("loop", "0"),),
        streams=False,
        bytes_per_pixel=0.4,  # 0.3 in 320 pixels, 0.45 in 128
    ),
}
_ENDLESS = 10**6  # frames from one key frame to the next of a loop
_SECONDS_PER_KEY = 10  # of a video that is not a loop; players seek to key frames
_WEBP, _WEBP_QUALITY = ".webp", 90
_VIDEOS = ".mp4", ".webm"
_SUFFIXES = (*_FORMATS, _WEBP)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after which `write_frames` completed the output.

    Attributes:
      count: number of frames in the output.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count


def check_output(path: str | os.PathLike[str], *, transparent: bool = False) -> None:
    """Raises what `write_frames` would raise for `path`, and writes nothing.

    Args:
      path: as `write_frames` takes it.
      transparent: whether frames have opacity.

    Raises:
      ValueError: the suffix is not of a known format, the format has no transparency,
        or raw bytes would appear on a terminal.
      OSError: the folder that is to hold the output is missing or cannot be written
        to, the output is a folder that is not empty, or standard output is closed.
    """
    target = pathlib.Path(path)
    if _is_standard_output(path):
        # Of a command, it is opened to nothing by its name.
        if sys.stdout is None or getattr(sys.stdout, "name", None) == os.devnull:
            raise OSError("standard output is closed")
        if sys.stdout.isatty():
            raise ValueError(
                f"{STANDARD_OUTPUT} writes the raw bytes of frames, which a terminal "
                "cannot show; pipe them into a program, or name a file"
            )
        return
    if _is_folder(path):
        files.check_new_folder(target)
        return
    if target.suffix.lower() not in _SUFFIXES:
        raise ValueError(
            f"unknown suffix '{target.suffix}' of {target}; known: "
            f"{', '.join(_SUFFIXES)}, a folder for numbered PNGs, or "
            f"{STANDARD_OUTPUT} for raw RGB to standard output"
        )
    format_ = _FORMATS.get(target.suffix.lower())
    if transparent and format_ and not format_.transparent:
        raise ValueError(
            f"{target.suffix} cannot be transparent; .png, .apng, .webm, .webp and a "
            "folder for PNGs can"
        )
    files.check_parent(target)


def bytes_per_pixel(path: str | os.PathLike[str]) -> float:
    """Returns about how many bytes a pixel of a lamp's film takes in a file.

    It is 0 for formats whose files are small at any usual size.
    """
    if _is_standard_output(path) or _is_folder(path):
        return 0.0
    format_ = _FORMATS.get(pathlib.Path(path).suffix.lower())
    return format_.bytes_per_pixel if format_ else 0.0


def streams(path: str | os.PathLike[str]) -> bool:
    """Returns whether memory does not grow with the number of frames.

    Raises:
      ValueError, OSError: as `check_output`.
    """
    check_output(path)
    if _is_standard_output(path) or _is_folder(path):
        return True
    format_ = _FORMATS.get(pathlib.Path(path).suffix.lower())
    return format_ is not None and format_.streams


def write_frames(
    path: str | os.PathLike[str],
    frames: Iterator[np.ndarray],
    *,
    fps: float,
    num_frames: int | None = None,
    loop: bool = False,
) -> int:
    """Writes frames to `path` one by one and returns how many were written.

    Formats by suffix: `.png` and `.apng` (APNG, lossless), `.mp4` (H.264), `.webm`
    (VP9), `.gif`, `.webp`; the animations loop. A path that ends in `/`, has no suffix
    or is a folder gets PNGs `000000.png`, `000001.png`, ... Videos of an odd
    height or width repeat their last row or column, since 4:2:0 colour needs even
    sizes. `-` writes the bytes of all frames, three a pixel, to standard output, until
    the reader closes it. Memory does not grow with the number of frames, except for
    `.gif` and `.webp`.

    On Ctrl-C the output is completed with the frames so far, and `Interrupted` is
    raised. On any other exception nothing is left.

    Args:
      path: file or folder to write; a file that exists is replaced.
      frames: uint8 [H, W, 3], all of one size; may be endless. With a fourth channel
        for opacity, where the format has transparency (`check_output`).
      fps: frames per second.
      num_frames: number of frames after which to stop; None for all.
      loop: whether the last frame leads into the first. A video then has one key frame
        only, its first, so that it is even when it is repeated.

    Raises:
      ValueError: unknown suffix, impossible `fps` or `num_frames`, no frame, or frames
        that are not uint8 [H, W, 3] of one size.
      OSError: the output cannot be written.
    """
    check_output(path)
    target = pathlib.Path(path)
    plain = _is_standard_output(path) or _is_folder(path)
    format_ = None if plain else _FORMATS.get(target.suffix.lower())
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be above 0, not {fps}")
    if format_ is _FORMATS[".gif"] and fps > MAX_GIF_FPS:
        raise ValueError(f"a GIF shows at most {MAX_GIF_FPS} fps, not {fps}")
    if num_frames is not None and num_frames < 1:
        raise ValueError(f"num_frames must be at least 1, not {num_frames}")
    frames = itertools.islice(frames, num_frames)
    first = next(frames, None)
    if first is None:
        raise ValueError(f"no frame to write to {target}")

    height, width, channels = _checked(first, np.shape(first)).shape
    check_output(path, transparent=channels == 4)
    frames = itertools.chain([first], frames)
    if _is_standard_output(path):
        return _write_raw(frames)
    with files.written_whole(target) as partial:
        if _is_folder(path):
            opened = _open_folder(partial)
        elif format_:
            if channels == 4:
                format_ = dataclasses.replace(format_, pixel_format=format_.transparent)
            opened = _open_video(partial, format_, fps, height, width, loop)
        else:
            opened = _open_webp(partial, fps)
        with opened as write:
            count, interrupt = _write_all(frames, write)
    if interrupt:
        raise Interrupted(count) from interrupt
    return count


def encode_animation(frames: Sequence[np.ndarray], suffix: str, *, fps: float) -> bytes:
    """Returns an animation as `write_frames` writes it to a file of that suffix.

    Args:
      frames: uint8 [H, W, 3], all of one size.
      suffix: of a format, as `.gif`.
      fps: frames per second.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, f"animation{suffix}")
        write_frames(path, iter(frames), fps=fps)
        return path.read_bytes()


def read_frames(path: str | os.PathLike[str]) -> Iterator[np.ndarray]:
    """Yields the frames u8[H, W, 3] of what `write_frames` wrote, as a player shows it.

    Opacity is left out: transparent pixels are black.
    """
    if pathlib.Path(path).is_dir():
        for name in sorted(pathlib.Path(path).glob("*.png")):
            yield _over_black(Image.open(name))
    elif pathlib.Path(path).suffix.lower() in _VIDEOS:
        with av.open(path) as container:
            end = container.streams.video[0].duration
            for picture in container.decode(video=0):
                if picture.pts + 1 != end:  # else it is shown for one tick
                    yield picture.to_ndarray(format="rgb24")
    else:
        with Image.open(path) as image:
            for picture in ImageSequence.Iterator(image):
                yield _over_black(picture)


def _over_black(picture: Image.Image) -> np.ndarray:
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("RGB"))
    black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
    black.alpha_composite(picture.convert("RGBA"))
    return np.asarray(black.convert("RGB"))


def _write_raw(frames: Iterator[np.ndarray]) -> int:
    """Writes frames to standard output, and returns how many were written."""
    count, shape = 0, None
    output = sys.stdout.buffer
    try:
        for frame in frames:
            shape = shape or np.shape(frame)
            output.write(_checked(frame, shape).tobytes())
            output.flush()
            count += 1
    except KeyboardInterrupt as interrupt:
        raise Interrupted(count) from interrupt
    except BrokenPipeError:
        # The reader closed the pipe. Python flushes standard output again at exit,
        # which must not fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return count


def _write_all(
    frames: Iterator[np.ndarray], write: Callable[[np.ndarray], None]
) -> tuple[int, KeyboardInterrupt | None]:
    # Python raises KeyboardInterrupt in the main thread only: the worker encodes its
    # current frame to the end, so the file stays valid. Meanwhile the main thread
    # computes the next frame.
    count, interrupt, shape = 0, None, None
    with futures.ThreadPoolExecutor(max_workers=1) as worker:
        pending = None
        try:
            for frame in frames:
                shape = shape or np.shape(frame)
                frame = _checked(frame, shape)
                if pending:
                    pending.result()
                pending = worker.submit(write, frame)
                count += 1
        except KeyboardInterrupt as error:
            interrupt = error
        if pending:
            pending.result()
    return count, interrupt


def _checked(frame: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    frame = np.array(frame)  # a copy: the iterator may reuse its buffer
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] not in (3, 4):
        raise ValueError(
            f"a frame must be uint8 [H, W, 3] or [H, W, 4], not {frame.dtype} "
            f"{list(frame.shape)}"
        )
    if frame.shape != shape:
        raise ValueError(f"frames of two sizes: {list(shape)}, {list(frame.shape)}")
    return frame


@contextlib.contextmanager
def _open_video(
    path: pathlib.Path,
    format_: _Format,
    fps: float,
    height: int,
    width: int,
    loop: bool,
) -> Iterator[Callable[[np.ndarray], None]]:
    """Yields a function that appends one frame to the file."""
    subsampled = format_.pixel_format.startswith("yuv")
    padding = (height % 2, width % 2) if subsampled else (0, 0)
    # 29.97 fps and its like are fractions with small denominators.
    rate = fractions.Fraction(fps).limit_denominator(1001)
    with av.open(
        path, "w", format=format_.container, options=dict(format_.container_options)
    ) as container:
        options = dict(format_.codec_options)
        stream = container.add_stream(format_.codec, rate=rate, options=options)
        stream.height, stream.width = height + padding[0], width + padding[1]
        stream.pix_fmt = format_.pixel_format
        stream.bit_rate = 0  # constant quality, not constant size
        spacing = None if loop else max(1, round(_SECONDS_PER_KEY * fps))
        if subsampled:
            stream.gop_size = spacing or _ENDLESS
            stream.codec_context.colorspace = Colorspace.ITU709
            stream.codec_context.color_primaries = ColorPrimaries.BT709
            stream.codec_context.color_trc = ColorTrc.BT709
            stream.codec_context.color_range = ColorRange.MPEG
        quantize = _palette_filter(height, width, rate) if _is_gif(format_) else None
        pts = itertools.count()

        def encode(picture: av.VideoFrame | None) -> None:
            if picture:
                picture.pts, picture.time_base = next(pts), 1 / rate
            for packet in stream.encode(picture):
                if typed and packet.pts == typed.copy:
                    frame_types.show_for_no_time(packet, stream.time_base)
                container.mux(packet)

        typed = None
        if format_.fade:
            typed = frame_types.TypedFrames(encode, fade=format_.fade, spacing=spacing)

        def write(frame: np.ndarray) -> None:
            if any(padding):
                frame = np.pad(
                    frame, ((0, padding[0]), (0, padding[1]), (0, 0)), mode="edge"
                )
            layout = "rgba" if frame.shape[-1] == 4 else "rgb24"
            picture = av.VideoFrame.from_ndarray(frame, format=layout)
            if subsampled:
                picture = _subsample(picture, format_.pixel_format)
            elif quantize:
                picture = quantize(picture)
            typed.add(picture) if typed else encode(picture)

        yield write
        if typed:
            typed.close()
        encode(None)


def _subsample(picture: av.VideoFrame, pixel_format: str) -> av.VideoFrame:
    """Returns a picture of 8 bits in BT.709.

    From 10 bits, FFmpeg rounds with an ordered dither. Without it, a smooth gradient in
    the dark would be bands of equal pixels.
    """
    deep = picture.reformat(
        format=f"{pixel_format}10le",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )
    return deep.reformat(format=pixel_format)


@contextlib.contextmanager
def _open_webp(
    path: pathlib.Path, fps: float
) -> Iterator[Callable[[np.ndarray], None]]:
    """Yields a function that adds one frame to the file, which is written at the end.

    By Pillow: with the encoder of FFmpeg, errors add up from frame to frame.
    """
    pictures: list[Image.Image] = []
    yield lambda frame: pictures.append(Image.fromarray(frame))
    ends = [round(1000 * index / fps) for index in range(len(pictures) + 1)]
    pictures[0].save(
        path,
        "webp",
        save_all=True,
        append_images=pictures[1:],
        duration=[end - start for start, end in itertools.pairwise(ends)],
        loop=0,
        quality=_WEBP_QUALITY,
    )


def _is_gif(format_: _Format) -> bool:
    return format_.codec == "gif"


def _palette_filter(
    height: int, width: int, rate: fractions.Fraction
) -> Callable[[av.VideoFrame], av.VideoFrame]:
    """Returns a function that reduces a frame to the 256 colours that suit it best."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=width, height=height, format="rgb24", time_base=1 / rate
    )
    split = graph.add("split")
    palette = graph.add("palettegen", "stats_mode=single")
    use = graph.add("paletteuse", "new=1:dither=sierra2_4a")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(palette, output_idx=0)
    split.link_to(use, output_idx=1, input_idx=0)
    palette.link_to(use, input_idx=1)
    use.link_to(sink)
    graph.configure()

    def quantize(frame: av.VideoFrame) -> av.VideoFrame:
        graph.vpush(frame)  # not source.push: a node does not keep its graph alive
        return graph.vpull()

    return quantize


@contextlib.contextmanager
def _open_folder(path: pathlib.Path) -> Iterator[Callable[[np.ndarray], None]]:
    """Yields a function that saves one more numbered PNG in the folder."""
    path.mkdir()
    number = itertools.count()

    def write(frame: np.ndarray) -> None:
        Image.fromarray(frame).save(path / f"{next(number):06d}.png")

    yield write


def _is_standard_output(path: str | os.PathLike[str]) -> bool:
    return os.fspath(path) == STANDARD_OUTPUT


def _is_folder(path: str | os.PathLike[str]) -> bool:
    named_so = os.fspath(path).endswith(os.sep) or not pathlib.Path(path).suffix
    return named_so or pathlib.Path(path).is_dir()
