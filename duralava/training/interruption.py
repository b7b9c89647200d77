"""Stopping at a signal, without losing the step in hand."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Yields an event that SIGTERM or Ctrl-C sets; a second Ctrl-C interrupts."""
    stopped = threading.Event()
    before: dict[int, Any] = {}

    def stop(number: int, _: Any) -> None:
        stopped.set()
        signal.signal(number, before[number])

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
