import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from random_params import random_params
from scipy import stats
from tiny import normal

from duralava import models, weights
from duralava.models.transition import longest_latent, pair_changes
from duralava.training import loop

ROTATION = tiny.model(transition_layers=2)
REFRESHED = dataclasses.replace(ROTATION, refresh=0.3)
MLP = dataclasses.replace(ROTATION, transition="mlp")
ALL = pytest.mark.parametrize(
    "config", [ROTATION, REFRESHED, MLP], ids=["rotation", "refreshed", "mlp"]
)

transition = jax.jit(models.transition, static_argnames="config")
rollout = jax.jit(models.rollout, static_argnames=("num_steps", "config"))


def transition_params(config):
    """Returns parameters for which a latent moves far in a step."""
    init = functools.partial(models.init_transition, config=config)
    return random_params(init, scale=0.5)


def assert_standard_normal(samples):
    """Asserts that moments are within 5 standard errors of those of N(0, I)."""
    z = np.asarray(samples, np.float64)
    count, size = z.shape
    error = 5 / np.sqrt(count)
    # Variances for N(0, 1): of z 1, of z_i z_j 1, of z^2 2, of z^3 15, of z^4 96.
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=error)
    covariance = z.T @ z / count
    diagonal = np.eye(size, dtype=bool)
    np.testing.assert_allclose(covariance[~diagonal], 0, atol=error)
    np.testing.assert_allclose(covariance[diagonal], 1, atol=error * np.sqrt(2))
    np.testing.assert_allclose((z**3).mean(axis=0), 0, atol=error * np.sqrt(15))
    np.testing.assert_allclose((z**4).mean(axis=0), 3, atol=error * np.sqrt(96))
    # Independence beyond correlation: E z_i^2 z_j^2 = 1, of variance 9 - 1.
    squares = (z**2).T @ z**2 / count
    np.testing.assert_allclose(squares[~diagonal], 1, atol=error * np.sqrt(8))


def test_pairs_rotate_like_complex_numbers():
    x, angles = normal(0, 5, 6), normal(1, 5, 3)
    rotated = x + pair_changes(x, angles)
    expected = (x[:, :3] + 1j * x[:, 3:]) * jnp.exp(1j * angles)
    np.testing.assert_allclose(rotated[:, :3], expected.real, atol=1e-5)
    np.testing.assert_allclose(rotated[:, 3:], expected.imag, atol=1e-5)


def test_small_rotations_are_as_accurate_as_large_ones():
    x, angles = np.asarray(normal(0, 5, 6)), np.asarray(1e-4 * normal(1, 5, 3))
    z = x.astype(np.float64)
    expected = (z[:, :3] + 1j * z[:, 3:]) * np.expm1(1j * angles.astype(np.float64))
    change = pair_changes(x, angles)
    # Each is a sum of two terms; the larger one has about the size of the angle.
    np.testing.assert_allclose(change[:, :3], expected.real, atol=1e-10)
    np.testing.assert_allclose(change[:, 3:], expected.imag, atol=1e-10)


def test_a_rotation_keeps_norms_and_moves_latents_far():
    latents = normal(2, 16, 8)
    moved = transition(
        transition_params(ROTATION), latents, jnp.zeros_like(latents), config=ROTATION
    )
    np.testing.assert_allclose(
        jnp.linalg.norm(moved, axis=-1), jnp.linalg.norm(latents, axis=-1), rtol=1e-5
    )
    assert jnp.linalg.norm(moved - latents, axis=-1).min() > 0.5


def test_angles_of_zero_leave_a_latent_unchanged_in_any_basis():
    params = transition_params(ROTATION)
    params["turn"] = jax.tree.map(jnp.zeros_like, params["turn"])
    latents = normal(2, 16, 8)
    moved = transition(params, latents, jnp.zeros_like(latents), config=ROTATION)
    np.testing.assert_allclose(moved, latents, atol=1e-5)


