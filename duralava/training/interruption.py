"""Stopping at a signal, without losing the step in hand."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Yields an event that Ctrl-C, SIGTERM or SIGHUP sets.

    A second Ctrl-C interrupts. SIGHUP stays ignored where it is, as `nohup` sets it.
    """
    stopped = threading.Event()
    before: dict[int, Any] = {}

    def stop(number: int, _: Any) -> None:
        stopped.set()
        if number == signal.SIGINT:
            signal.signal(number, before[number])

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
