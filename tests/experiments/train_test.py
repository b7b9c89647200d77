import os
import pathlib
import runpy
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from duralava import pretrained
from duralava.config import Config, from_dict, to_dict

ROOT = pathlib.Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "experiments" / "configs").glob("*.py"))


def command(*flags):
    return [sys.executable, str(ROOT / "experiments" / "train.py"), *flags]


def tiny_flags(config, workdir):
    values = to_dict(config)
    return [
        f"--config={ROOT / 'experiments' / 'configs' / 'simulated_64.py'}",
        f"--workdir={workdir}",
        "--config.loss.rollout_steps=3",
        *(
            f"--config.{section}.{name}={value}"
            for section in ("data", "model", "training")
            for name, value in values[section].items()
        ),
    ]


def environment():
    return os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "true",
    }


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_one(path):
    values = runpy.run_path(str(path))["get_config"]().to_dict()
    assert to_dict(from_dict(Config, values)) == values


def test_interrupted_process_goes_on_to_the_same_end(
    tiny_config, with_training, tmp_path
):
    config = with_training(
        tiny_config, num_steps=200, checkpoint_every=50, log_every=50, sample_every=1000
    )
    flags = tiny_flags(config, tmp_path / "a")
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
        command(*tiny_flags(config, tmp_path / "b")), env=environment(), check=True
    )
    resumed, whole = (pretrained.load(tmp_path / name).params for name in "ab")
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--config.model.depth=3", "depth"),
        ("--config.data.data_dir=/nonexistent", "is not prepared in /nonexistent"),
        ("--workdir=/proc/nothing", "/proc/nothing"),
    ],
)
def test_bad_input_gets_one_clear_line(tiny_config, tmp_path, flag, says):
    done = subprocess.run(
        command(*tiny_flags(tiny_config, tmp_path / "w"), flag),
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "w").exists()
