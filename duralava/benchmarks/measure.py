"""Measures the time and memory that programs take.

Each contender runs in its own process, and the contenders take turns, so that other
load on the machine affects all of them equally.
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
    """The measurements of one contender.

    Attributes:
      suite: name of its suite.
      name: name of the contender.
      seconds: duration of each run.
      units: number of units that one run produces.
      unit: name of the unit: frame, clip, ...
      flops: floating-point operations of one run, counted by XLA; 0 if not counted.
      peak_bytes: peak memory of its process; 0 if not measured.
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
        """Median duration of a run in seconds."""
        return statistics.median(self.seconds)

    @property
    def rate(self) -> float:
        """Units per second of the median run."""
        return self.units / self.median

    @property
    def gigaflops(self) -> float:
        """GFLOP/s of the median run."""
        return self.flops / self.median / 1e9


def peak_memory(usage: resource.struct_rusage) -> int:
    """Returns the peak memory of a process in bytes."""
    # Linux reports kilobytes, macOS bytes.
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Worker:
    """A process of `duralava.benchmarks.worker` that has run its task once.

    Attributes:
      first_seconds: time from the start of the process to the end of the first run.
      units: number of units that one run produces.
    """

    def __init__(self, task: Mapping[str, Any], cache_dir: str | None = None) -> None:
        """Starts the process.

        Args:
          task: name of a function of `tasks.py` under the key `task`, and the
            arguments of that function under their names.
          cache_dir: cache folder for compiled programs; the user's own if None.
        """
        # Silences TensorFlow's log messages.
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
        """Runs the task once more and returns the duration in seconds."""
        print(file=self._process.stdin, flush=True)
        return self._read()["seconds"]

    def close(self) -> tuple[int, float]:
        """Ends the process; returns its peak memory in bytes and the flops of a run."""
        self._process.stdin.close()
        last = self._read()
        self._process.wait()
        return last["peak_bytes"], last["flops"]

    def kill(self) -> None:
        """Kills the process and discards its output."""
        self._process.kill()
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise ChildProcessError(
                f"the benchmark of {self._name} ended with code {self._process.wait()}"
            )
        return json.loads(line)


def time_tasks(
    suite: str, tasks: Mapping[str, Mapping[str, Any]], *, unit: str, repeats: int
) -> list[Result]:
    """Times tasks in turn, after one run of each as a warm-up.

    Args:
      suite: name of their suite.
      tasks: task of each contender, by the contender's name, as `Worker` takes it.
      unit: name of the unit that they produce.
      repeats: number of timed runs of each task.

    Returns:
      One result per contender.

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
    """Times each task from the start of its process to the end of its first run.

    Each task starts twice: first with an empty cache of compiled programs, as on a new
    machine; then with the cache that the first start has filled. The second result has
    `NEXT_START` appended to its name.
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
    """Runs a server until the context exits.

    Args:
      command: command line of a server that prints its address when it is ready.

    Yields:
      The address.

    Raises:
      ChildProcessError: the server did not start; the message holds its error output.
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
    """Measures the time and the peak memory of a whole program.

    With `warm_up` the program runs once before the timed runs, so that its files are in
    the page cache and its compiled programs in the compilation cache.

    Raises:
      ChildProcessError: the program failed; the message holds its error output.
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
