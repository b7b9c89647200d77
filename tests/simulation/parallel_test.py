import contextlib
import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from duralava.simulation import parallel
from duralava.simulation.lamp import LampState, _checked


def film(value):
    """Three chunks of 4 frames; all frames differ from those of other films."""
    chunks = value + np.arange(12, dtype=np.uint8).reshape(3, 4, 1, 1, 1)
    return list(np.broadcast_to(chunks, (3, 4, 2, 2, 3)))


FILMS = {0: film(0), 2: film(100), 4: film(200)}
LONG = [np.zeros((4, 2, 2, 3), np.uint8)] * 10**6
# Errors that are raised while the film is made.
BROKEN = map(int, ["wax"])
NAN = LampState(np.full((1, 2, 4, 4, 4), np.nan), np.ones((1, 4, 4, 4)))
NOT_FINITE = map(functools.partial(_checked, seed=2, first=45), [NAN])


@pytest.mark.parametrize("num_workers", [1, 5])
def test_lamps_are_complete_and_in_order(num_workers):
    lamps = [(4, 12), (0, 5), (2, 4), (0, 1)]
    films = [[] for _ in lamps]

    for lamp, chunk in parallel.simulate_lamps(
        FILMS.__getitem__, lamps, num_workers=num_workers
    ):
        films[lamp].append(chunk)

    for chunks, (seed, num_frames) in zip(films, lamps, strict=True):
        expected = np.concatenate(FILMS[seed])[:num_frames]
        np.testing.assert_array_equal(np.concatenate(chunks), expected)
    counts = [len(chunk) for chunks in films for chunk in chunks]
    assert sorted(counts) == [1, 1, 4, 4, 4, 4, 4]
    assert not multiprocessing.active_children()


def test_several_arrays_of_each_frame_arrive_together():
    films = {
        seed: [{"frame": chunk, "place": chunk[:, 0, 0, :2]} for chunk in chunks]
        for seed, chunks in FILMS.items()
    }

    received = list(parallel.simulate_lamps(films.__getitem__, [(2, 6)]))

    assert [len(chunk["frame"]) for _, chunk in received] == [4, 2]
    for lamp, chunk in received:
        assert lamp == 0
        np.testing.assert_array_equal(chunk["place"], chunk["frame"][:, 0, 0, :2])


@pytest.mark.parametrize("num_workers", [1, 3])
def test_jobs_have_any_number_of_results_and_start_in_order(num_workers):
    jobs = [range(3), range(0), range(5, 7), range(1)]

    received = list(parallel.run_jobs(list, jobs, num_workers=num_workers))

    for index, job in enumerate(jobs):
        assert [result for i, result in received if i == index] == list(job)
    if num_workers == 1:
        assert [index for index, _ in received] == [0, 0, 0, 2, 2, 3]
    assert not multiprocessing.active_children()


def test_no_lamps_are_no_film():
    assert not list(parallel.simulate_lamps(FILMS.__getitem__, []))


@pytest.mark.parametrize(
    ("films", "error", "words"),
    [
        ({0: LONG, 2: BROKEN}, ValueError, "invalid literal .* 'wax'"),
        ({0: LONG, 2: NOT_FINITE}, FloatingPointError, "of seed 2 .* after 1.5 s"),
        ({0: LONG}, ChildProcessError, "ended with code 1"),
    ],
)
def test_error_in_one_process_ends_all(films, error, words):
    lamps = [(0, 4 * len(LONG)), (2, 4)]

    with pytest.raises(error, match=words):
        list(parallel.simulate_lamps(films.__getitem__, lamps, num_workers=2))

    assert not multiprocessing.active_children()


def test_process_that_is_killed_is_reported():
    films = {0: LONG, 2: LONG}
    lamps = [(seed, 4 * len(LONG)) for seed in films]

    with pytest.raises(ChildProcessError, match="ended with code -9"):
        for _ in parallel.simulate_lamps(films.__getitem__, lamps):
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    assert not multiprocessing.active_children()


SCRIPT = """
import multiprocessing, os, signal, sys
import numpy as np
from duralava.simulation import parallel

num_chunks = int(sys.argv[1])
films = {seed: [np.zeros((4, 1, 1, 3), np.uint8)] * num_chunks for seed in range(2)}
lamps = [(seed, 4 * num_chunks) for seed in films]

def say():
    print("filmed", flush=True)

def interrupt():
    for process in multiprocessing.active_children():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(process.pid, number)

for _ in parallel.simulate_lamps(films.__getitem__, lamps):
    globals()[sys.argv[2]]()
"""


def script(num_chunks, filmed, program=SCRIPT):
    return [sys.executable, "-c", program, str(num_chunks), filmed]


@contextlib.contextmanager
def endless(program=SCRIPT):
    """Yields a program that films in processes of its group, once they do."""
    with subprocess.Popen(
        script(10**6, "say", program),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout.readline() == "filmed\n"
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_end_of_group(pid):
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.killpg(pid, 0)
            time.sleep(0.01)


def test_processes_ignore_interrupts():
    subprocess.run(script(100, "interrupt"), check=True)


def test_interrupt_ends_all_processes_with_one_traceback():
    with endless() as process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, errors = process.communicate()
        wait_for_end_of_group(process.pid)

    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1
    assert errors.endswith("KeyboardInterrupt\n")


SLEEPER = """
import functools, time
from duralava.simulation import parallel

for _ in parallel.run_jobs(functools.partial(map, time.sleep), [(0, 10_000)]):
    print("filmed", flush=True)
"""


@pytest.mark.parametrize("program", [SCRIPT, SLEEPER])
def test_no_process_outlives_the_caller(program):
    with endless(program) as process:
        process.kill()
        process.communicate()
        wait_for_end_of_group(process.pid)
