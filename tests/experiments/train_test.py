import os
import pathlib
import runpy
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
import tiny

from duralava import configs, weights
from duralava.config import Config, from_dict, to_dict

ROOT = pathlib.Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "experiments" / "configs").glob("*.py"))


def command(*flags):
    return [sys.executable, str(ROOT / "experiments" / "train.py"), *flags]


def environment():
    return os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "true",
    }


def test_every_config_of_the_package_has_an_experiment():
    assert [path.stem for path in CONFIGS] == configs.names()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_experiment_is_the_config_of_its_name(path):
    values = runpy.run_path(str(path))["get_config"]().to_dict()
    assert to_dict(from_dict(Config, values)) == values
    assert configs.load(path.stem) == configs.load(str(path))


def test_interrupted_process_goes_on_to_the_same_end(
    tiny_data_dir, with_training, tmp_path
):
    config = with_training(
        tiny.CONFIG, num_steps=200, checkpoint_every=50, log_every=50, sample_every=1000
    )
    flags = tiny.flags(config, tmp_path / "a", tiny_data_dir)
    process = subprocess.Popen(command(*flags), env=environment())
    while not (tmp_path / "a" / "checkpoints" / "50").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 0
    last = max(int(p.name) for p in (tmp_path / "a" / "checkpoints").iterdir())
    assert last < 200
    again = subprocess.run(
        command(*flags), env=environment(), capture_output=True, text=True
    )
    assert again.stdout.splitlines()[-1] == f"trained 200 steps: {tmp_path / 'a'}"
    subprocess.run(
        command(*tiny.flags(config, tmp_path / "b", tiny_data_dir)),
        env=environment(),
        check=True,
    )
    resumed, whole = (weights.load(tmp_path / name).params for name in "ab")
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start_two(*flags):
    port = free_port()
    both = ("--distributed", f"--coordinator=127.0.0.1:{port}", "--num_processes=2")
    return [
        subprocess.Popen(
            command(*flags, *both, f"--process_id={index}"), env=environment()
        )
        for index in range(2)
    ]


# A constant rate, so that a run does not depend on where it ends; and no division by
# the size of a gradient, which amplifies differences of rounding.
PLAIN_DESCENT = (
    "--config.optimizer.name=sgd",
    "--config.optimizer.learning_rate=0.01",
    "--config.optimizer.final_learning_rate_scale=1.0",
)


def test_two_processes_killed_resumed_and_interrupted_agree_with_one(
    tiny_data_dir, with_training, tmp_path
):
    config = with_training(
        tiny.CONFIG, num_steps=10**6, checkpoint_every=3, log_every=3, sample_every=999
    )
    flags = [*tiny.flags(config, tmp_path / "two", tiny_data_dir), *PLAIN_DESCENT]
    saved = tmp_path / "two" / "checkpoints"
    processes = start_two(*flags)
    wait_for_checkpoint(saved / "6", processes)
    for process in processes:
        process.kill()
        process.wait()
    processes = start_two(*flags)
    wait_for_checkpoint(saved / str(last_step(saved) + 3), processes)
    processes[1].send_signal(signal.SIGINT)  # stops both
    assert [process.wait() for process in processes] == [0, 0]
    assert len(list((tmp_path / "two").glob("events*"))) == 2  # one of each start

    end = f"--config.training.num_steps={last_step(saved)}"
    one = [*tiny.flags(config, tmp_path / "one", tiny_data_dir), *PLAIN_DESCENT, end]
    subprocess.run(command(*one), env=environment(), check=True)
    assert_close(*(weights.load(tmp_path / name).params for name in ("two", "one")))


def wait_for_checkpoint(path, processes):
    while not path.exists():
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)


def last_step(folder):
    return max(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def test_eight_devices_agree_with_one(tiny_data_dir, tmp_path):
    workdirs = tmp_path / "one", tmp_path / "eight"
    for workdir, devices in zip(workdirs, (1, 8), strict=True):
        flags = [*tiny.flags(tiny.CONFIG, workdir, tiny_data_dir), *PLAIN_DESCENT]
        flags += ["--config.data.batch_size=8", "--config.training.num_steps=3"]
        count = f"--xla_force_host_platform_device_count={devices}"
        subprocess.run(
            command(*flags), env=environment() | {"XLA_FLAGS": count}, check=True
        )
    assert_close(*(weights.load(workdir).params for workdir in workdirs))


def assert_close(first, second):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-5), first, second
    )


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--distributed", "coordinator_address should be defined"),
        ("--num_processes=2", "go with --distributed"),
        ("--config.model.depth=3", "depth"),
        ("--data_dir=/nonexistent", "is not prepared in /nonexistent"),
        ("--workdir=/proc/nothing", "/proc/nothing"),
    ],
)
def test_bad_input_gets_one_clear_line(tiny_data_dir, tmp_path, flag, says):
    done = subprocess.run(
        command(*tiny.flags(tiny.CONFIG, tmp_path / "w", tiny_data_dir), flag),
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "w").exists()
