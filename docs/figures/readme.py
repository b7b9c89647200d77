"""Films duralava at work for the README: the live page, a terminal, a wall of lamps.

  python docs/figures/readme.py
  python docs/figures/readme.py --only=terminal

Needs the extra `test`, and chromium. Commands run as they do for anyone, in real time;
what was seen is shown for as long as it was on the screen. The pictures: `live.webp`,
`terminal.webp` and `wall.webp`.
"""

import contextlib
import fcntl
import io
import os
import pathlib
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyte
from absl import flags
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page, sync_playwright

from duralava import command_line, files

_FOLDER = pathlib.Path(__file__).parents[1] / "pictures"
_TOOLS = _FOLDER.parents[1] / "tools"
_SECONDS, _FPS = 9.0, 10  # fewer frames, where a machine is slower
_QUALITY = 70  # of WebP
_PAGE, _SHRUNK = {"width": 1120, "height": 700}, 0.75
_TOUCHED, _TOUCHED_AT = (595, 385), 1.5
_COLUMNS, _ROWS, _CELL, _BAR = 72, 36, 8, 30  # a cell is twice as high as wide
_DRAWN = b"\x1b[?2026l"  # ends a picture of the terminal view

Deeds = Mapping[float, Callable[[], object]]
"""What a viewer does, by the second."""


