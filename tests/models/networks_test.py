import jax
import numpy as np

from duralava import models
from duralava.config import ModelConfig

SMALL = ModelConfig(
    resolution=16,
    latent_size=8,
    generator_channels=(8,),
    encoder_channels=(8,),
)


def test_an_encoder_is_had_only_when_asked_for_and_changes_nothing_else():
    key = jax.random.key(0)
    without = models.init_lamp(key, config=SMALL, with_encoder=False)
    whole = models.init_lamp(key, config=SMALL, with_encoder=True)
    assert set(without) == {"generator", "transition"}
    assert set(whole) == {*without, "encoder"}
    del whole["encoder"]
    jax.tree.map(np.testing.assert_array_equal, whole, without)


def test_parameters_are_those_that_the_networks_take():
    params = models.init_lamp(jax.random.key(0), config=SMALL, with_encoder=True)
    latents = jax.random.normal(jax.random.key(1), (3, 8))
    frames = models.generate(params["generator"], latents, config=SMALL)
    assert frames.shape == (3, 16, 16, 3)
    assert models.encode(params["encoder"], frames, config=SMALL).shape == (3, 8)
    moved, _ = models.rollout(
        params["transition"], latents, jax.random.key(2), 0, num_steps=1, config=SMALL
    )
    assert moved.shape == (3, 8)
