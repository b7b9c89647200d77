"""A lamp in the terminal, drawn with half blocks in true colour."""

import contextlib
import os
import select
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

import numpy as np
from PIL import Image

from duralava.lamp import Lamp
from duralava.live import player, steering

_ENTER = "\x1b[?1049h\x1b[?25l"  # alternate screen, no cursor
_LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"
_CLEAR = "\x1b[0m\x1b[2J"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"  # of an update that is shown as a whole
_UPPER_HALF = "\N{UPPER HALF BLOCK}"
_TOLERANCE = 3  # grey levels; a smaller change of a colour is not sent
_KEYS = "space pause, n new lamp, + - speed, q quit"
_SPEED_STEP = 1.25
_MAX_CATCH_UP = 1.0  # seconds that a lamp makes up for when a frame is late


def check_terminal(output: TextIO) -> None:
    """Raises an OSError if `output` is not a terminal that can show a lamp."""
    if not output.isatty():
        raise OSError("--terminal needs a terminal, and standard output is not one")
    if os.environ.get("TERM", "dumb") == "dumb":
        raise OSError(
            "--terminal needs a terminal with colours, and this one (TERM) has none"
        )


def run(lamp: Lamp, *, seed: int, fps: float, output: TextIO) -> None:
    """Shows a lamp in real time until `q` is pressed.

    At the end, also after Ctrl-C, the terminal is as it was before.

    Args:
      lamp: to show.
      seed: of the lamp; the key `n` starts the next one.
      fps: frames per second, fewer if the terminal is slower.
      output: a terminal.
    """
    state, speed, playing = player.begin(lamp, lamp.start(seed)), 1.0, True
    shown = None
    player.render_frame(lamp, state)  # compiles before the screen clears
    with _own_screen(output), _single_keys() as read_key:
        last = time.monotonic()
        while (key := read_key()) != "q":
            if key == " ":
                playing = not playing
            elif key == "n":
                seed += 1
                state = player.begin(lamp, lamp.start(seed))
            elif key in ("+", "="):
                speed = min(speed * _SPEED_STEP, steering.MAX_SPEED)
            elif key == "-":
                speed = max(speed / _SPEED_STEP, steering.MIN_SPEED)
            now = time.monotonic()
            if playing:
                seconds = min(now - last, _MAX_CATCH_UP)
                num_steps = seconds * speed * lamp.steps_per_second
                state = player.advance(lamp, state, num_steps)
            last = now
            columns, rows = shutil.get_terminal_size()
            picture = fit(player.render_frame(lamp, state), columns, rows - 1)
            text, shown = encode_changes(picture, shown)
            about = f"lamp {seed}  step {state.step:,}  speed {speed:.2g}  {_KEYS}"
            foot = f"\x1b[0m\x1b[{rows};1H{about[: columns - 1]}\x1b[K"
            output.write(f"{_BEGIN}{text}{foot}{_END}")
            output.flush()
            time.sleep(max(0.0, now + 1 / fps - time.monotonic()))


def fit(frame: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """Scales a frame u8[H, W, 3] to a window of character cells, and centres it.

    Returns:
      u8[2 * rows, columns, 3], black around the frame. A cell is twice as high as wide,
      and shows two pixels, one above the other.
    """
    height, width = max(2 * rows, 2), max(columns, 1)
    side = min(height, width)
    small = Image.fromarray(frame).resize((side, side), Image.Resampling.LANCZOS)
    window = np.zeros((height, width, 3), np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    window[top : top + side, left : left + side] = small
    return window


def encode_changes(
    picture: np.ndarray, shown: np.ndarray | None
) -> tuple[str, np.ndarray]:
    """Encodes the changes that turn what a terminal shows into another picture.

    Args:
      picture: u8[2 * rows, columns, 3].
      shown: what the terminal shows now; if it is None or of another size, the screen
        is cleared first.

    Returns:
      The characters and control sequences, and what the terminal shows after them.
      Cells whose colours hardly change are not sent, which saves most of the output.
    """
    text = []
    if shown is None or shown.shape != picture.shape:
        text.append(_CLEAR)
        shown = np.zeros_like(picture)
        changed = np.ones((len(picture) // 2, picture.shape[1]), bool)
    else:
        off = np.abs(picture.astype(np.int16) - shown).max(axis=-1) > _TOLERANCE
        changed = off[::2] | off[1::2]
    upper, lower = (None, None)
    for row, column in np.argwhere(changed):
        if not (column and changed[row, column - 1]):
            text.append(f"\x1b[{row + 1};{column + 1}H")
        above, below = (
            tuple(int(v) for v in picture[2 * row + half, column]) for half in (0, 1)
        )
        if above != upper:
            text.append("\x1b[38;2;{};{};{}m".format(*above))
        if below != lower:
            text.append("\x1b[48;2;{};{};{}m".format(*below))
        text.append(_UPPER_HALF)
        upper, lower = above, below
    both = np.repeat(changed, 2, axis=0)[..., None]
    return "".join(text), np.where(both, picture, shown)


@contextlib.contextmanager
def _own_screen(output: TextIO) -> Iterator[None]:
    output.write(_ENTER)
    try:
        yield
    finally:
        output.write(_LEAVE)
        output.flush()


@contextlib.contextmanager
def _single_keys() -> Iterator[Callable[[], str]]:
    """Yields a function that returns the next key pressed, or "" if there is none."""
    if not sys.stdin.isatty() or sys.platform == "win32":
        yield lambda: ""
        return
    import termios  # exists on Unix only
    import tty

    source = sys.stdin.fileno()
    before = termios.tcgetattr(source)

    def read_key() -> str:
        waiting, _, _ = select.select([source], [], [], 0)
        return os.read(source, 1).decode(errors="ignore") if waiting else ""

    try:
        tty.setcbreak(source)
        yield read_key
    finally:
        termios.tcsetattr(source, termios.TCSADRAIN, before)
