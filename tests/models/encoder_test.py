import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from duralava import models
from duralava.config import ModelConfig

CONFIG = ModelConfig(
    resolution=16, latent_size=8, encoder_channels=(8, 8), encoder_hidden=16
)

posterior = jax.jit(models.encode_posterior, static_argnames="config")
encode = jax.jit(models.encode, static_argnames="config")


def random_params(scale=0.3):
    shapes = jax.eval_shape(
        functools.partial(models.init_encoder, config=CONFIG), jax.random.key(0)
    )
    generator = np.random.default_rng(1)
    return jax.tree.map(
        lambda leaf: jnp.asarray(scale * generator.normal(size=leaf.shape), leaf.dtype),
        shapes,
    )


def frames(*batch):
    return jax.random.uniform(jax.random.key(2), (*batch, 16, 16, 3), minval=-1)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_a_posterior_belongs_to_each_frame(batch):
    mean, log_std = posterior(random_params(), frames(*batch), config=CONFIG)
    assert mean.shape == log_std.shape == (*batch, 8)
    assert jnp.all(jnp.isfinite(mean)) and jnp.all(jnp.isfinite(log_std))


def test_each_frame_is_encoded_by_itself():
    params, batch = random_params(), frames(2, 3)
    together = posterior(params, batch, config=CONFIG)
    for t in range(2):
        for b in range(3):
            alone = posterior(params, batch[t, b], config=CONFIG)
            for one, all_of_them in zip(alone, together, strict=True):
                np.testing.assert_allclose(one, all_of_them[t, b], rtol=1e-3, atol=1e-3)
    assert jnp.std(together[0].reshape(6, 8), axis=0).min() > 0.1


def test_the_likeliest_latent_is_the_posteriors_mean():
    params, batch = random_params(), frames(3)
    mean, _ = posterior(params, batch, config=CONFIG)
    np.testing.assert_allclose(
        encode(params, batch, config=CONFIG), mean, rtol=1e-4, atol=1e-4
    )


def test_a_posterior_stays_where_the_prior_has_weight():
    # Whatever the parameters: means within 4, deviations from exp(-3) = 0.05 to 1.
    mean, log_std = posterior(random_params(scale=5.0), frames(2, 3), config=CONFIG)
    assert jnp.abs(mean).max() <= 4 and jnp.abs(mean).max() > 3.9
    assert -3 <= log_std.min() < -2.9 and -0.1 < log_std.max() <= 0
