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


def test_a_dense_transition_has_to_learn_to_keep_latents_normal(second_stage):
    lamp = tiny.lamp(of=tiny.FIELD, steps_per_second=30.0)
    done, path = second_stage(lamp, "--transition=mlp")
    assert "normality" in done.stdout and "far motion" in done.stdout
    assert done.returncode == 1  # after two steps it has not
    assert done.stderr.splitlines()[-1].startswith("error: latents diverge")
    assert not path.exists()


WHITENING = """
import sys
import jax
import numpy as np
import tiny
import second_stage

lamp = tiny.lamp(of=tiny.FIELD, transition="mlp", refresh=0.0)
lamp = tiny.faster(lamp, 2.0)
rng = np.random.default_rng(0)
size = tiny.LATENT_SIZE
mean, scale = rng.normal(size=size), np.eye(size) + rng.normal(size=(size, size)) / 9
other = second_stage.in_other_latents(lamp, mean, scale)
z = rng.normal(size=(5, size))
run = lambda lamp, z: lamp.rollout(np.float32(z), jax.random.key(0), num_steps=3)[0]
expected = run(lamp, z @ scale.T + mean)
assert np.abs(expected - z @ scale.T - mean).max() > 0.1  # it has moved
np.testing.assert_allclose(run(other, z) @ scale.T + mean, expected, atol=1e-4)
"""


def test_a_lamp_in_other_latents_is_the_same_lamp():
    folders = SCRIPT.parent, pathlib.Path(tiny.__file__).parent
    path = os.pathsep.join([*map(str, folders), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", WHITENING], env=environment, check=True)
