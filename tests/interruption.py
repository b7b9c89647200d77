"""Interrupts a program as a person at a terminal does."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import termios


def interrupt(tool, *flags, once, number=signal.SIGINT, **options):
    """Runs a tool whose standard error is a terminal, and presses Ctrl-C.

    Args:
      tool: path of the program.
      *flags: of the program.
      once: text; Ctrl-C is pressed when it has appeared.
      number: of another signal to send.
      **options: of `subprocess.Popen`.

    Returns:
      The exit code, and the text on standard error.
    """
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))  # a bar needs columns
    with subprocess.Popen(
        [sys.executable, tool, *flags], stderr=slave, start_new_session=True, **options
    ) as process:
        os.close(slave)
        shown = b""
        # At the end of a terminal's output, Linux reports an error.
        with contextlib.suppress(OSError):
            while once.encode() not in shown:
                shown += os.read(master, 1 << 12)
            os.killpg(process.pid, number)
            while part := os.read(master, 1 << 12):
                shown += part
    os.close(master)
    return process.returncode, shown.decode().replace("\r\n", "\n")
