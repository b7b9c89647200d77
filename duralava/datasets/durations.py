"""How long the frames of animated images are shown, read without decoding them."""

import pathlib
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

_PNG_SIGNATURE, _RIFF_HEADER = 8, 12  # bytes
_GIF_HEADER = 13
_GIF_IMAGE, _GIF_EXTENSION, _GIF_CONTROL = 0x2C, 0x21, 0xF9
_COLOURS_FOLLOW = 0x80


def read(path: pathlib.Path, format_: str) -> list[float] | None:
    """Returns the duration in seconds of each frame.

    The file may be damaged: the list ends where it does.

    Args:
      path: of the file.
      format_: as Pillow calls it.

    Returns:
      None for formats whose durations are known only once they are decoded, or if the
      file states none.
    """
    if format_ not in _READERS:
        return None
    with path.open("rb") as file:
        return list(_READERS[format_](file)) or None


def _gif(file: BinaryIO) -> Iterator[float]:
    """GIF89a: a control block before an image has its delay in hundredths."""
    header = file.read(_GIF_HEADER)
    if len(header) == _GIF_HEADER:
        _skip_colours(file, header[10])
    delay = 0.0
    while block := file.read(1):
        if block[0] == _GIF_EXTENSION:
            label, content = file.read(1), _sub_block(file)
            if label == bytes([_GIF_CONTROL]) and len(content) >= 3:
                delay = struct.unpack_from("<H", content, 1)[0] / 100
            _skip_sub_blocks(file, content)
        elif block[0] == _GIF_IMAGE:
            place = file.read(9)
            if len(place) < 9:
                return
            _skip_colours(file, place[8])
            file.seek(1, 1)  # size of codes
            _skip_sub_blocks(file, _sub_block(file))
            yield delay
            delay = 0.0
        else:  # the trailer, or damage
            return


def _sub_block(file: BinaryIO) -> bytes:
    size = file.read(1)
    return file.read(size[0]) if size else b""


def _skip_sub_blocks(file: BinaryIO, block: bytes) -> None:
    while block:
        block = _sub_block(file)


def _skip_colours(file: BinaryIO, flags: int) -> None:
    if flags & _COLOURS_FOLLOW:
        file.seek(3 << ((flags & 7) + 1), 1)


def _png(file: BinaryIO) -> Iterator[float]:
    """APNG: each frame has a chunk fcTL with its delay as a fraction."""
    file.seek(_PNG_SIGNATURE)
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        if name == b"fcTL" and size >= 24:
            content = file.read(24)
            if len(content) < 24:
                return
            numerator, denominator = struct.unpack_from(">HH", content, 20)
            yield numerator / (denominator or 100)
            size -= 24
        file.seek(size + 4, 1)


def _webp(file: BinaryIO) -> Iterator[float]:
    """WebP: each frame is a chunk ANMF with its duration in milliseconds."""
    file.seek(_RIFF_HEADER)
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        end = file.tell() + size + size % 2
        if name == b"ANMF" and len(content := file.read(15)) == 15:
            yield int.from_bytes(content[12:15], "little") / 1000
        file.seek(end)


_READERS: dict[str, Callable[[BinaryIO], Iterator[float]]] = {
    "GIF": _gif,
    "PNG": _png,
    "WEBP": _webp,
}
