"""Kills training runs at random moments; all must go on to the same end, bit for bit.

`tests/experiments/train_test.py` has the quick form; `python -m tests.torture` runs the
long one.
"""

import collections
import contextlib
import dataclasses
import io
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

from torture import inputs

ROOT = pathlib.Path(__file__).parents[2]
NUM_STEPS = 200
SECONDS = 600  # that a process may take


def _flags(run):
    """Returns the flags of a run: the tiny model, with many checkpoints."""
    import tiny

    training = dataclasses.replace(
        tiny.CONFIG.training,
        num_steps=NUM_STEPS,
        checkpoint_every=4,
        log_every=4,
        sample_every=10 * NUM_STEPS,
        keep_checkpoints=2,
    )
    config = dataclasses.replace(tiny.CONFIG, training=training)
    return tiny.flags(config, run.workdir, run.data_dir)


def make_data_set(folder):
    """Prepares a film for the runs in a folder."""
    import tiny

    from duralava.datasets.lava_lamp.lava_lamp import LavaLamp, LavaLampConfig
    from duralava.rendering import writers

    film = folder / "film.mp4"
    writers.write_frames(film, iter(inputs.frames((64, 64), 200)), fps=30)
    size = LavaLampConfig(name=f"{tiny.SIZE}x{tiny.SIZE}", resolution=tiny.SIZE)
    with contextlib.redirect_stdout(io.StringIO()):
        LavaLamp(config=size, data_dir=folder, source=film).download_and_prepare()


@dataclasses.dataclass(frozen=True)
class Run:
    """A training run.

    Attributes:
      workdir: of the run.
      data_dir: folder of its data set.
    """

    workdir: pathlib.Path
    data_dir: pathlib.Path

    @property
    def checkpoints(self):
        """The names in the folder of checkpoints, those that are written included."""
        folder = self.workdir / "checkpoints"
        return {path.name for path in folder.iterdir()} if folder.exists() else set()

    def start(self, errors):
        """Starts a process that trains to the end; `errors` gets what it says."""
        return subprocess.Popen(
            [sys.executable, ROOT / "experiments/train.py", *_flags(self)],
            env=os.environ
            | {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "true"},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )

    def state(self):
        """Returns the last state."""
        import jax

        from duralava import checkpoints
        from duralava.training.state import init_train_state

        key, config = jax.random.key(0), checkpoints.read_config(self.workdir)
        like = jax.eval_shape(lambda: init_train_state(key, config=config))
        reader = checkpoints.Checkpoints(self.workdir, keep=2)
        try:
            return reader.restore(like, config=config)[0]
        finally:
            reader.close()


def process_until(run, moment, number):
    """Runs a process, and sends it a signal at a moment; None for no signal.

    Returns:
      Its exit code, and what was wrong with what it said; "" if nothing was.
    """
    with tempfile.TemporaryFile("w+") as errors:
        process = run.start(errors)
        try:
            if number is not None:
                moment(run, process)
                process.send_signal(number)
            code = process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()
        errors.seek(0)
        said = errors.read()
    wrong = re.search(r"Traceback|is damaged|^error: ", said, re.MULTILINE)
    return code, said if wrong else ""


def moment_of(rng):
    """Returns a function that waits for a random moment of a run."""
    seconds = rng.uniform(0, 1)
    kind = rng.choice(("start", "steps", "steps", "write", "write"))

    def wait(run, process):
        before = run.checkpoints
        if kind == "start":
            time.sleep(10 * seconds)
            return
        while process.poll() is None and not run.checkpoints - before:
            time.sleep(0.001)
        if kind == "steps":
            time.sleep(seconds)
        else:  # within some milliseconds of the start of a checkpoint
            time.sleep(0.05 * seconds)

    return wait


def attack(count, *, seed=0):
    """Kills runs `count` times.

    Returns:
      How many kills of each signal there were and how many runs came to their end, and
      the faults by number.
    """
    counts, faults = collections.Counter(), {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "data").mkdir()
        make_data_set(folder / "data")
        whole = Run(folder / "whole", folder / "data")
        assert process_until(whole, None, None) == (0, "")
        expected = whole.state()
        run, rng = None, random.Random(seed)
        for number in range(count + 1):
            run = run or Run(folder / str(number), folder / "data")
            signals = (signal.SIGKILL,) * 3 + (signal.SIGTERM,)
            sent = rng.choice(signals) if number < count else None
            code, wrong = process_until(run, moment_of(rng), sent)
            if sent:
                counts[sent.name] += 1
            if wrong:
                faults[number] = wrong
            if str(NUM_STEPS) in run.checkpoints:
                equal = inputs.same(run.state(), expected)
                counts["runs with the same end"] += equal
                if not equal:
                    faults[number] = "the run has another end"
                run = None
            elif sent is None:
                faults[number] = f"the run does not come to its end: code {code}"
    return counts, faults
