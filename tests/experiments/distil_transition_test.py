import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tiny

from duralava import trees, weights

SCRIPT = pathlib.Path(__file__).parents[2] / "experiments" / "distil_transition.py"
# Moments of fewer latents, which take less than a minute.
SHORT = """
import runpy, sys
from duralava.training import corrections
corrections._MOMENTS, corrections._ROUNDS = 5, 1
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.fixture
def distil(tmp_path):
    """Runs the script on a lamp, and returns what it printed and its result."""

    def run(lamp, *flags):
        teacher, student = (tmp_path / f"{n}.safetensors" for n in ("first", "second"))
        weights.save(teacher, lamp)
        done = subprocess.run(
            [
                *(sys.executable, "-c", SHORT, SCRIPT, *flags),
                *(f"--checkpoint={teacher}", f"--output={student}"),
            ],
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
        )
        return done, student

    return run


def test_a_dense_network_learns_the_steps_of_a_rotation(distil):
    lamp = tiny.faster(tiny.lamp(of=tiny.FIELD, refresh=0.1), 3.0)
    done, path = distil(lamp, "--steps=300")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"wrote {path}"
    error = float(re.search(r"step 300, .* step ([0-9.]+)", done.stdout)[1])
    assert error < 0.1  # 1 if it stood still
    student = weights.load(path)
    assert student.config.transition == "mlp"
    found = trees.named_leaves(student.params)
    for name, leaf in trees.named_leaves(lamp.params).items():
        if not name.startswith("transition/"):
            assert np.array_equal(np.float16(leaf), found[name]), name


def test_only_a_rotation_is_a_teacher(distil):
    done, path = distil(tiny.lamp(of=tiny.FIELD, transition="mlp"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("first.safetensors has no rotation")
    assert not path.exists()
