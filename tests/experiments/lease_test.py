import os
import pathlib
import shutil
import subprocess
import sys

import tiny
from PIL import Image

from duralava import weights

ROOT = pathlib.Path(__file__).parents[2]


def test_a_run_goes_on_from_what_came_back(tiny_data_dir, with_training, tmp_path):
    def lease(num_steps):
        config = with_training(tiny.CONFIG, num_steps=num_steps)
        command = [
            *(sys.executable, ROOT / "experiments" / "lease.py", "--minutes=100"),
            *(f"--packed={tmp_path / 'packed'}", *flags_of(config)),
        ]
        environment = {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "true"}
        done = subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]

    def flags_of(config):
        return tiny.flags(config, tmp_path / "run", tiny_data_dir)

    assert lease(2).startswith("step 2: ")
    shutil.rmtree(tmp_path / "run")  # with the machine
    assert lease(3).startswith("step 3: ")
    assert {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()} == {
        "2",
        "3",
    }
    assert weights.load(tmp_path / "run").training.training.num_steps == 3
    samples = Image.open(tmp_path / "packed" / "samples.png")
    assert samples.size == (8 * 16, 6 * 16)