def live() -> None:
    """Films the page: it is touched, gets other colours, and shows another lamp."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise OSError("the live page is filmed in chromium, which is not installed")
    with _served("--fps=20") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=_PAGE, device_scale_factor=_SHRUNK)
        page.goto(address)
        page.get_by_text("still N(0, 1)").wait_for()
        page.mouse.click(*_TOUCHED)  # what a touch takes is compiled at the first
        page.wait_for_timeout(2_000)
        _ask_for(page, 6)
        page.wait_for_timeout(2_000)
        deeds = {
            _TOUCHED_AT: lambda: page.mouse.click(*_TOUCHED),
            4.0: lambda: page.locator("#theme").select_option("ocean"),
            6.5: lambda: _ask_for(page, 1),
        }
        film = _film(lambda second: _page_seen(page, second), deeds)
        browser.close()
    _write(film, "live.webp")


def terminal() -> None:
    """Films the terminal view, and asks for another lamp."""
    master, slave = pty.openpty()
    size = struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0)
    fcntl.ioctl(master, termios.TIOCSWINSZ, size)
    process = subprocess.Popen(
        [sys.executable, _TOOLS / "live.py", "--terminal", f"--fps={_FPS}"],
        stdin=slave,
        stdout=slave,
        env=os.environ | {"TERM": "xterm-256color"},
    )
    os.close(slave)  # so that reading fails once the process has left
    screen = pyte.Screen(_COLUMNS, _ROWS)
    stream = pyte.ByteStream(screen)

    def seen(_: float) -> Image.Image:
        _read_picture(master, stream)
        return _screen_seen(screen)

    seen(0)
    film = _film(seen, {5.5: lambda: os.write(master, b"n")})
    os.write(master, b"q")
    with contextlib.suppress(OSError):
        while True:
            os.read(master, 1 << 16)
    process.wait()
    os.close(master)
    _write(film, "terminal.webp")


def wall() -> None:
    """Renders a loop of eight lamps."""
    seconds = 10
    shot = f"--grid=2x4 --scale=2.5 --loop --seconds={seconds} --fps={_FPS}".split()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, _TOOLS / "render.py", f"--output={folder}", *shot]
        subprocess.run(command, check=True)
        film = []
        for index, path in enumerate(sorted(pathlib.Path(folder).iterdir())):
            with Image.open(path) as image:
                film.append((index / _FPS, image.copy()))
    _write(film, "wall.webp", seconds)


PICTURES = {picture.__name__: picture for picture in (live, terminal, wall)}
_ONLY = flags.DEFINE_multi_enum(
    "only", list(PICTURES), list(PICTURES), "The picture to make; may be repeated."
)


@contextlib.contextmanager
def _served(*arguments: str) -> Iterator[str]:
    """Starts a live lamp, and yields its address."""
    process = subprocess.Popen(
        [sys.executable, _TOOLS / "live.py", "--noopen", "--port=0", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield re.search(r"http://\S+", process.stdout.readline())[0]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _film(
    seen: Callable[[float], Image.Image], deeds: Deeds
) -> list[tuple[float, Image.Image]]:
    """Returns what is seen at moments, in seconds; the last is when the film ends."""
    film, waiting = [], dict(deeds)
    start = time.monotonic()
    while (second := time.monotonic() - start) < _SECONDS:
        for due in [due for due in waiting if due <= second]:
            waiting.pop(due)()
        film.append((second, seen(second)))
        time.sleep(max(0.0, second + 1 / _FPS - (time.monotonic() - start)))
    return film


def _ask_for(page: Page, seed: int) -> None:
    page.locator("#seed").fill(str(seed))
    page.keyboard.press("Enter")


def _page_seen(page: Page, second: float) -> Image.Image:
    # Controls fade while no one moves.
    page.mouse.move(_TOUCHED[0] + second, _TOUCHED[1])
    shot = page.screenshot(type="jpeg", quality=95)  # quicker than a PNG
    image = Image.open(io.BytesIO(shot))
    if 0 <= second - _TOUCHED_AT < 0.6:
        place = [_SHRUNK * v for v in _TOUCHED]
        ImageDraw.Draw(image).circle(place, 20, outline="white", width=2)
    return image


def _read_picture(master: int, stream: pyte.ByteStream) -> None:
    """Lets a terminal show what comes, until a picture is whole."""
    last = b""
    while not last.endswith(_DRAWN):
        part = os.read(master, 1 << 16)
        stream.feed(part)
        last = (last + part)[-len(_DRAWN) :]


def _screen_seen(screen: pyte.Screen) -> Image.Image:
    """Draws a terminal, in a window."""
    shown = np.zeros((2 * _ROWS, _COLUMNS, 3), np.uint8)
    for row, column in np.ndindex(_ROWS, _COLUMNS):
        cell = screen.buffer[row][column]
        if cell.data == "\N{UPPER HALF BLOCK}":
            shown[2 * row, column] = list(bytes.fromhex(cell.fg))
            shown[2 * row + 1, column] = list(bytes.fromhex(cell.bg))
    pixels = shown.repeat(_CELL, axis=0).repeat(_CELL, axis=1)
    image = Image.new("RGB", (pixels.shape[1], pixels.shape[0] + _BAR), "#2a1028")
    image.paste(Image.fromarray(pixels), (0, _BAR))
    draw = ImageDraw.Draw(image)
    for index, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        draw.circle((18 + 20 * index, _BAR / 2), 6, fill=colour)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans Mono"), 13)
    draw.text(
        (image.width / 2, _BAR / 2), "duralava live --terminal", "#b9a6b4", font, "mm"
    )
    foot = screen.display[-1]
    for column, letter in enumerate(foot):
        place = column * _CELL, image.height - 2 * _CELL
        draw.text(place, letter, "#f4e9e4", font)
    return image


def _write(
    film: Sequence[tuple[float, Image.Image]], name: str, seconds: float = _SECONDS
) -> None:
    moments, images = zip(*film, strict=True)
    milliseconds = np.diff([*moments, seconds]) * 1000
    with files.written_whole(_FOLDER / name) as partial:
        images[0].save(
            partial,
            "WEBP",
            save_all=True,
            append_images=images[1:],
            duration=[round(m) for m in milliseconds],
            loop=0,
            quality=_QUALITY,
            method=6,
        )


def main(_: Sequence[str]) -> None:
    """Makes the pictures that are asked for."""
    for name in _ONLY.value:
        PICTURES[name]()
    print(f"wrote {', '.join(_ONLY.value)} .webp: {_FOLDER}")


if __name__ == "__main__":
    command_line.run(main)
