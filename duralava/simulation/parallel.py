"""Film of several lamps, which several processes simulate at once."""

import contextlib
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection as mp_connection
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import IO, Any

import jax
import numpy as np

_Film = Callable[[int], Iterator[np.ndarray]]


def film_lamps(
    film: _Film,
    lamps: Sequence[tuple[int, int]],
    *,
    folder: str | os.PathLike[str],
    num_workers: int | None = None,
    filmed: Callable[[int], Any] = lambda num_frames: None,
) -> Iterator[np.ndarray]:
    """Films lamps in processes of their own, on the CPU.

    A lamp keeps about one core busy, so each process has one core, and films one lamp
    after the other. What is yielded does not depend on the number of processes. None
    of them outlives the iterator, nor the calling process for longer than it takes to
    film a chunk. As with all processes that Python spawns, a script that calls this
    does so under `if __name__ == "__main__"`.

    Args:
      film: gives the chunks, uint8 [n, H, W, 3], of the film of a seed; it is pickled.
      lamps: seed and number of frames N of each.
      folder: where films lie, in files without a name, until their turn comes.
      num_workers: number of processes; as many as cores if left out.
      filmed: is told the number of frames of each chunk, as they come.

    Yields:
      Film of each lamp in turn, uint8 [N, H, W, 3], mapped from the disk.

    Raises:
      ValueError, OSError, FloatingPointError: what `film` raises.
      ChildProcessError: a process has ended early.
    """
    cores = _cores()
    num_workers = min(num_workers or len(cores), len(lamps))
    cores = [cores[worker % len(cores)] for worker in range(num_workers)]
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile(dir=folder)) for _ in lamps]
        workers = stack.enter_context(_workers(film, cores))
        left = [num_frames for _, num_frames in lamps]
        waiting = iter(range(len(lamps)))
        current: dict[Connection, int | None] = {}

        def ask_for_next(worker: Connection) -> None:
            current[worker] = next(waiting, None)
            if current[worker] is not None:
                with _expected_alive(workers[worker]):
                    worker.send(lamps[current[worker]])

        for worker in workers:
            ask_for_next(worker)
        for index, file in enumerate(files):
            while left[index]:
                for worker in mp_connection.wait(list(workers)):
                    chunk = _receive(worker, workers[worker])
                    lamp, shape = current[worker], chunk.shape[1:]
                    files[lamp].write(chunk)
                    left[lamp] -= len(chunk)
                    filmed(len(chunk))
                    if not left[lamp]:
                        ask_for_next(worker)
            with file:
                yield _map(file, shape)


def _map(file: IO[bytes], shape: tuple[int, ...]) -> np.ndarray:
    """Returns the frames in a file, which may be closed then."""
    file.flush()
    return np.memmap(file, np.uint8, mode="r").reshape(-1, *shape)


def _cores() -> list[int]:
    """Returns the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextlib.contextmanager
def _workers(
    film: _Film, cores: Sequence[int]
) -> Iterator[dict[Connection, BaseProcess]]:
    """Yields a process for each of `cores`, by the connection to it."""
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
    """Blocks Ctrl-C; a process that is started meanwhile never hears of it.

    A terminal sends it to all processes, and each would show a traceback.
    """
    resource_tracker.ensure_running()  # its start would end the blocking
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _receive(worker: Connection, process: BaseProcess) -> np.ndarray:
    with _expected_alive(process):
        message = worker.recv()
    if isinstance(message, Exception):
        raise message
    return message


@contextlib.contextmanager
def _expected_alive(process: BaseProcess) -> Iterator[None]:
    """Raises a `ChildProcessError` where what is said to or by a process breaks off."""
    try:
        yield
    except (EOFError, OSError):
        process.join()
        raise ChildProcessError(
            f"a process that films lamps ended with code {process.exitcode}"
        ) from None


def _work(caller: Connection, film: _Film, core: int, cache_dir: str | None) -> None:
    """Films the lamps that the caller names, until the caller is gone."""
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
    film: _Film, seed: int, num_frames: int
) -> Iterator[np.ndarray | Exception]:
    """Yields chunks of `num_frames` in all, or the error that ended them."""
    try:
        for chunk in film(seed):
            yield chunk[:num_frames]
            num_frames -= len(chunk)
            if num_frames <= 0:
                return
    except (ValueError, OSError, FloatingPointError) as error:
        yield error
