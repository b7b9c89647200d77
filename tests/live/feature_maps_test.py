import base64

import numpy as np
import pytest
import tiny
from random_params import random_params

from duralava import models, weights
from duralava.lamp import Lamp
from duralava.live import feature_maps


@pytest.fixture(scope="module")
def lamp():
    """A lamp of 6 features and 7 hidden units, with large parameters."""
    config = tiny.model(
        generator="field",
        feature_size=16,
        feature_channels=6,
        head_hidden=7,
    )
    params = random_params(
        lambda key: models.init_networks(key, config=config, with_encoder=False),
        scale=0.5,
    )
    return Lamp(params, config, steps_per_second=5.0)


def test_a_lamp_that_fills_vectors_draws_the_same(lamp):
    filled = feature_maps.fill_vectors(lamp)
    assert (filled.config.feature_channels, filled.config.head_hidden) == (8, 8)
    models.check_fit(filled.params, config=filled.config, source="the test")
    latents = tiny.normal(1, 2, 8)
    frames = np.int16(lamp.generate(latents, size=24))
    assert frames.std() > 20
    differences = np.abs(np.int16(filled.generate(latents, size=24)) - frames)
    assert differences.max() <= 1
    again = feature_maps.fill_vectors(filled)
    assert again is filled


def test_weights_without_features_stay_as_they_are():
    lamp = tiny.lamp()
    assert not feature_maps.has_features(lamp)
    assert feature_maps.fill_vectors(lamp) is lamp


def test_half_precision_keeps_the_colours_of_the_shipped_weights():
    lamp = weights.load()
    latents = lamp.start(1, count=3).latents
    generator = lamp.params["generator"]
    features = models.features(generator, latents, config=lamp.config)
    packed = feature_maps.pack_map(np.asarray(features))
    assert len(packed) == 3 * 64 * 1024
    halves = np.frombuffer(packed, "<f2").reshape(features.shape)

    def colour(features):
        pictures = models.colour(generator, features, size=96, config=lamp.config)
        return np.int16(models.to_uint8(pictures))

    differences = np.abs(colour(np.float32(halves)) - colour(features))
    assert differences.max() <= 1


def test_a_description_holds_the_head_in_vectors_of_four(lamp):
    filled = feature_maps.fill_vectors(lamp)
    about = feature_maps.describe_head(filled)
    shape = [about[name] for name in ("size", "channels", "hidden", "resolution")]
    assert shape == [16, 8, 8, 16]
    values = np.frombuffer(base64.b64decode(about["weights"]), "<f4").reshape(-1, 4)
    pixel, first, first_bias, last, last_bias = np.split(
        values, np.cumsum([2, 4 * 2 * 2, 2, 4 * 2])
    )
    # What the shader computes, for one pixel of features.
    features = np.random.default_rng(0).standard_normal(8).astype(np.float32)
    octaves = -1.5

    def activate(x):
        return np.maximum(x, 0.2 * x)

    x = activate(features.reshape(2, 4) + octaves * pixel)
    hidden = activate(
        first_bias + np.einsum("tk,thkj->hj", x, first.reshape(2, 2, 4, 4))
    )
    colour = np.tanh(
        last_bias[0] + np.einsum("hk,hkj->j", hidden, last.reshape(2, 4, 4))
    )
    head = models.head.Head(filled.config)
    expected = head.apply(
        {"params": filled.params["generator"]["head"]},
        features,
        2**octaves / filled.config.resolution,
    )
    np.testing.assert_allclose(colour[:3], expected, atol=1e-5)
    assert colour[3] == 0
