import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
from random_params import random_params
from tiny import normal

from duralava import models
from duralava.models import flow

CONFIG = tiny.model(flow_layers=2, flow_hidden=16)
SIZE = CONFIG.latent_size

to_codes = jax.jit(flow.to_codes, static_argnames="config")
to_latents = jax.jit(flow.to_latents, static_argnames="config")


def flow_params(scale=0.4):
    """Returns parameters of a flow that is far from the identity."""
    return random_params(functools.partial(flow.init_flow, config=CONFIG), scale=scale)


def test_a_fresh_flow_is_nearly_the_identity():
    params = flow.init_flow(jax.random.key(0), config=CONFIG)
    latents = normal(1, 100, SIZE)
    codes = to_codes(params, latents, config=CONFIG)
    assert 0 < jnp.abs(codes - latents).max() < 0.5


def test_a_flow_can_start_as_any_normal_distribution():
    rng = np.random.default_rng(0)
    mean = rng.normal(size=SIZE)
    axes, _ = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))
    mixed = axes * np.geomspace(0.3, 3, SIZE)
    covariance = mixed @ mixed.T
    params = flow.init_normal_flow(jax.random.key(0), mean, covariance, config=CONFIG)
    latents = jax.random.normal(jax.random.key(1), (20_000, SIZE))
    codes = to_codes(params, latents, config=CONFIG)
    np.testing.assert_allclose(codes.mean(axis=0), mean, atol=0.1)
    scale = np.sqrt(np.diag(covariance))
    found = np.cov(codes, rowvar=False) / np.outer(scale, scale)
    np.testing.assert_allclose(found, covariance / np.outer(scale, scale), atol=0.05)


def test_a_flow_that_cannot_be_as_narrow_is_as_narrow_as_it_can():
    variances = np.ones(SIZE)
    variances[0] = 1e-12  # a layer reaches a factor of e
    params = flow.init_normal_flow(
        jax.random.key(0), np.zeros(SIZE), np.diag(variances), config=CONFIG
    )
    codes = to_codes(params, normal(1, 2_000, SIZE), config=CONFIG)
    deviations = np.asarray(codes).std(axis=0)
    assert math.exp(-2) < deviations[0] < 0.2
    np.testing.assert_allclose(deviations[1:], 1, atol=0.1)


def test_latents_of_codes_are_the_latents_that_they_were_made_of():
    latents = normal(1, 100, SIZE)
    codes = to_codes(flow_params(), latents, config=CONFIG)
    assert jnp.abs(codes - latents).mean() > 0.3
    found, _ = to_latents(flow_params(), codes, config=CONFIG)
    np.testing.assert_allclose(found, latents, atol=1e-4)


def test_the_change_of_volume_is_the_determinant_of_the_jacobian():
    params, codes = flow_params(), normal(1, 5, SIZE)

    def latent(code):
        return flow.to_latents(params, code[None], config=CONFIG)[0][0]

    _, expected = jnp.linalg.slogdet(jax.jit(jax.vmap(jax.jacfwd(latent)))(codes))
    _, log_volume = to_latents(params, codes, config=CONFIG)
    np.testing.assert_allclose(log_volume, expected, atol=1e-4)
    assert jnp.abs(log_volume).max() > 0.1


def test_a_flow_learns_the_distribution_of_codes():
    """No density has a smaller mean of -log p than the entropy of the codes.

    Codes are two Gaussians at +-1.5 along each axis, of deviation 0.3. They hardly
    overlap, so their entropy is that of one of them plus ln 2.
    """
    model = dataclasses.replace(tiny.FIELD, flow_layers=4, flow_hidden=32)
    params = models.init_generator(jax.random.key(0), config=model)
    rng = np.random.default_rng(0)

    def codes(count):
        sides = rng.choice([-1.5, 1.5], (count, 1))
        return jnp.asarray(sides + 0.3 * rng.normal(size=(count, SIZE)), jnp.float32)

    def loss(flow_params, codes):
        _, log_density = models.latents_of(
            params | {"flow": flow_params}, codes, config=model
        )
        return SIZE / 2 * math.log(2 * math.pi) - log_density.mean()

    optimizer = optax.adam(optax.cosine_decay_schedule(1e-2, 400))

    @jax.jit
    def step(state, batch):
        flow_params, moments = state
        gradient = jax.grad(loss)(flow_params, batch)
        updates, moments = optimizer.update(gradient, moments)
        return optax.apply_updates(flow_params, updates), moments

    state = params["flow"], optimizer.init(params["flow"])
    for _ in range(400):
        state = step(state, codes(256))
    entropy = SIZE / 2 * math.log(2 * math.pi * math.e * 0.3**2) + math.log(2)
    reached = jax.jit(loss)(state[0], codes(4096))
    assert entropy - 0.1 < reached < entropy + 0.4
    samples = to_codes(state[0], normal(3, 4096, SIZE), config=model)
    assert float(jnp.mean(samples > 0)) == pytest.approx(0.5, abs=0.1)
    near = jnp.abs(jnp.abs(samples).mean(axis=1) - 1.5) < 0.5
    assert float(near.mean()) > 0.9


def test_a_generator_draws_what_the_flow_makes_of_latents():
    model = dataclasses.replace(tiny.FIELD, flow_layers=2, flow_hidden=16)
    params = random_params(
        functools.partial(models.init_generator, config=model), scale=0.4
    )
    latents = normal(1, 2, 3, SIZE)
    codes = to_codes(params["flow"], latents.reshape(6, SIZE), config=model)
    codes = codes.reshape(latents.shape)
    drawn = models.generate(params, latents, config=model)
    expected = models.generate(params, codes, config=tiny.FIELD)
    np.testing.assert_allclose(drawn, expected, atol=1e-5)
    found, _ = models.latents_of(params, codes, config=model)
    np.testing.assert_allclose(found, latents, atol=1e-4)


def test_without_a_flow_codes_are_latents_of_normal_density():
    params = models.init_generator(jax.random.key(0), config=tiny.FIELD)
    codes = normal(1, 4, SIZE)
    latents, log_density = models.latents_of(params, codes, config=tiny.FIELD)
    assert np.array_equal(latents, codes)
    expected = jax.scipy.stats.norm.logpdf(codes).sum(axis=-1)
    constant = SIZE / 2 * math.log(2 * math.pi)
    np.testing.assert_allclose(log_density - constant, expected, rtol=1e-5)
