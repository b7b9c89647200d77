"""A lamp in the terminal: half blocks in true colour."""

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

from duralava.live import player
from duralava.pretrained import Pretrained
from duralava.rendering.lamps import fresh_lamps

_ENTER = "\x1b[?1049h\x1b[?25l"  # another screen, no cursor
_LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"
_CLEAR = "\x1b[0m\x1b[2J"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"  # between them nothing is shown yet
_UPPER_HALF = "\N{UPPER HALF BLOCK}"
_TOLERANCE = 3  # levels by which a colour may be off before it is drawn again
_KEYS = "space pause, n new lamp, + - speed, q quit"
_FASTER = 1.25


def check_terminal(output: TextIO) -> None:
    """Raises an OSError where `output` is no terminal that can show a lamp."""
    if not output.isatty():
        raise OSError("--terminal draws in a terminal, and standard output is none")
    if os.environ.get("TERM", "dumb") == "dumb":
        raise OSError("--terminal draws in colour, and this terminal (TERM) has none")


def play(pretrained: Pretrained, *, seed: int, fps: float, output: TextIO) -> None:
    """Plays a lamp in real time until `q` is pressed.

    However it ends, by Ctrl-C too, the terminal is left as it was.

    Args:
      pretrained: weights of the lamp.
      seed: of the lamp; the key `n` goes on to the next.
      fps: frames per second, fewer where the terminal is slower.
      output: a terminal.
    """
    params, config = pretrained
    model, pace = config.model, config.data.steps_per_second

    def begin(seed: int) -> player.Player:
        return player.begin(params, fresh_lamps(seed, config=model), config=model)

    lamp, speed, playing, shown = begin(seed), 1.0, True, None
    player.draw(params, lamp, config=model)  # compiled before the screen goes dark
    with _own_screen(output), _single_keys() as read_key:
        last = time.monotonic()
        while (key := read_key()) != "q":
            if key == " ":
                playing = not playing
            elif key == "n":
                seed += 1
                lamp = begin(seed)
            elif key in ("+", "="):
                speed = min(speed * _FASTER, player.FASTEST)
            elif key == "-":
                speed = max(speed / _FASTER, player.SLOWEST)
            now = time.monotonic()
            if playing:
                seconds = min(now - last, 1.0)  # a terminal that slept does not rush
                steps = seconds * speed * pace
                lamp = player.advance(params, lamp, steps, config=model)
            last = now
            columns, rows = shutil.get_terminal_size()
            picture = fit(player.draw(params, lamp, config=model), columns, rows - 1)
            text, shown = changes(picture, shown)
            about = f"lamp {seed}  step {lamp.step:,}  speed {speed:.2g}  {_KEYS}"
            foot = f"\x1b[0m\x1b[{rows};1H{about[: columns - 1]}\x1b[K"
            output.write(f"{_BEGIN}{text}{foot}{_END}")
            output.flush()
            time.sleep(max(0.0, now + 1 / fps - time.monotonic()))


def fit(frame: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """Scales a frame u8[H, W, 3] to the middle of a window of character cells.

    Returns:
      u8[2 * rows, columns, 3], black around the frame: a cell is twice as high as wide
      and shows two pixels, one above the other.
    """
    height, width = max(2 * rows, 2), max(columns, 1)
    side = min(height, width)
    small = Image.fromarray(frame).resize((side, side), Image.Resampling.LANCZOS)
    window = np.zeros((height, width, 3), np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    window[top : top + side, left : left + side] = small
    return window


def changes(picture: np.ndarray, shown: np.ndarray | None) -> tuple[str, np.ndarray]:
    """Returns what turns the picture that a terminal shows into another.

    Args:
      picture: u8[2 * rows, columns, 3].
      shown: what is shown already; None, or of another size, for a screen that is to
        be cleared first.

    Returns:
      The characters and control sequences, and what the terminal shows then: cells
      whose colours hardly change are left, which saves most of what is sent.
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
    """Yields a function that returns the key that was pressed, "" for none."""
    if not sys.stdin.isatty() or sys.platform == "win32":
        yield lambda: ""
        return
    import termios  # of Unix alone
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
