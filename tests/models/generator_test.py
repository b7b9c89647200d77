import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from random_params import random_params

from duralava import models

CONFIG = tiny.model(generator_hidden=16, generator_channels=(8, 8))
FIELD = dataclasses.replace(tiny.FIELD, generator_hidden=16, generator_channels=(8, 8))
FIXTURES = pathlib.Path(__file__).parents[1] / "fixtures"

generate = jax.jit(models.generate, static_argnames=("size", "config"))
generate_uint8 = jax.jit(models.generate_uint8, static_argnames=("size", "config"))
init = jax.jit(models.init_generator, static_argnames="config")


def generator_params(config=CONFIG):
    return random_params(
        functools.partial(models.init_generator, config=config), scale=0.5
    )


def latents(*batch):
    return tiny.normal(2, *batch, CONFIG.latent_size)


BOTH = pytest.mark.parametrize("config", [CONFIG, FIELD], ids=["convolution", "field"])


@BOTH
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_frames_have_the_shape_of_the_latents_and_are_in_range(batch, config):
    frames = generate(generator_params(config), latents(*batch), config=config)
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
        dataclasses.replace(FIELD, resolution=8, feature_size=32, feature_channels=3),
        dataclasses.replace(FIELD, generator_channels=(8,), generator_background=False),
    ],
)
def test_networks_of_other_shapes_generate_frames(config):
    params = init(jax.random.key(0), config=config)
    trunk = params if config.generator == "convolution" else params["trunk"]
    assert ("background" in trunk) == config.generator_background
    frames = generate(params, latents(2), config=config)
    assert frames.shape == (2, config.resolution, config.resolution, 3)
    assert jnp.all(jnp.isfinite(frames))


@BOTH
def test_each_frame_is_generated_independently(config):
    params, batch = generator_params(config), latents(3)
    together = generate(params, batch, config=config)
    for i in range(3):
        alone = generate(params, batch[i], config=config)
        np.testing.assert_allclose(alone, together[i], atol=1e-5)


@BOTH
def test_leading_dimensions_keep_their_order(config):
    params, batch = generator_params(config), latents(2, 3)
    frames = generate(params, batch, config=config)
    flat = generate(params, batch.reshape(6, -1), config=config)
    np.testing.assert_allclose(frames.reshape(flat.shape), flat, atol=1e-5)


def test_a_zero_latent_shows_the_background():
    # Biases start at zero, so only the background remains.
    params = init(jax.random.key(0), config=CONFIG)
    background = tiny.normal(1, 16, 16, 3)
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


def test_the_network_of_fixed_size_generates_the_frames_that_it_always_did():
    latents = jax.random.normal(jax.random.key(2), (6, CONFIG.latent_size))
    frames = generate_uint8(generator_params(), latents, config=CONFIG)
    expected = np.load(FIXTURES / "convolution_frames.npy").astype(int)
    np.testing.assert_allclose(frames, expected, atol=1)
    assert frames.std() > 10


def test_a_frame_is_coloured_from_the_features_of_its_latent():
    params, batch = generator_params(FIELD), latents(2)
    features = models.features(params, batch, config=FIELD)
    assert features.shape == (2, 16, 16, FIELD.feature_channels)
    frames = models.colour(params, features, config=FIELD)
    expected = generate(params, batch, config=FIELD)
    np.testing.assert_allclose(frames, expected, atol=1e-5)


def test_all_frames_share_the_features_of_places():
    params, batch = generator_params(FIELD), latents(3)
    before = models.features(params, batch, config=FIELD)
    place = tiny.normal(1, 16, 16, FIELD.feature_channels)
    params["trunk"]["background"] += place
    after = models.features(params, batch, config=FIELD)
    for change in after - before:
        np.testing.assert_allclose(change, place, atol=1e-5)


@pytest.mark.parametrize("batch", [(), (3,), (2, 25)])  # 50 are more than one group
@pytest.mark.parametrize("size", [None, 9, 40])
def test_frames_for_display_have_any_size(batch, size):
    params, z = generator_params(FIELD), latents(*batch)
    frames = generate_uint8(params, z, size=size, config=FIELD)
    expected = models.to_uint8(generate(params, z, size=size, config=FIELD))
    assert frames.shape == (*batch, size or 16, size or 16, 3)
    assert frames.dtype == np.uint8
    np.testing.assert_allclose(np.int32(frames), np.int32(expected), atol=1)


def test_a_small_frame_shows_the_same_as_a_large_one():
    params = init(jax.random.key(0), config=FIELD)
    small, large = (
        generate(params, latents(4), size=size, config=FIELD) for size in (16, 32)
    )
    shrunk = large.reshape(4, 16, 2, 16, 2, 3).mean(axis=(2, 4))
    other = small[jnp.array([1, 2, 3, 0])]
    assert jnp.abs(shrunk - small).mean() < jnp.abs(other - small).mean() / 3


def test_the_network_of_fixed_size_draws_no_other_size_and_no_windows():
    params, z = generator_params(), latents()
    message = "generator convolution of these weights draws whole frames of 16 pixels "
    for draw in (models.generate, models.generate_uint8):
        np.testing.assert_array_equal(
            draw(params, z, size=16, config=CONFIG), draw(params, z, config=CONFIG)
        )
        with pytest.raises(ValueError, match=f"{message}only, not 32 pixels"):
            draw(params, z, size=32, config=CONFIG)
        with pytest.raises(ValueError, match=f"{message}only, not windows"):
            draw(params, z, window=models.Window(0.0, 0.0, 1 / 16), config=CONFIG)


def test_a_frame_has_a_pixel_at_least():
    with pytest.raises(ValueError, match="1 pixel at least, not 0"):
        FIELD.picture_size(0)


def test_an_unknown_generator_is_an_error_that_lists_the_known_ones():
    config = tiny.model(generator="oil")
    message = "model.generator is 'oil'; it can be one of field, convolution"
    with pytest.raises(ValueError, match=message):
        models.init_generator(jax.random.key(0), config=config)
    with pytest.raises(ValueError, match=message):
        models.generate({}, latents(), config=config)


def test_a_generator_registered_from_outside_is_used(monkeypatch):
    """It shows the first three values of a latent as the colour of the frame."""

    def colour(params, features, window, size, config):
        shape = (*features.shape[:-3], size, size, 3)
        return params["scale"] * jnp.broadcast_to(features, shape)

    plain = models.Generator(
        init=lambda key, config: {"scale": jnp.ones(())},
        features=lambda params, latents, config: latents[:, None, None, :3],
        colour=colour,
        colour_uint8=lambda *args: models.to_uint8(colour(*args)),
    )
    monkeypatch.setitem(models.GENERATORS, "plain", plain)
    lamp = tiny.lamp(generator="plain", with_encoder=False)
    z = jnp.linspace(-1, 1, 8)
    frame = lamp.generate(z, size=5)
    assert frame.shape == (5, 5, 3)
    assert (frame == models.to_uint8(z[:3])).all()