def test_bases_make_all_values_depend_on_all():
    """Without them, a layer only rotates pairs of one half by the other half."""
    one = dataclasses.replace(ROTATION, transition_layers=1)
    params, latent = transition_params(one), normal(2, 8)

    def influences(params):
        def step(z):
            return models.transition(params, z[None], z[None], config=one)[0]

        return np.abs(np.asarray(jax.jacfwd(step)(latent))) > 1e-4

    assert influences(params).all()
    plain = params | {"basis": jnp.zeros_like(params["basis"])}
    assert not influences(plain).all()


def test_a_rotation_keeps_volume():
    # In double precision, because the derivatives are large.
    with jax.enable_x64():
        params = jax.tree.map(
            lambda leaf: jnp.asarray(leaf, jnp.float64), transition_params(ROTATION)
        )

        def step(latent):
            batch = latent[None]
            return models.transition(params, batch, 0 * batch, config=ROTATION)[0]

        jacobians = jax.jit(jax.vmap(jax.jacfwd(step)))(
            jnp.asarray(normal(2, 4, 8), jnp.float64)
        )
        assert jacobians.dtype == jnp.float64
        sign, log_determinant = jnp.linalg.slogdet(jacobians)
        jacobians, sign = np.asarray(jacobians), np.asarray(sign)
        log_determinant = np.asarray(log_determinant)
    np.testing.assert_allclose(log_determinant, 0, atol=1e-8)
    np.testing.assert_array_equal(np.abs(sign), 1)
    # The derivative is not orthogonal, so the map is not one fixed rotation.
    product = np.swapaxes(jacobians, 1, 2) @ jacobians
    assert np.abs(product - np.eye(8)).max() > 0.5


@pytest.mark.parametrize("config", [ROTATION, REFRESHED], ids=["rotation", "refreshed"])
def test_standard_normal_latents_stay_standard_normal(config):
    samples = normal(3, 40_000, 8)
    final, _ = rollout(
        transition_params(config),
        samples,
        jax.random.key(4),
        0,
        num_steps=10,
        config=config,
    )
    assert jnp.abs(final - samples).mean() > 0.5
    assert_standard_normal(final)


def test_refresh_adds_its_share_of_noise():
    params, latents, noise = (
        transition_params(ROTATION),
        normal(5, 3, 8),
        normal(6, 3, 8),
    )
    moved = transition(params, latents, noise, config=ROTATION)
    refreshed = transition(params, latents, noise, config=REFRESHED)
    # sqrt(1 - 0.3^2) = 0.9539392
    np.testing.assert_allclose(refreshed, 0.9539392 * moved + 0.3 * noise, atol=1e-5)


def test_noise_has_no_effect_without_refresh():
    params, latents = transition_params(ROTATION), normal(5, 3, 8)
    quiet = transition(params, latents, jnp.zeros((3, 8)), config=ROTATION)
    loud = transition(params, latents, normal(6, 3, 8), config=ROTATION)
    np.testing.assert_array_equal(quiet, loud)


@ALL
def test_each_lamp_moves_independently(config):
    params, latents, noise = transition_params(config), normal(5, 3, 8), normal(6, 3, 8)
    together = transition(params, latents, noise, config=config)
    for i in range(3):
        alone = transition(params, latents[i : i + 1], noise[i : i + 1], config=config)
        np.testing.assert_allclose(alone[0], together[i], rtol=1e-4, atol=1e-5)


def mlp_by_hand(params, latents):
    assert set(params) == {"Dense_0", "Dense_1", "Dense_2"}
    x = latents
    for name in ("Dense_0", "Dense_1"):
        x = x @ params[name]["kernel"] + params[name]["bias"]
        x = jnp.where(x > 0, x, 0.2 * x)
    return latents + x @ params["Dense_2"]["kernel"] + params["Dense_2"]["bias"]


def test_an_mlp_adds_the_output_of_its_network():
    params, latents = transition_params(MLP), normal(5, 3, 8)
    moved = transition(params, latents, 0 * latents, config=MLP)
    expected = mlp_by_hand(params, latents)
    assert jnp.linalg.norm(expected, axis=-1).max() < longest_latent(8)
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-5)


