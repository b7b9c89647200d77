"""A lamp in the terminal: in half blocks, or as a picture where it can show one."""

import contextlib
import os
import re
import select
import shutil
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, TextIO

import numpy as np
from PIL import Image

from duralava import themes
from duralava.lamp import Lamp
from duralava.live import colours, kitty, player, steering

_ENTER = "\x1b[?1049h\x1b[?25l"  # alternate screen, no cursor
_LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"
_CLEAR = "\x1b[0m\x1b[2J"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"  # of an update that is shown as a whole
_UPPER_HALF = "\N{UPPER HALF BLOCK}"
_TOLERANCE = 3  # grey levels; a smaller change of a colour is not sent
_SPEED_STEP = 1.25
_MAX_CATCH_UP = 1.0  # seconds that a lamp makes up for when a frame is late
_MAX_PICTURE = 480  # pixels; more would take long to send
_ANSWER_TIME = 1.0  # seconds that a terminal has to answer; nearly all do at once
_ENDING = [
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Window(NamedTuple):
    """The size of a terminal.

    Attributes:
      columns: number of characters in a row.
      rows: number of rows.
      width: of a character in pixels; 0 if the terminal does not say it.
      height: of a character in pixels; 0 if the terminal does not say it.
    """

    columns: int
    rows: int
    width: int = 0
    height: int = 0


class View(NamedTuple):
    """What the terminal shows, and what its keys change.

    Attributes:
      state: of the lamp.
      seed: of the lamp.
      speed: seconds of the lamp per second.
      playing: whether the lamp runs.
      theme: its colours, a key of `themes.THEMES`.
    """

    state: player.Player
    seed: int
    speed: float = 1.0
    playing: bool = True
    theme: str = themes.DEFAULT


class Screen(Protocol):
    """A way to draw frames in a terminal, all rows but the last."""

    def side(self, window: Window) -> int:
        """Returns the height and width in pixels in which a frame looks best."""

    def draw(self, frame: np.ndarray, window: Window) -> str:
        """Returns the characters that show a frame u8[H, W, 3], after the one before.

        Nothing is sent for what is the same as before.
        """


def check_terminal(output: TextIO) -> None:
    """Raises an OSError if `output` is not a terminal that can show a lamp."""
    if not output.isatty():
        raise OSError("--terminal needs a terminal, and standard output is not one")
    if os.environ.get("TERM", "dumb") == "dumb":
        raise OSError(
            "--terminal needs a terminal with colours, and this one (TERM) has none"
        )


def run(lamp: Lamp, *, seed: int, theme: str, fps: float, output: TextIO) -> None:
    """Shows a lamp in real time until `q` is pressed.

    At the end, also after Ctrl-C, SIGTERM and SIGHUP, the terminal is as it was before.

    Args:
      lamp: to show.
      seed: of the lamp; the key `n` starts the next one.
      theme: its colours, a key of `themes.THEMES`; the key `t` takes the next one.
      fps: frames per second, fewer if the terminal is slower.
      output: a terminal.
    """
    view = View(player.begin(lamp, lamp.start(seed)), seed, theme=theme)
    with _ending_signals(), _keyboard() as read:
        screen = _screen(_ask(kitty.QUERY, read, output), _window(output))
        size = wanted = screen.side(_window(output))
        frame = _render(lamp, view, size)
        drawn, drawn_size = view, size
        with _own_screen(output):  # only now, as programs compile before
            last = time.monotonic()
            while "q" not in (keys := _keys(read())):
                for key in keys:
                    view = press(lamp, view, key)
                now = time.monotonic()
                if view.playing:
                    seconds = min(now - last, _MAX_CATCH_UP)
                    num_steps = seconds * view.speed * lamp.steps_per_second
                    state = player.advance(lamp, view.state, num_steps)
                    view = view._replace(state=state)
                last = now
                window = _window(output)
                # A program compiles for each size, so not for those in between while
                # the window changes.
                size = wanted if wanted == screen.side(window) else size
                wanted = screen.side(window)
                if not _looks_as(view, drawn) or size != drawn_size:
                    frame = _render(lamp, view, size)
                    drawn, drawn_size = view, size
                text = screen.draw(frame, window)
                foot = f"\x1b[0m\x1b[{window.rows};1H{about(view, window)}\x1b[K"
                output.write(f"{_BEGIN}{text}{foot}{_END}")
                output.flush()
                time.sleep(max(0.0, now + 1 / fps - time.monotonic()))


def press(lamp: Lamp, view: View, key: str) -> View:
    """Returns the view after a key was pressed."""
    match key:
        case " ":
            return view._replace(playing=not view.playing)
        case "n":
            seed = view.seed + 1
            return view._replace(state=player.begin(lamp, lamp.start(seed)), seed=seed)
        case "+" | "=":
            speed = min(view.speed * _SPEED_STEP, steering.MAX_SPEED)
            return view._replace(speed=speed)
        case "-":
            speed = max(view.speed / _SPEED_STEP, steering.MIN_SPEED)
            return view._replace(speed=speed)
        case "t":
            names = list(themes.THEMES)
            following = (names.index(view.theme) + 1) % len(names)
            return view._replace(theme=names[following])
    return view


def about(view: View, window: Window) -> str:
    """Returns the last row of the window: the state of the lamp, and the keys."""
    pace = f"speed {view.speed:.2g}" if view.playing else "paused"
    space = "pause" if view.playing else "play"
    keys = f"space {space}, n new lamp, t theme, + - speed, q quit"
    step = f"{view.state.step:,}"
    line = f"lamp {view.seed}  step {step}  {pace}  {view.theme}  {keys}"
    return line[: window.columns - 1]


class HalfBlocks:
    """Draws two pixels in each character, one above the other."""

    def __init__(self, palette: colours.Colours) -> None:
        """Draws in the colours of a palette."""
        self._palette = palette
        self._shown: np.ndarray | None = None

    def side(self, window: Window) -> int:
        """Returns the number of pixels across, as of `Screen`."""
        return _fitting_side(window.columns, window.rows - 1)

    def draw(self, frame: np.ndarray, window: Window) -> str:
        """Returns the changes of the picture, as of `Screen`."""
        picture = fit(frame, window.columns, window.rows - 1)
        text, self._shown = encode_changes(picture, self._shown, self._palette)
        return text


class Pictures:
    """Draws pictures of real pixels, by kitty's graphics protocol."""

    def __init__(self) -> None:
        """Has drawn nothing yet."""
        self._shown: tuple[np.ndarray, Window] | None = None
        self._image = 2

    def side(self, window: Window) -> int:
        """Returns the number of pixels across, as of `Screen`."""
        return min(_picture_cells(window)[1] * window.height, _MAX_PICTURE)

    def draw(self, frame: np.ndarray, window: Window) -> str:
        """Returns the commands that show a frame, as of `Screen`.

        The frame before is removed after that, so that nothing flickers.
        """
        if self._shown and self._shown[0] is frame and self._shown[1] == window:
            return ""
        same_window = self._shown is not None and self._shown[1] == window
        self._shown = frame, window
        before, self._image = self._image, 3 - self._image
        columns, rows = _picture_cells(window)
        left, top = (window.columns - columns) // 2, (window.rows - 1 - rows) // 2
        return "".join(
            [
                "" if same_window else kitty.DELETE_ALL + _CLEAR,
                f"\x1b[{top + 1};{left + 1}H",
                kitty.show(frame, self._image, columns=columns, rows=rows),
                kitty.delete(before),
            ]
        )


def fit(frame: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """Scales a frame u8[H, W, 3] to a window of character cells, and centres it.

    Returns:
      u8[2 * rows, columns, 3], black around the frame. A cell is twice as high as wide,
      and shows two pixels, one above the other.
    """
    height, width = max(2 * rows, 2), max(columns, 1)
    side = _fitting_side(columns, rows)
    small = Image.fromarray(frame).resize((side, side), Image.Resampling.LANCZOS)
    window = np.zeros((height, width, 3), np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    window[top : top + side, left : left + side] = small
    return window


def encode_changes(
    picture: np.ndarray,
    shown: np.ndarray | None,
    palette: colours.Colours = colours.TRUE_COLOUR,
) -> tuple[str, np.ndarray]:
    """Encodes the changes that turn what a terminal shows into another picture.

    Args:
      picture: u8[2 * rows, columns, 3].
      shown: what the terminal shows now; if it is None or of another size, the screen
        is cleared first.
      palette: colours that the terminal can show.

    Returns:
      The characters and control sequences, and what the terminal shows after them.
      Cells whose colours hardly change are not sent, which saves most of the output.
    """
    text = []
    picture = palette.reduce(picture)
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
            text.append(f"\x1b[38;{palette.code(above)}m")
        if below != lower:
            text.append(f"\x1b[48;{palette.code(below)}m")
        text.append(_UPPER_HALF)
        upper, lower = above, below
    both = np.repeat(changed, 2, axis=0)[..., None]
    return "".join(text), np.where(both, picture, shown)


def _fitting_side(columns: int, rows: int) -> int:
    return min(max(2 * rows, 2), max(columns, 1))


def _picture_cells(window: Window) -> tuple[int, int]:
    """Returns the columns and rows of the largest square picture in a window."""
    height = min((window.rows - 1) * window.height, window.columns * window.width)
    rows = max(1, height // window.height)
    return max(1, round(rows * window.height / window.width)), rows


def _screen(reply: str, window: Window) -> Screen:
    """Returns the best way to draw in the terminal that has sent this reply."""
    if kitty.is_supported(reply) and window.width and window.height:
        return Pictures()
    return HalfBlocks(colours.colours_of(os.environ))


def _looks_as(view: View, other: View) -> bool:
    return view.state is other.state and view.theme == other.theme


def _render(lamp: Lamp, view: View, side: int) -> np.ndarray:
    """Returns a frame for a picture of `side` pixels, of that size or larger."""
    # Generators have not learned sizes below that of the training frames.
    size = max(side, lamp.config.resolution)
    return themes.recolour(player.render_frame(lamp, view.state, size=size), view.theme)


def _window(output: TextIO) -> Window:
    if sys.platform == "win32":
        return Window(*shutil.get_terminal_size())
    import fcntl  # exists on Unix only
    import termios

    # Not what COLUMNS and LINES say, which do not change with the window.
    size = fcntl.ioctl(output.fileno(), termios.TIOCGWINSZ, bytes(8))
    rows, columns, width, height = struct.unpack("HHHH", size)
    if not (rows and columns):
        return Window(*shutil.get_terminal_size())
    return Window(columns, rows, width // columns, height // rows)


def _ask(question: str, read: Callable[..., str], output: TextIO) -> str:
    """Returns what a terminal answers, "" where it does not or no keys are read."""
    # Terminals that do not know the question may print it.
    output.write(f"{question}\r\x1b[K")
    output.flush()
    end = time.monotonic() + _ANSWER_TIME
    reply = ""
    while not kitty.is_answer(reply) and (part := read(end - time.monotonic())):
        reply += part
    return reply


def _keys(typed: str) -> str:
    """Returns the keys that stand for a character, without answers that come late."""
    return re.sub("\x1b.*", "", typed, flags=re.DOTALL)


@contextlib.contextmanager
def _ending_signals() -> Iterator[None]:
    """Makes signals that end a program raise SystemExit, as Ctrl-C raises an exception.

    So all that is open is closed first. The exit code is the one that a shell reports
    of a program that the signal has ended.
    """

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _own_screen(output: TextIO) -> Iterator[None]:
    output.write(_ENTER)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # after SIGHUP the terminal may be gone
            output.write(_LEAVE)
            output.flush()


@contextlib.contextmanager
def _keyboard() -> Iterator[Callable[..., str]]:
    """Yields a function that returns what was typed, and what the terminal has sent.

    It waits for so many seconds, by default 0, until there is something.
    """
    if not sys.stdin.isatty() or sys.platform == "win32":
        yield lambda seconds=0.0: ""
        return
    import termios  # exists on Unix only
    import tty

    source = sys.stdin.fileno()
    before = termios.tcgetattr(source)

    def read(seconds: float = 0.0) -> str:
        waiting, _, _ = select.select([source], [], [], max(0.0, seconds))
        return os.read(source, 4096).decode(errors="ignore") if waiting else ""

    try:
        tty.setcbreak(source)
        yield read
    finally:
        with contextlib.suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(source, termios.TCSADRAIN, before)
