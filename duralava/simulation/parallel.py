"""Simulations of several lamps, in parallel processes."""

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import connection as mp_connection
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import jax

Chunk = Any  # one array, or several in a dictionary; each has the frames along axis 0
_FilmChunks = Callable[[int], Iterable[Chunk]]  # of a seed
_Task = Callable[[Any], Iterable[Any]]  # of a job

_SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def simulate_lamps(
    film: _FilmChunks,
    lamps: Sequence[tuple[int, int]],
    *,
    num_workers: int | None = None,
) -> Iterator[tuple[int, Chunk]]:
    """Films lamps in separate processes, on the CPU, as `run_jobs` does.

    Args:
      film: returns the chunks of film of a seed; it is pickled.
      lamps: seed and number of frames of each lamp.
      num_workers: number of processes; the number of cores if left out.

    Yields:
      The index of a lamp and its next chunk, as soon as it is filmed. The chunks of
      different lamps alternate.

    Raises:
      ValueError, OSError, FloatingPointError: raised by `film`.
      ChildProcessError: a process ended early.
    """
    task = functools.partial(_first_frames, film)
    yield from run_jobs(task, lamps, num_workers=num_workers)


def run_jobs(
    task: _Task, jobs: Sequence[Any], *, num_workers: int | None = None
) -> Iterator[tuple[int, Any]]:
    """Runs a task for each job in separate processes, on the CPU.

    A lamp keeps about one core busy. Each process therefore has one core, and runs one
    job after another, in the order of the jobs. The results do not depend on the number
    of processes. All processes end with the iterator, and with the calling process,
    even if it is killed. Python spawns them, so a script must call this function under
    `if __name__ == "__main__"`.

    Args:
      task: returns the results of a job, one after the other; it is pickled.
      jobs: arguments of the task. Those that take longest should come first.
      num_workers: number of processes; the number of cores if left out.

    Yields:
      The index of a job and its next result, as soon as it is there. The results of
      different jobs alternate.

    Raises:
      ValueError, OSError, FloatingPointError: raised by `task`.
      ChildProcessError: a process ended early.
    """
    cores = _cores()
    num_workers = min(num_workers or len(cores), len(jobs))
    cores = [cores[worker % len(cores)] for worker in range(num_workers)]
    with _workers(task, cores) as workers:
        waiting = iter(range(len(jobs)))
        current: dict[Connection, int] = {}

        def assign_next(worker: Connection) -> None:
            current.pop(worker, None)
            job = next(waiting, None)
            if job is not None:
                current[worker] = job
                with _expected_alive(workers[worker]):
                    worker.send(jobs[job])

        for worker in workers:
            assign_next(worker)
        while current:
            for worker in mp_connection.wait(list(workers)):
                results = _receive(worker, workers[worker])
                if not results:
                    assign_next(worker)
                for result in results:
                    yield current[worker], result


def _first_frames(film: _FilmChunks, lamp: tuple[int, int]) -> Iterator[Chunk]:
    """Yields the chunks of a lamp, the last one cut to its number of frames."""
    seed, left = lamp
    for chunk in film(seed):
        yield jax.tree.map(lambda frames, end=left: frames[:end], chunk)
        left -= len(jax.tree.leaves(chunk)[0])
        if left <= 0:
            return


def _cores() -> list[int]:
    """Returns the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextlib.contextmanager
def _workers(
    task: _Task, cores: Sequence[int]
) -> Iterator[dict[Connection, BaseProcess]]:
    """Yields a process for each of `cores`, keyed by the connection to it."""
    context = multiprocessing.get_context("spawn")  # JAX has threads: no fork
    workers: dict[Connection, BaseProcess] = {}
    try:
        for core in cores:
            ours, theirs = context.Pipe()
            arguments = (theirs, task, core, jax.config.jax_compilation_cache_dir)
            process = context.Process(target=_work, args=arguments, daemon=True)
            with _signals_blocked():
                process.start()
                workers[ours] = process
            theirs.close()
        yield workers
    finally:
        for ours, process in workers.items():
            process.kill()
            process.join()
            ours.close()


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Blocks Ctrl-C and the like; processes that are started meanwhile ignore them.

    A terminal, `timeout` or a service manager sends them to all processes, and each
    would print a traceback or end before the caller. The caller handles them
    afterwards: a process that is only half started would print a traceback too.
    """
    resource_tracker.ensure_running()  # starting it later would unblock the signals
    arrived: list[int] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    if threading.current_thread() is not threading.main_thread():
        handlers = {}
    for number, handler in handlers.items():
        if handler not in (None, signal.SIG_IGN):
            # Only this thread blocks the signals: others may still receive them.
            signal.signal(number, lambda number, _: arrived.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    for number in arrived:
        signal.raise_signal(number)


def _receive(worker: Connection, process: BaseProcess) -> list[Any]:
    """Returns the next result of a job; an empty list if it is finished."""
    with _expected_alive(process):
        message = worker.recv()
    if isinstance(message, Exception):
        raise message
    return message


@contextlib.contextmanager
def _expected_alive(process: BaseProcess) -> Iterator[None]:
    """Raises `ChildProcessError` if the connection to a process breaks off."""
    try:
        yield
    except (EOFError, OSError):
        process.join()
        raise ChildProcessError(
            f"a process that simulates lamps ended with code {process.exitcode}"
        ) from None


def _work(caller: Connection, task: _Task, core: int, cache_dir: str | None) -> None:
    """Runs the jobs that the caller sends, until the caller is gone."""
    threading.Thread(target=_end_with_caller, daemon=True).start()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})  # XLA starts as many threads as it has cores
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_compilation_cache_dir", cache_dir)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            for message in _messages(task, caller.recv()):
                caller.send(message)


def _end_with_caller() -> None:
    """Ends this process when the process that started it has ended."""
    multiprocessing.parent_process().join()
    os._exit(1)  # whatever the other threads compute


def _messages(task: _Task, job: Any) -> Iterator[list[Any] | Exception]:
    """Yields each result in a list, then an empty list, or the error that ended it."""
    try:
        for result in task(job):
            yield [result]
        yield []
    except (ValueError, OSError, FloatingPointError) as error:
        yield error