def test_an_mlp_shortens_latents_that_are_longer_than_normal_ones_ever_are():
    assert stats.chi2.sf(longest_latent(8) ** 2, 8) < 1e-8
    params, latents = transition_params(MLP), 2 * normal(5, 64, 8)
    moved = transition(params, latents, 0 * latents, config=MLP)
    expected = mlp_by_hand(params, latents)
    lengths = jnp.linalg.norm(expected, axis=-1, keepdims=True)
    assert lengths.min() < longest_latent(8) < lengths.max()
    expected *= jnp.minimum(1, longest_latent(8) / lengths)
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_an_mlp_is_finite_at_the_origin():
    params, zero = transition_params(MLP), jnp.zeros((1, 8))
    params = jax.tree.map(jnp.zeros_like, params)
    gradient = jax.grad(lambda z: transition(params, z, z, config=MLP).sum())(zero)
    np.testing.assert_array_equal(gradient, 1)


def speeds(config):
    """Returns |z_{t+1} - z_t| / |z_t| of 64 lamps with fresh parameters."""
    params = jax.jit(models.init_transition, static_argnames="config")(
        jax.random.key(0), config=config
    )
    latents = normal(5, 64, config.latent_size)
    moved = transition(params, latents, 0 * latents, config=config)
    distance = jnp.linalg.norm(moved - latents, axis=-1)
    return distance / jnp.linalg.norm(latents, axis=-1)


@pytest.mark.parametrize("config", [ROTATION, MLP], ids=["rotation", "mlp"])
def test_a_fresh_transition_moves_slowly(config):
    assert jnp.min(speeds(config)) > 0.001
    assert jnp.mean(speeds(config)) < 0.2


def test_a_wide_network_starts_as_slowly_as_a_narrow_one():
    narrow, wide = (
        dataclasses.replace(MLP, latent_size=64, transition_hidden=width)
        for width in (32, 512)
    )
    assert 0.7 < jnp.mean(speeds(wide)) / jnp.mean(speeds(narrow)) < 1.4


def test_norms_are_kept_for_twenty_thousand_steps():
    latents = normal(7, 3, 8)
    final, trajectory = rollout(
        transition_params(ROTATION),
        latents,
        jax.random.key(0),
        0,
        num_steps=20_000,
        config=ROTATION,
    )
    before, after = (jnp.linalg.norm(z, axis=-1) for z in (latents, final))
    np.testing.assert_allclose(after, before, rtol=2e-5)
    # The lamp is still moving.
    assert jnp.linalg.norm(final - trajectory[-1], axis=-1).min() > 0.1


def test_an_unknown_transition_is_an_error_that_lists_the_known_ones():
    config = tiny.model(transition="drift")
    message = "model.transition is 'drift'; it can be one of rotation, mlp"
    with pytest.raises(ValueError, match=message):
        models.init_transition(jax.random.key(0), config=config)
    with pytest.raises(ValueError, match=message):
        models.transition({}, normal(0, 1, 8), normal(1, 1, 8), config=config)


def test_a_transition_registered_from_outside_is_trained_and_rendered(
    monkeypatch, tiny_data_dir, tmp_path
):
    """Each pair of latent values rotates by one learned angle."""

    def init(key, config):
        return {"angles": 0.3 * jax.random.normal(key, (config.latent_size // 2,))}

    def move(params, config):
        return lambda latents: latents + pair_changes(latents, params["angles"])

    monkeypatch.setitem(models.TRANSITIONS, "rigid", models.Transition(init, move))
    config = dataclasses.replace(
        tiny.CONFIG,
        model=tiny.model(transition="rigid", refresh=0.1),
        loss=tiny.ENCODER_LOSS,
        training=dataclasses.replace(tiny.CONFIG.training, num_steps=4),
    )
    state = loop.train(config, tmp_path, data_dir=tiny_data_dir)
    lamp = weights.load(tmp_path)
    assert lamp.config == config.model
    averaged = lamp.params["transition"]["angles"]
    np.testing.assert_array_equal(averaged, state.ema["transition"]["angles"])
    # Training changes the angles: their average differs from the latest ones.
    assert np.abs(averaged - state.generator["transition"]["angles"]).max() > 1e-5
    film = np.stack(list(lamp.film(seconds=1, fps=5)))
    assert film.shape == (5, 16, 16, 3)
    assert np.abs(np.diff(film.astype(np.int32), axis=0)).max(axis=(1, 2, 3)).min() > 0
