import fcntl
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import numpy as np
import pyte
import pytest
import tiny

from duralava import themes
from duralava.live import colours, kitty, player, terminal

TOOL = pathlib.Path(__file__).parents[2] / "tools/live.py"
# A process gets Ctrl-C and changes of the size only from its controlling terminal.
WITH_CONTROLLING_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def seen_colours(screen):
    """Returns what a terminal shows, u8[2 * rows, columns, 3]."""
    shown = np.zeros((2 * screen.lines, screen.columns, 3), np.uint8)
    for row in range(screen.lines):
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            if cell.data == "▀":
                shown[2 * row, column] = list(bytes.fromhex(cell.fg))
                shown[2 * row + 1, column] = list(bytes.fromhex(cell.bg))
    return shown


def show(text, screen):
    pyte.Stream(screen).feed(text)
    return seen_colours(screen)


def noise(seed, rows=5, columns=9):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (2 * rows, columns, 3), np.uint8)


def test_a_terminal_shows_the_picture():
    screen = pyte.Screen(9, 5)
    text, shown = terminal.encode_changes(noise(0), None)
    np.testing.assert_array_equal(show(text, screen), noise(0))
    np.testing.assert_array_equal(shown, noise(0))


def test_a_terminal_of_256_colours_gets_no_others():
    screen = pyte.Screen(9, 5)
    text, shown = terminal.encode_changes(noise(0), None, colours.PALETTE)
    assert "8;2;" not in text
    np.testing.assert_array_equal(shown, colours.PALETTE.reduce(noise(0)))
    np.testing.assert_array_equal(show(text, screen), shown)
    again, shown = terminal.encode_changes(noise(1), shown, colours.PALETTE)
    np.testing.assert_array_equal(show(again, screen), shown)


def test_one_picture_changes_to_another():
    screen = pyte.Screen(9, 5)
    first, shown = terminal.encode_changes(noise(0), None)
    second, shown = terminal.encode_changes(noise(1), shown)
    show(first, screen)
    np.testing.assert_array_equal(show(second, screen), noise(1))


def test_only_changes_are_sent():
    first, second = noise(0), noise(0)
    second[4:6, 3:5] = 255 - second[4:6, 3:5]
    whole, shown = terminal.encode_changes(first, None)
    text, shown = terminal.encode_changes(second, shown)
    assert text.count("▀") == 2
    assert len(text) < len(whole) / 10
    screen = pyte.Screen(9, 5)
    show(whole, screen)
    np.testing.assert_array_equal(show(text, screen), second)
    assert terminal.encode_changes(second, shown)[0] == ""


def test_slow_changes_are_sent_once_they_add_up():
    screen = pyte.Screen(9, 5)
    shown = None
    for level in range(100, 160):
        picture = np.full((10, 9, 3), level, np.uint8)
        text, shown = terminal.encode_changes(picture, shown)
        seen = show(text, screen)
        np.testing.assert_array_equal(seen, shown)
        assert np.abs(seen.astype(int) - level).max() <= 3


def test_after_a_resize_all_is_sent():
    screen = pyte.Screen(9, 5)
    text, shown = terminal.encode_changes(noise(0), None)
    show(text, screen)
    screen.resize(4, 7)
    text, _ = terminal.encode_changes(noise(1, rows=4, columns=7), shown)
    np.testing.assert_array_equal(show(text, screen), noise(1, rows=4, columns=7))


@pytest.mark.parametrize(
    ("columns", "rows", "side"), [(80, 24, 48), (20, 24, 20), (1, 1, 1), (5, 0, 2)]
)
def test_a_frame_fits_the_window(columns, rows, side):
    window = terminal.fit(np.full((64, 64, 3), 200, np.uint8), columns, rows)
    assert window.shape == (max(2 * rows, 2), columns, 3)
    lit = (window > 0).any(axis=-1)
    assert lit.sum() == side * side
    # Centred, to one pixel.
    for axis in (0, 1):
        lines = np.flatnonzero(lit.any(axis=1 - axis))
        assert abs(lines[0] - (lit.shape[axis] - 1 - lines[-1])) <= 1


def test_half_blocks_draw_as_many_pixels_as_the_window_has():
    screen = terminal.HalfBlocks(colours.TRUE_COLOUR)
    window = terminal.Window(columns=40, rows=13)
    assert screen.side(window) == 24
    frame = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    emulated = pyte.Screen(40, 13)
    seen = show(screen.draw(frame, window), emulated)
    np.testing.assert_array_equal(seen[:24, 8:32], frame)
    assert screen.draw(frame, window) == ""


@pytest.mark.parametrize(
    ("columns", "rows", "side"), [(80, 25, 384), (20, 25, 160), (300, 80, 480)]
)
def test_pictures_fill_the_window_but_are_not_too_large_to_send(columns, rows, side):
    window = terminal.Window(columns, rows, width=8, height=16)
    assert terminal.Pictures().side(window) == side


def test_a_picture_replaces_the_one_before():
    screen = terminal.Pictures()
    window = terminal.Window(columns=80, rows=25, width=8, height=16)
    frame = np.zeros((64, 64, 3), np.uint8)
    first = screen.draw(frame, window)
    assert kitty.DELETE_ALL in first
    assert "\x1b[1;17H" in first  # 48 columns and 24 rows, centred
    assert "i=1,f=24" in first and "c=48,r=24" in first
    assert screen.draw(frame, window) == ""
    second = screen.draw(frame + 1, window)
    assert kitty.DELETE_ALL not in second
    assert second.index("i=2,f=24") < second.index(kitty.delete(1))
    third = screen.draw(frame + 1, window._replace(columns=90))
    assert kitty.DELETE_ALL in third and "i=1,f=24" in third


