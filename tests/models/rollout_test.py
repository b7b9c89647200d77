import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from duralava import models

ROTATION = tiny.model(transition_layers=2, refresh=0.2)
MLP = dataclasses.replace(ROTATION, transition="mlp")
BOTH = pytest.mark.parametrize("config", [ROTATION, MLP], ids=["rotation", "mlp"])

KEY = jax.random.key(3)

rollout = jax.jit(models.rollout, static_argnames=("num_steps", "config"))
transition = jax.jit(models.transition, static_argnames="config")
init = jax.jit(models.init_transition, static_argnames="config")


def params_and_latents(config, batch_size=2):
    latents = jax.random.normal(jax.random.key(1), (batch_size, config.latent_size))
    return init(jax.random.key(0), config=config), latents


@BOTH
def test_a_rollout_equals_a_loop_of_the_transition(config):
    params, latents = params_and_latents(config)
    final, trajectory = rollout(params, latents, KEY, 7, num_steps=5, config=config)
    z = latents
    for t in range(5):
        np.testing.assert_allclose(trajectory[t], z, rtol=1e-4, atol=1e-5)
        noise = jax.random.normal(jax.random.fold_in(KEY, 7 + t), z.shape)
        z = transition(params, z, noise, config=config)
    np.testing.assert_allclose(final, z, rtol=1e-4, atol=1e-5)


@BOTH
def test_twelve_steps_are_five_and_then_seven(config):
    params, latents = params_and_latents(config)
    final, whole = rollout(params, latents, KEY, 0, num_steps=12, config=config)
    middle, first = rollout(params, latents, KEY, 0, num_steps=5, config=config)
    end, second = rollout(params, middle, KEY, 5, num_steps=7, config=config)
    np.testing.assert_array_equal(whole, jnp.concatenate([first, second]))
    np.testing.assert_array_equal(final, end)


def test_a_trajectory_begins_with_its_input():
    params, latents = params_and_latents(ROTATION)
    final, trajectory = rollout(params, latents, KEY, 0, num_steps=3, config=ROTATION)
    assert trajectory.shape == (3, 2, 8)
    np.testing.assert_array_equal(trajectory[0], latents)
    assert jnp.abs(final - trajectory[-1]).max() > 0.01


def test_each_step_has_its_own_noise():
    params, latents = params_and_latents(ROTATION)
    one, _ = rollout(params, latents, KEY, 0, num_steps=1, config=ROTATION)
    other, _ = rollout(params, latents, KEY, 1, num_steps=1, config=ROTATION)
    # The same move with independent noise n and n' differs by 0.2 (n - n').
    noise = [jax.random.normal(jax.random.fold_in(KEY, t), (2, 8)) for t in (0, 1)]
    np.testing.assert_allclose(one - other, 0.2 * (noise[0] - noise[1]), atol=1e-5)
