import jax
import numpy as np
import pytest
import tiny

from duralava.datasets import clips
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


@pytest.mark.parametrize(
    ("period", "num_steps"),
    [
        # In a time t, a wave changes pi / 2 sin(pi t / period) times as much as between
        # unrelated moments: 0.6 times for t = 0.125 periods. A second has 10 steps.
        (20, 10),
        (5, 5),
        (2, 2),
        (0.7, 1),
    ],
)
def test_motion_is_compared_before_a_film_is_another_one(period, num_steps):
    seconds = np.arange(3_000) / 30
    bright = 128 + 100 * np.sin(2 * np.pi * seconds / period)
    frames = np.broadcast_to(
        bright.astype(np.uint8)[:, None, None, None], (3_000, 4, 4, 3)
    )
    film = clips.Film(frames, fps=30.0)
    found, change = corrections._compared_motion(film, 10.0)
    assert found == num_steps
    assert change > 0