@pytest.fixture(scope="module")
def view():
    lamp = tiny.lamp()
    return lamp, terminal.View(player.begin(lamp, lamp.start(4)), seed=4)


def test_a_paused_lamp_says_so(view):
    lamp, view = view
    window = terminal.Window(columns=100, rows=20)
    assert terminal.about(view, window) == (
        "lamp 4  step 0  speed 1  classic  "
        "space pause, n new lamp, t theme, + - speed, q quit"
    )
    paused = terminal.press(lamp, view, " ")
    assert not paused.playing
    assert terminal.about(paused, window) == (
        "lamp 4  step 0  paused  classic  "
        "space play, n new lamp, t theme, + - speed, q quit"
    )
    assert terminal.press(lamp, paused, " ") == view
    assert terminal.about(view, window._replace(columns=12)) == "lamp 4  ste"


def test_a_key_takes_one_theme_after_the_other(view):
    lamp, view = view
    seen = [view.theme]
    while (view := terminal.press(lamp, view, "t")).theme != seen[0]:
        seen.append(view.theme)
    assert seen == list(themes.THEMES)


def test_keys_change_the_speed_within_bounds(view):
    lamp, view = view
    for key, speed in (("+", 10.0), ("-", 0.1)):
        for _ in range(30):
            view = terminal.press(lamp, view, key)
        assert view.speed == speed


class Session:
    """The tool in a real terminal of the operating system, a pseudo-terminal."""

    def __init__(self, *flags, columns=60, rows=20, colorterm="truecolor"):
        self.master, slave = pty.openpty()
        self.size(columns, rows)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.screen = pyte.Screen(columns, rows)
        self.output = b""
        self.stream = pyte.ByteStream(self.screen)
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                WITH_CONTROLLING_TERMINAL,
                TOOL,
                "--terminal",
                # The emulated terminal is too slow for more.
                "--fps=5",
                *flags,
            ],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=os.environ
            | {"TERM": "xterm-256color", "COLORTERM": colorterm}
            | {"JAX_PLATFORMS": "cpu"},
            start_new_session=True,
        )

    def size(self, columns, rows):
        fcntl.ioctl(
            self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0)
        )

    def read(self, until, *, seconds=180):
        """Reads the output until `until(self)` holds."""
        end = time.monotonic() + seconds
        while not until(self):
            assert time.monotonic() < end, self.output[-2000:]
            ready, _, _ = select.select([self.master], [], [], 1)
            if ready:
                try:
                    part = os.read(self.master, 1 << 16)
                except OSError:  # all its processes have ended
                    return
                self.output += part
                self.stream.feed(part)

    def press(self, key):
        os.write(self.master, key)

    def close(self):
        self.process.wait(timeout=30)
        os.close(self.slave)
        os.close(self.master)

    @property
    def foot(self):
        return self.screen.display[-1]

    @property
    def step(self):
        words = self.foot.replace(",", "").split()
        # The line may be incomplete.
        whole = words[:1] == ["lamp"] and len(words) > 4 and words[3].isdigit()
        return int(words[3]) if whole else -1


def is_bright(session):
    return seen_colours(session.screen).max() > 150


def test_a_lamp_reacts_to_keys_and_restores_the_terminal():
    session = Session("--seed=4")
    session.read(lambda s: is_bright(s) and s.step >= 1)
    first = seen_colours(session.screen)
    assert session.foot.startswith("lamp 4  step")
    assert session.screen.cursor.hidden
    step = session.step
    session.read(lambda s: s.step >= step + 3)
    assert np.abs(seen_colours(session.screen).astype(int) - first).max() > 20
    session.press(b"n")
    session.read(lambda s: s.foot.startswith("lamp 5"))
    session.press(b"+")
    session.read(lambda s: "speed 1.2" in s.foot)
    # The lamp adapts to another size of the window.
    session.size(30, 12)
    session.screen.resize(12, 30)
    session.read(lambda s: s.foot.startswith("lamp 5") and is_bright(s))
    session.press(b"\x03")  # Ctrl-C, which the terminal turns into a signal
    session.read(lambda s: s.process.poll() is not None and b"1049l" in s.output)
    assert session.process.returncode == 130
    assert session.output.rstrip().endswith(b"interrupted")
    assert b"\x1b[?25h" in session.output
    assert termios.tcgetattr(session.slave) == session.before
    session.close()


def test_q_ends_a_paused_lamp_of_256_colours():
    session = Session("--theme=ocean", colorterm="")
    session.read(is_bright)
    assert b"8;5;" in session.output and b"8;2;" not in session.output
    session.read(lambda s: "ocean" in s.foot)
    seen = seen_colours(session.screen).astype(int).sum(axis=(0, 1))
    assert seen[2] > seen[0]  # blue
    session.press(b" ")
    session.read(lambda s: "paused" in s.foot)
    session.press(b"q")
    session.read(lambda s: s.process.poll() is not None)
    assert session.process.returncode == 0
    assert termios.tcgetattr(session.slave) == session.before
    session.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_restore_the_terminal(number):
    session = Session()
    session.read(lambda s: b"lamp 0" in s.output)
    session.process.send_signal(number)
    session.read(lambda s: s.process.poll() is not None and b"1049l" in s.output)
    assert session.process.returncode == 128 + number
    assert session.output.endswith(b"\x1b[?25h\x1b[?1049l")
    assert termios.tcgetattr(session.slave) == session.before
    session.close()


def test_without_a_terminal_it_fails_with_one_line():
    done = subprocess.run(
        [sys.executable, TOOL, "--terminal"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "standard output is not one" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_terminal_without_colours_is_refused(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    master, slave = pty.openpty()
    with (
        os.fdopen(master),
        os.fdopen(slave, "w") as output,
        pytest.raises(OSError, match="has none"),
    ):
        terminal.check_terminal(output)
