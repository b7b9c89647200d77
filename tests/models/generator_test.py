import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from random_params import random_params

from duralava import models

CONFIG = tiny.model(generator_hidden=16, generator_channels=(8, 8))

generate = jax.jit(models.generate, static_argnames="config")
init = jax.jit(models.init_generator, static_argnames="config")


def generator_params():
    return random_params(
        functools.partial(models.init_generator, config=CONFIG), scale=0.5
    )


def latents(*batch):
    return jax.random.normal(jax.random.key(2), (*batch, CONFIG.latent_size))


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_frames_have_the_shape_of_the_latents_and_are_in_range(batch):
    frames = generate(generator_params(), latents(*batch), config=CONFIG)
    assert frames.shape == (*batch, 16, 16, 3)
    assert frames.dtype == jnp.float32
    assert jnp.all(jnp.abs(frames) <= 1)
    assert jnp.std(frames) > 0.1


@pytest.mark.parametrize(
    "config",
    [
        tiny.model(resolution=32, generator_hidden=16),
        tiny.model(
            generator_channels=(8, 8), generator_background=False, pixel_norm=False
        ),
    ],
)
def test_networks_of_other_shapes_generate_frames(config):
    params = init(jax.random.key(0), config=config)
    assert ("background" in params) == config.generator_background
    frames = generate(params, latents(2), config=config)
    assert frames.shape == (2, config.resolution, config.resolution, 3)
    assert jnp.all(jnp.isfinite(frames))


def test_each_frame_is_generated_independently():
    params, batch = generator_params(), latents(3)
    together = generate(params, batch, config=CONFIG)
    for i in range(3):
        alone = generate(params, batch[i], config=CONFIG)
        np.testing.assert_allclose(alone, together[i], atol=1e-5)


def test_leading_dimensions_keep_their_order():
    params, batch = generator_params(), latents(2, 3)
    frames = generate(params, batch, config=CONFIG)
    flat = generate(params, batch.reshape(6, -1), config=CONFIG)
    np.testing.assert_allclose(frames.reshape(flat.shape), flat, atol=1e-5)


def test_a_zero_latent_shows_the_background():
    # Biases start at zero, so only the background remains.
    params = init(jax.random.key(0), config=CONFIG)
    background = jax.random.normal(jax.random.key(1), (16, 16, 3))
    params["background"] = background
    frame = generate(params, jnp.zeros(CONFIG.latent_size), config=CONFIG)
    np.testing.assert_allclose(frame, jnp.tanh(background), atol=1e-6)


def test_pixel_norm_removes_the_length_of_a_latent():
    # Without biases the layers are homogeneous: 3 z gives 3 times the activations,
    # and the norm removes this factor.
    params = init(jax.random.key(0), config=CONFIG)
    frame, far = (
        generate(params, scale * latents(2), config=CONFIG) for scale in (1.0, 3.0)
    )
    np.testing.assert_allclose(frame, far, atol=1e-3)
    assert jnp.std(frame) > 0.05
