"""Records the README's animations: the live page, a terminal, a wall of lamps.

  python docs/figures/readme.py
  python docs/figures/readme.py --only=terminal

Needs the extra `test`, and chromium. The real commands run in real time, and each frame
of an animation lasts as long as it was on the screen. Only the lamp of the page runs
slowly, and its film is played faster; and since the browser has no graphics processor,
the server draws its frames, as large as the browser would. Creates `live.webp`,
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
from typing import TypeVar

import numpy as np
import pyte
from absl import flags
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page, sync_playwright

from duralava import command_line, files

_FOLDER = pathlib.Path(__file__).parents[1] / "pictures"
_TOOLS = _FOLDER.parents[1] / "tools"
_SECONDS, _FPS = 9.0, 10  # slow machines record fewer frames
_QUALITY = 70  # of WebP
_PAGE, _PAGE_SCALE = {"width": 1120, "height": 700}, 0.75
_TOUCHED, _TOUCHED_AT = (595, 385), 1.5
_SLOWER = 4  # by which the lamp of the page runs while it is recorded
_SERVER = """
from duralava import commands
from duralava.live import player

player.render_frame.__kwdefaults__["size"] = 525
commands.run("live")
"""
_COLUMNS, _ROWS, _CELL, _BAR = 88, 44, 8, 30  # a cell is _CELL x 2 _CELL pixels
_FRAME_END = b"\x1b[?2026l"  # ends each frame of the terminal view

T = TypeVar("T")
Actions = Mapping[float, Callable[[], object]]
"""Actions of the viewer, by time in seconds."""


def live() -> None:
    """Records the page: a touch, another colour theme, another lamp."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise OSError("recording the live page needs chromium, which is not installed")
    with _served("--fps=6") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=_PAGE, device_scale_factor=_PAGE_SCALE)
        page.set_default_timeout(300_000)
        page.goto(f"{address}/?seed=6&speed={1 / _SLOWER}")
        # The hint appears when the lamp plays.
        page.locator("#message", has_text="wax gathers").wait_for()
        page.wait_for_timeout(10_000)  # the hint has gone
        actions = {
            _TOUCHED_AT: lambda: page.mouse.click(*_TOUCHED),
            3.5: lambda: page.keyboard.press("m"),
            4.5: lambda: page.locator("#theme input[value=ocean]").check(),
            6.5: lambda: _request_lamp(page, 1),
        }
        film = _record(
            lambda second: _capture_page(page, second), actions, slower=_SLOWER
        )
        browser.close()
    _write(film, "live.webp")


def terminal() -> None:
    """Records the terminal view, and requests another lamp."""
    master, slave = pty.openpty()
    size = struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0)
    fcntl.ioctl(master, termios.TIOCSWINSZ, size)
    process = subprocess.Popen(
        [sys.executable, _TOOLS / "live.py", "--terminal", f"--fps={_FPS}"],
        stdin=slave,
        stdout=slave,
        env=os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )
    os.close(slave)  # so that reading fails after the process has ended
    first = _read_frame(master)
    film = _record(lambda _: _read_frame(master), {5.5: lambda: os.write(master, b"n")})
    os.write(master, b"q")
    with contextlib.suppress(OSError):
        while True:
            os.read(master, 1 << 16)
    process.wait()
    os.close(master)
    # Only now, because the emulated terminal is slow.
    screen = pyte.Screen(_COLUMNS, _ROWS)
    stream = pyte.ByteStream(screen)
    stream.feed(first)
    images = []
    for second, output in film:
        stream.feed(output)
        images.append((second, _render_screen(screen)))
    _write(images, "terminal.webp")


def wall() -> None:
    """Renders a loop of eight lamps."""
    seconds = 10
    arguments = f"--grid=2x4 --size=256 --loop --seconds={seconds} --fps={_FPS}".split()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            _TOOLS / "render.py",
            f"--output={folder}",
            *arguments,
        ]
        subprocess.run(command, check=True)
        film = []
        for index, path in enumerate(sorted(pathlib.Path(folder).iterdir())):
            with Image.open(path) as image:
                film.append((index / _FPS, image.copy()))
    _write(film, "wall.webp", seconds)


PICTURES = {picture.__name__: picture for picture in (live, terminal, wall)}
_ONLY = flags.DEFINE_multi_enum(
    "only", list(PICTURES), list(PICTURES), "The animation to create; may be repeated."
)


@contextlib.contextmanager
def _served(*arguments: str) -> Iterator[str]:
    """Starts a live server and yields its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER, "--noopen", "--port=0", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield re.search(r"http://\S+", process.stdout.readline())[0]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _record(
    capture: Callable[[float], T], actions: Actions, *, slower: float = 1.0
) -> list[tuple[float, T]]:
    """Returns frames captured during `_SECONDS`, with their times.

    Args:
      capture: returns the frame at a time.
      actions: of the viewer.
      slower: by which all of it is, times and `_SECONDS` included.
    """
    film, waiting = [], dict(actions)
    start = time.monotonic()

    def now() -> float:
        return (time.monotonic() - start) / slower

    while (second := now()) < _SECONDS:
        for due in [due for due in waiting if due <= second]:
            waiting.pop(due)()
        film.append((second, capture(second)))
        time.sleep(max(0.0, slower * (second + 1 / _FPS - now())))
    return film


def _request_lamp(page: Page, seed: int) -> None:
    """Requests a lamp; the sheet "More" must be open."""
    page.locator("#seed").fill(str(seed))
    page.keyboard.press("Enter")


def _capture_page(page: Page, second: float) -> Image.Image:
    # The controls fade out unless the mouse moves.
    page.mouse.move(_TOUCHED[0] + second, _TOUCHED[1])
    screenshot = page.screenshot(type="jpeg", quality=95)  # faster than a PNG
    image = Image.open(io.BytesIO(screenshot))
    if 0 <= second - _TOUCHED_AT < 0.6:
        centre = [_PAGE_SCALE * v for v in _TOUCHED]
        ImageDraw.Draw(image).circle(centre, 20, outline="white", width=2)
    return image


def _read_frame(master: int) -> bytes:
    """Returns the output of a terminal until a frame is complete."""
    output = b""
    while not output.endswith(_FRAME_END):
        output += os.read(master, 1 << 16)
    return output


def _render_screen(screen: pyte.Screen) -> Image.Image:
    """Draws the terminal as a window with a title bar."""
    half_cells = np.zeros((2 * _ROWS, _COLUMNS, 3), np.uint8)
    for row, column in np.ndindex(_ROWS, _COLUMNS):
        cell = screen.buffer[row][column]
        if cell.data == "\N{UPPER HALF BLOCK}":
            half_cells[2 * row, column] = list(bytes.fromhex(cell.fg))
            half_cells[2 * row + 1, column] = list(bytes.fromhex(cell.bg))
    pixels = half_cells.repeat(_CELL, axis=0).repeat(_CELL, axis=1)
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
    """Creates the requested animations."""
    for name in _ONLY.value:
        PICTURES[name]()
    print(f"wrote {', '.join(_ONLY.value)} .webp: {_FOLDER}")


if __name__ == "__main__":
    command_line.run(main)
