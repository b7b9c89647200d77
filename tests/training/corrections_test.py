import jax
import numpy as np
import pytest
import tiny

from duralava.training import corrections

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_a_lamp_in_other_latents_is_the_same_lamp():
    lamp = tiny.lamp(of=tiny.FIELD, transition="mlp", refresh=0.0)
    lamp = tiny.faster(lamp, 2.0)
    rng = np.random.default_rng(0)
    size = tiny.LATENT_SIZE
    mean = rng.normal(size=size)
    scale = np.eye(size) + rng.normal(size=(size, size)) / 9
    other = corrections.in_other_latents(lamp, mean, scale)
    z = rng.normal(size=(5, size))

    def run(lamp, z):
        return lamp.rollout(np.float32(z), jax.random.key(0), num_steps=3)[0]

    expected = run(lamp, z @ scale.T + mean)
    assert np.abs(expected - z @ scale.T - mean).max() > 0.1  # it has moved
    np.testing.assert_allclose(run(other, z) @ scale.T + mean, expected, atol=1e-4)


def test_latents_that_diverge_are_not_whitened():
    lamp = tiny.lamp(of=tiny.FIELD, transition="mlp")
    lamp = tiny.faster(lamp, 100.0)
    with pytest.raises(FloatingPointError, match="latents diverge"):
        corrections.whiten_latents(lamp, seed=0, on_round=print)
