import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from random_params import random_params

from duralava import models

CONFIG = tiny.model(encoder_channels=(8, 8))

posterior = jax.jit(models.encode_posterior, static_argnames="config")
encode = jax.jit(models.encode, static_argnames="config")


def encoder_params(scale=0.3):
    init = functools.partial(models.init_encoder, config=CONFIG)
    return random_params(init, scale=scale)


def frames(*batch):
    return jnp.tanh(tiny.normal(2, *batch, 16, 16, 3))


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_each_frame_has_a_posterior(batch):
    mean, log_std = posterior(encoder_params(), frames(*batch), config=CONFIG)
    assert mean.shape == log_std.shape == (*batch, 8)
    assert jnp.all(jnp.isfinite(mean)) and jnp.all(jnp.isfinite(log_std))


def test_each_frame_is_encoded_independently():
    params, batch = encoder_params(), frames(2, 3)
    together = posterior(params, batch, config=CONFIG)
    for t in range(2):
        for b in range(3):
            alone = posterior(params, batch[t, b], config=CONFIG)
            for one, many in zip(alone, together, strict=True):
                np.testing.assert_allclose(one, many[t, b], rtol=1e-3, atol=1e-3)
    assert jnp.std(together[0].reshape(6, 8), axis=0).min() > 0.1


def test_the_code_of_a_frame_is_the_mean_of_its_posterior():
    params, batch = encoder_params(), frames(3)
    mean, _ = posterior(params, batch, config=CONFIG)
    np.testing.assert_allclose(
        encode(params, batch, config=CONFIG), mean, rtol=1e-4, atol=1e-4
    )


def test_a_posterior_is_bounded_for_any_parameters():
    # Means are within 4, standard deviations from exp(-3) = 0.05 to 1.
    mean, log_std = posterior(encoder_params(scale=5.0), frames(2, 3), config=CONFIG)
    assert jnp.abs(mean).max() <= 4 and jnp.abs(mean).max() > 3.9
    assert -3 <= log_std.min() < -2.9 and -0.1 < log_std.max() <= 0
