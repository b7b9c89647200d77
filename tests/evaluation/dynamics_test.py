import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from duralava import models
from duralava.evaluation.dynamics import (
    largest_exponent,
    lyapunov_exponent,
    recurrence,
)
from duralava.lamp import Lamp

pytestmark = pytest.mark.usefixtures("quick_compilation")

exponent = jax.jit(largest_exponent, static_argnames=("step", "num_steps"))


def test_the_recurrence_equals_the_loop_over_all_pairs():
    series = np.random.default_rng(0).normal(size=(9, 2, 3)) * [1, 2, 3]
    spread = np.sqrt(2 * series.reshape(18, 3).var(axis=0).sum())
    for min_lag in (1, 4, 8):
        expected = [
            min(
                np.linalg.norm(lamp[i] - lamp[j]) / spread
                for i in range(9)
                for j in range(i - min_lag + 1)
            )
            for lamp in series.swapaxes(0, 1)
        ]
        np.testing.assert_allclose(recurrence(series, min_lag), expected)


def test_independent_states_in_many_dimensions_are_all_equally_far():
    """All distances are 1, up to a spread of 1 / sqrt(2 D)."""
    nearest = recurrence(np.random.default_rng(0).normal(size=(60, 3, 5000)), 1)
    np.testing.assert_allclose(nearest, 1, atol=0.06)


@pytest.mark.parametrize("period", [1, 7, 30])
def test_only_a_lamp_that_is_frozen_or_loops_returns(period):
    series = np.random.default_rng(0).normal(size=(80, 2, 20))
    series[:, 0] = series[np.arange(80) % period, 0]
    nearest = recurrence(series, 10)
    assert nearest[0] == 0
    assert nearest[1] > 0.3
    # States that are close in time do not count.
    assert recurrence(np.linspace(0, 1, 80)[:, None, None], 40) > 0.5


def test_lamps_that_rest_in_the_same_state_return():
    np.testing.assert_array_equal(recurrence(np.ones((5, 2, 3)), 2), 0)


def test_a_series_shorter_than_the_lag_is_refused():
    for min_lag in (0, 5):
        with pytest.raises(ValueError, match="5 steps has no states"):
            recurrence(np.ones((5, 1, 1)), min_lag)


def henon(states, index):
    x, y = states[:, 0], states[:, 1]
    return jnp.stack([1 - 1.4 * x**2 + y, 0.3 * x], axis=-1)


def turn(states, index):
    cos, sin = jnp.cos(1.0), jnp.sin(1.0)
    return states @ jnp.array([[cos, sin], [-sin, cos]])


def stretch(states, index):
    return states * jnp.array([2.0, 0.5])


def every_other(states, index):
    return states * jnp.where(index % 2 == 0, 8.0, 0.5)


@pytest.mark.parametrize(
    ("step", "expected", "tolerance"),
    [
        (henon, 0.419, 0.005),
        (turn, 0.0, 1e-5),
        (stretch, np.log(2), 2e-3),
        (every_other, np.log(8 * 0.5) / 2, 1e-5),
    ],
)
def test_the_exponent_of_known_maps(step, expected, tolerance):
    states = jnp.array([[0.1, 0.1], [0.2, -0.1]])
    tangents = jnp.array([[3.0, 1.0], [-1.0, 2.0]])
    num_steps = 40_000 if step is henon else 1_000
    result = exponent(step, states, tangents, num_steps)
    np.testing.assert_allclose(result, [expected] * 2, atol=tolerance)


@pytest.mark.parametrize("transition", ["rotation", "mlp"])
def test_the_exponent_of_a_transition_equals_the_product_of_jacobians(transition):
    config = tiny.model(transition=transition, transition_layers=2, refresh=0.2)
    init = jax.jit(functools.partial(models.init_transition, config=config))
    params = jax.tree.map(lambda leaf: 4 * leaf, init(jax.random.key(0)))
    lamp = Lamp({"transition": params}, config, steps_per_second=5.0)
    latents = jax.random.normal(jax.random.key(1), (2, 8))
    key, num_steps = jax.random.key(2), 12

    def step(latent, params, noise):
        return models.transition(params, latent[None], noise[None], config=config)[0]

    @jax.jit
    def step_and_jacobian(*args):
        return step(*args), jax.jacfwd(step)(*args)

    tangents = jax.random.normal(jax.random.fold_in(key, num_steps), latents.shape)
    expected = []
    for row, (latent, tangent) in enumerate(zip(latents, tangents, strict=True)):
        product = np.eye(8)
        for index in range(num_steps):
            noise = jax.random.normal(jax.random.fold_in(key, index), latents.shape)
            latent, matrix = step_and_jacobian(latent, params, noise[row])
            product = np.asarray(matrix, np.float64) @ product
        stretched = np.linalg.norm(product @ tangent) / np.linalg.norm(tangent)
        expected.append(np.log(stretched) / num_steps)
    exponents = jax.jit(functools.partial(lyapunov_exponent, num_steps=num_steps))
    result = exponents(lamp, latents, key)
    assert np.abs(expected).min() > 0.01
    np.testing.assert_allclose(result, expected, atol=1e-4)
