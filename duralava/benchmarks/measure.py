"""How long programs take, and how much memory.

Contenders stand in processes of their own and take turns, so that what the machine does
besides falls on all of them alike.
"""

import collections
import contextlib
import dataclasses
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NEXT_START = ", next start"


@dataclasses.dataclass(frozen=True)
class Result:
    """What was measured of one contender.

    Attributes:
      suite: to which it belongs.
      name: of the contender.
      seconds: of each run.
      units: what a run makes.
      unit: frames, clips, ...
      flops: floating-point operations of a run, as XLA counts them; 0 if not counted.
      peak_bytes: largest memory of its process; 0 if not measured.
    """

    suite: str
    name: str
    seconds: tuple[float, ...]
    units: int = 1
    unit: str = "run"
    flops: float = 0.0
    peak_bytes: int = 0

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)

    @property
    def rate(self) -> float:
        """Units a second, of the median run."""
        return self.units / self.median

    @property
    def gigaflops(self) -> float:
        """Thousand million operations a second, of the median run."""
        return self.flops / self.median / 1e9


def peak_memory(usage: resource.struct_rusage) -> int:
    """Returns the largest memory of a process in bytes."""
    # Kilobytes, but on macOS bytes.
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Worker:
    """A process of `duralava.benchmarks.worker` that has run its task once.

    Attributes:
      first_seconds: from the start of the process to the end of the first run.
      units: what a run makes.
    """

    def __init__(self, task: Mapping[str, Any], cache_dir: str | None = None) -> None:
        """Starts the process.

        Args:
          task: name of a function of `tasks.py` under `task`, and its arguments.
          cache_dir: where compiled programs are kept; the user's folder if None.
        """
        # What TensorFlow tells of itself is no result.
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        if cache_dir:
            environment.pop("JAX_COMPILATION_CACHE_DIR", None)
            environment["XDG_CACHE_HOME"] = cache_dir
        start = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "duralava.benchmarks.worker", json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self._name = task["task"]
        first = self._read()
        self.first_seconds = time.perf_counter() - start
        self.units = first["units"]

    def run(self) -> float:
        """Runs the task once more and returns its seconds."""
        print(file=self._process.stdin, flush=True)
        return self._read()["seconds"]

    def close(self) -> tuple[int, float]:
        """Ends the process; returns its largest memory in bytes, and flops of a run."""
        self._process.stdin.close()
        last = self._read()
        self._process.wait()
        return last["peak_bytes"], last["flops"]

    def kill(self) -> None:
        """Ends the process, of which nothing more is wanted."""
        self._process.kill()
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise ChildProcessError(
                f"the benchmark of {self._name} ended with code {self._process.wait()}"
            )
        return json.loads(line)


def compare(
    suite: str, tasks: Mapping[str, Mapping[str, Any]], *, unit: str, repeats: int
) -> list[Result]:
    """Runs tasks in turn, each once to warm up and `repeats` times to be timed.

    Args:
      suite: to which they belong.
      tasks: name of a function of `tasks.py` under `task`, and its arguments, by the
        name of the contender.
      unit: what they make.
      repeats: number of timed runs of each.

    Returns:
      One result a contender.

    Raises:
      ChildProcessError: a process died.
    """
    workers = {name: Worker(task) for name, task in tasks.items()}
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(repeats):
        for name, worker in workers.items():
            seconds[name].append(worker.run())
    results = []
    for name, worker in workers.items():
        peak_bytes, flops = worker.close()
        times = tuple(seconds[name])
        results.append(
            Result(suite, name, times, worker.units, unit, flops, peak_bytes)
        )
    return results


def first_runs(
    suite: str, tasks: Mapping[str, Mapping[str, Any]], *, repeats: int
) -> list[Result]:
    """Times processes of tasks from their start to the end of their first run.

    Each starts twice: as on a new machine, and then, under its name with `NEXT_START`,
    where the first has left its compiled programs.
    """
    seconds: dict[str, list[float]] = collections.defaultdict(list)
    for _ in range(repeats):
        for name, task in tasks.items():
            with tempfile.TemporaryDirectory() as cache_dir:
                for start in (name, name + NEXT_START):
                    worker = Worker(task, cache_dir)
                    seconds[start].append(worker.first_seconds)
                    worker.kill()
    return [Result(suite, name, tuple(times)) for name, times in seconds.items()]


@contextlib.contextmanager
def serving(command: Sequence[str]) -> Iterator[str]:
    """Runs a server for a while.

    Args:
      command: of a program that prints a line with its address once it serves.

    Yields:
      The address.

    Raises:
      ChildProcessError: it does not serve; the message is what it said.
    """
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        found = re.search(r"https?://\S+", process.stdout.readline())
        if not found:
            raise ChildProcessError(
                f"{' '.join(command)} failed: {process.stderr.read().strip()}"
            )
        yield found[0]
    finally:
        process.terminate()
        process.communicate()


def run_program(
    suite: str,
    name: str,
    command: Sequence[str],
    *,
    units: int = 1,
    unit: str = "run",
    repeats: int,
    warm_up: bool,
) -> Result:
    """Times a whole program, and takes its largest memory.

    With `warm_up` it runs once before, so that its files are in the page cache and what
    it compiles is compiled.

    Raises:
      ChildProcessError: it failed; the message is what it said.
    """
    seconds, peaks = [], []
    for _ in range(repeats + warm_up):
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - start)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise ChildProcessError(f"{' '.join(command)} failed: {errors.strip()}")
        peaks.append(peak_memory(usage))
    times, peak_bytes = tuple(seconds[warm_up:]), max(peaks[warm_up:])
    return Result(suite, name, times, units, unit, 0.0, peak_bytes)
