import os
import pathlib
import subprocess
import sys

import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).parents[2]


def simulate(*flags, cwd):
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "simulate.py", *flags],
        cwd=cwd,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )


def test_films_the_simulated_lamp(tmp_path):
    done = simulate("--seconds=0.1", "--size=32", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "wrote 3 frames at 30 fps: lamp.png"
    with Image.open(tmp_path / "lamp.png") as picture:
        assert (picture.size, picture.n_frames) == ((32, 32), 3)


@pytest.mark.parametrize(
    "flag", ["--seconds=-1", "--size=2000", "--output=lamp.xyz", "--output=no/lamp.png"]
)
def test_bad_input_gets_one_line_and_writes_nothing(tmp_path, flag):
    done = simulate(flag, cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert list(tmp_path.iterdir()) == []
