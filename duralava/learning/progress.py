"""One progress bar for all stages of `learn`, whose length is time."""

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import tqdm

_REFRESH_SECONDS = 1.0
_MOST_BY_TIME = 0.98  # of a stage that does not say how far it is


class StageBar:
    """A bar over stages, with the time that is left for all of them.

    A stage that reports its share is as far as it says. Any other is as far as the
    time that was expected for it. The bar moves every second, also while a program is
    compiled.
    """

    def __init__(self, stages: Mapping[str, float]) -> None:
        """Shows stages by name, with the seconds that are expected for each."""
        self._expected = dict(stages)
        self._names = list(stages)
        self._stage = 0
        self._share = self._first_share = 0.0
        self._started = self._first_report = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._bar = tqdm.tqdm(
            total=1.0,
            bar_format="{desc}: {percentage:3.0f}%|{bar}|{postfix}",
            dynamic_ncols=True,
        )
        self._thread = threading.Thread(target=self._refresh, daemon=True)

    def __enter__(self) -> Self:
        """Starts with the first stage."""
        self._show()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the bar, at 100 % unless there was an error."""
        self._ended.set()
        self._thread.join()
        if error is None:
            self._bar.set_description_str("done")
            self._bar.set_postfix_str("", refresh=False)
            self._bar.update(1.0 - self._bar.n)
        self._bar.close()

    def begin(self, name: str) -> None:
        """Goes on to a stage."""
        with self._lock:
            self._stage = self._names.index(name)
            self._share = self._first_share = 0.0
            self._started = time.monotonic()
        self._show()

    def report(self, share: float) -> None:
        """Takes how far the current stage is, 0 to 1."""
        with self._lock:
            if not self._share:  # the first report, after a start or a resumption
                self._first_share, self._first_report = share, time.monotonic()
            self._share = min(1.0, max(self._share, share))

    def seconds_left(self) -> float:
        """Returns the seconds that all stages together will still take."""
        name = self._names[self._stage]
        now = time.monotonic()
        if self._share > self._first_share:
            pace = (now - self._first_report) / (self._share - self._first_share)
            left = pace * (1 - self._share)
        else:
            left = max(0.0, self._expected[name] - (now - self._started))
        return left + sum(self._expected[n] for n in self._names[self._stage + 1 :])

    def share_done(self) -> float:
        """Returns how far all stages together are, 0 to 1."""
        name = self._names[self._stage]
        by_time = (time.monotonic() - self._started) / max(self._expected[name], 1e-6)
        share = self._share or min(by_time, _MOST_BY_TIME)
        done = sum(self._expected[n] for n in self._names[: self._stage])
        total = sum(self._expected.values())
        return (done + share * self._expected[name]) / total

    def _refresh(self) -> None:
        while not self._ended.wait(_REFRESH_SECONDS):
            self._show()

    def _show(self) -> None:
        with self._lock:
            done, left = self.share_done(), self.seconds_left()
            self._bar.set_description_str(self._names[self._stage], refresh=False)
            self._bar.set_postfix_str(f"about {duration(left)} left", refresh=False)
            self._bar.update(max(0.0, done - self._bar.n))
            self._bar.refresh()


def duration(seconds: float) -> str:
    """Returns a time in the largest suitable unit: `40 s`, `12 min`, `1.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
