import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tiny

from duralava import trees, weights

SCRIPT = pathlib.Path(__file__).parents[2] / "experiments" / "second_stage.py"


@pytest.fixture
def second_stage(tiny_data_dir, tmp_path):
    """Runs the script on a lamp, and returns what it printed and its result."""

    def run(lamp, *flags):
        first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
        weights.save(first, lamp)
        done = subprocess.run(
            [
                *(sys.executable, SCRIPT, "--density_steps=2", "--joint_steps=2"),
                *(f"--checkpoint={first}", f"--output={second}"),
                *("--dataset=lava_lamp/16x16", f"--data_dir={tiny_data_dir}", *flags),
            ],
            env=os.environ
            | {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "true"},
            capture_output=True,
            text=True,
        )
        return done, second

    return run


def test_a_lamp_gets_a_flow_and_a_transition_and_keeps_the_rest(second_stage):
    lamp = tiny.lamp(of=tiny.FIELD, steps_per_second=30.0)
    done, path = second_stage(lamp)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"wrote {path}"
    second = weights.load(path)
    assert second.config.flow_layers > 0
    kept = trees.named_leaves(lamp.params)
    found = trees.named_leaves(second.params)
    for name, leaf in kept.items():
        if not name.startswith("transition/"):
            assert np.array_equal(np.float16(leaf), found[name]), name
    frames = second.generate(second.start(0, count=3).latents)
    assert "times as much as those of the film" in done.stdout
    # The codes of frames go back through the flow.
    latents = second.encode(frames)
    assert np.isfinite(latents).all()
    assert "density" in done.stdout and "motion" in done.stdout


def test_a_lamp_without_an_encoder_is_refused(second_stage):
    lamp = tiny.lamp(of=tiny.FIELD, with_encoder=False)
    done, path = second_stage(lamp)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("first.safetensors has no encoder")
    assert not path.exists()
