"""Log messages of a server that anyone can send requests to.

Clients cause most of them, as many as they like and with any text. Each message is one
line, and there are only a few of each kind in a minute.
"""

import contextlib
import logging
import pathlib
import time
import traceback
from collections.abc import Callable, Iterator

# All that can write about a connection.
_LOGGERS = (
    *("duralava.live", "asyncio", "aiohttp.server", "aiohttp.web"),
    *("aiohttp.websocket", "aiohttp.internal"),
)
_LONGEST = 300  # characters
_KIND = 30  # characters that messages of one kind share; asyncio adds names of objects


class Brief(logging.Filter):
    """Shortens log messages to a line, and drops them if there are too many."""

    def __init__(
        self,
        *,
        count: int = 5,
        seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Lets `count` messages of a kind pass in `seconds`."""
        super().__init__()
        self._count, self._seconds, self._clock = count, seconds, clock
        self._since = clock()
        self._seen: dict[str, int] = {}
        self._dropped: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether to write the record, which then is one line."""
        if self._clock() - self._since >= self._seconds:
            self._dropped = {
                kind: seen - self._count
                for kind, seen in self._seen.items()
                if seen > self._count
            }
            self._seen, self._since = {}, self._clock()
        kind = f"{record.name} {str(record.msg)[:_KIND]}"
        self._seen[kind] = self._seen.get(kind, 0) + 1
        if self._seen[kind] > self._count:
            return False
        text = _one_line(record)
        dropped = self._dropped.pop(kind, 0)
        if dropped:
            text += f" (and {dropped:,} more like this before)"
        record.msg, record.args = text, ()
        # The text says what was raised, and where.
        record.exc_info = record.exc_text = record.stack_info = None
        return True


@contextlib.contextmanager
def kept_brief() -> Iterator[None]:
    """Shortens the log messages of servers while it is entered."""
    brief = Brief()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(brief)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(brief)


def _one_line(record: logging.LogRecord) -> str:
    text = record.getMessage().partition("\n")[0]
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if error is not None:
        text += f": {type(error).__name__}: {error}"
        frames = traceback.extract_tb(error.__traceback__)
        if frames:
            text += f" ({pathlib.Path(frames[-1].filename).name}:{frames[-1].lineno})"
    # Neither a new line nor what a terminal would obey.
    line = "".join(c if c.isprintable() else " " for c in text)
    line = line.encode("ascii", "backslashreplace").decode()
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
