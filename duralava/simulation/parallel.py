"""Film of several lamps, simulated in parallel processes."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection as mp_connection
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import jax

Chunk = Any  # one array, or several in a dictionary; each has the frames along axis 0
_FilmChunks = Callable[[int], Iterator[Chunk]]  # of a seed


def simulate_lamps(
    film: _FilmChunks,
    lamps: Sequence[tuple[int, int]],
    *,
    num_workers: int | None = None,
) -> Iterator[tuple[int, Chunk]]:
    """Films lamps in separate processes, on the CPU.

    A lamp keeps about one core busy. Each process therefore has one core, and films one
    lamp after another. The films do not depend on the number of processes. All
    processes end with the iterator. If the calling process is killed, they end as soon
    as they have filmed their current chunk. Python spawns them, so a script must call
    this function under `if __name__ == "__main__"`.

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
    cores = _cores()
    num_workers = min(num_workers or len(cores), len(lamps))
    cores = [cores[worker % len(cores)] for worker in range(num_workers)]
    with _workers(film, cores) as workers:
        left = [num_frames for _, num_frames in lamps]
        waiting = iter(range(len(lamps)))
        current: dict[Connection, int] = {}

        def assign_next(worker: Connection) -> None:
            current.pop(worker, None)
            lamp = next(waiting, None)
            if lamp is not None:
                current[worker] = lamp
                with _expected_alive(workers[worker]):
                    worker.send(lamps[lamp])

        for worker in workers:
            assign_next(worker)
        while current:
            for worker in mp_connection.wait(list(workers)):
                chunk, lamp = _receive(worker, workers[worker]), current[worker]
                left[lamp] -= _num_frames(chunk)
                if not left[lamp]:
                    assign_next(worker)
                yield lamp, chunk


def _num_frames(chunk: Chunk) -> int:
    return len(jax.tree.leaves(chunk)[0])


def _cores() -> list[int]:
    """Returns the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextlib.contextmanager
def _workers(
    film: _FilmChunks, cores: Sequence[int]
) -> Iterator[dict[Connection, BaseProcess]]:
    """Yields a process for each of `cores`, keyed by the connection to it."""
    context = multiprocessing.get_context("spawn")  # JAX has threads: no fork
    workers: dict[Connection, BaseProcess] = {}
    try:
        for core in cores:
            ours, theirs = context.Pipe()
            arguments = (theirs, film, core, jax.config.jax_compilation_cache_dir)
            process = context.Process(target=_work, args=arguments, daemon=True)
            with _interrupts_blocked():
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
def _interrupts_blocked() -> Iterator[None]:
    """Blocks Ctrl-C; processes that are started meanwhile ignore it.

    A terminal sends it to all processes, and each would print a traceback.
    """
    resource_tracker.ensure_running()  # starting it later would unblock Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _receive(worker: Connection, process: BaseProcess) -> Chunk:
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
            f"a process that films lamps ended with code {process.exitcode}"
        ) from None


def _work(
    caller: Connection, film: _FilmChunks, core: int, cache_dir: str | None
) -> None:
    """Films the lamps that the caller sends, until the caller is gone."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})  # XLA starts as many threads as it has cores
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_compilation_cache_dir", cache_dir)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            seed, num_frames = caller.recv()
            for message in _messages(film, seed, num_frames):
                caller.send(message)


def _messages(
    film: _FilmChunks, seed: int, num_frames: int
) -> Iterator[Chunk | Exception]:
    """Yields chunks with `num_frames` frames in total, or the error that ended them."""
    try:
        for chunk in film(seed):
            yield jax.tree.map(lambda frames, end=num_frames: frames[:end], chunk)
            num_frames -= _num_frames(chunk)
            if num_frames <= 0:
                return
    except (ValueError, OSError, FloatingPointError) as error:
        yield error
