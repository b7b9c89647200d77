import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from random_params import random_params

from duralava import models
from duralava.models import critics

CONFIG = tiny.CRITICS
NUM_FRAMES = 3

still_critic = jax.jit(models.still_critic, static_argnames="config")
motion_critic = jax.jit(models.motion_critic, static_argnames="config")


def random_still_critic(**changes):
    config = tiny.model(**(vars(CONFIG) | changes))
    init = functools.partial(models.init_still_critic, config=config)
    return random_params(init, scale=0.3), config


def random_motion_critic():
    init = functools.partial(
        models.init_motion_critic, num_frames=NUM_FRAMES, config=CONFIG
    )
    return random_params(init, scale=0.3)


def random_pictures(*shape):
    return jnp.tanh(tiny.normal(2, *shape, 3))


def places(left=0.25, pixel=1 / 32, count=4):
    return models.Window(*(jnp.full(count, x) for x in (left, 0.5, pixel)))


def test_each_window_has_a_logit_that_depends_on_its_place_and_scale():
    params, config = random_still_critic()
    windows = random_pictures(4, 16, 16)
    logits = [
        still_critic(params, windows, place, config=config)
        for place in (places(), places(left=0.3), places(pixel=1 / 64))
    ]
    assert logits[0].shape == (4,)
    for other in logits[1:]:
        assert np.abs(other - logits[0]).min() > 1e-4
    assert np.std(logits[0]) > 1e-3


def test_windows_are_compared_within_their_group_only():
    params, config = random_still_critic()
    windows = random_pictures(4, 16, 16)
    before, after = (
        still_critic(params, some, places(), config=config)
        for some in (windows, windows.at[3].set(windows[2]))
    )
    changed = np.abs(after - before)
    np.testing.assert_allclose(changed[:2], 0.0, atol=1e-5)
    assert np.all(changed[2:] > 1e-4)


def test_without_groups_each_window_is_scored_by_itself():
    params, config = random_still_critic(still_group=1)
    windows = random_pictures(4, 16, 16)
    before, after = (
        still_critic(params, some, places(), config=config)
        for some in (windows, windows.at[3].set(0.5))
    )
    np.testing.assert_allclose(after[:3], before[:3], atol=1e-5)


def test_group_deviation_by_hand():
    """Two features at one pixel: deviations 3 and 1 in the first group, 0 and 5."""
    x = np.array([[0, 2], [6, 4], [7, 0], [7, 10]], np.float32).reshape(4, 1, 1, 2)
    wide = critics.with_group_deviation(jnp.asarray(x), 2)
    np.testing.assert_array_equal(wide[..., :2], x)
    np.testing.assert_allclose(wide[:, 0, 0, 2], [2, 2, 2.5, 2.5], rtol=1e-4)


def test_group_deviation_of_equal_pictures_has_a_finite_gradient():
    gradient = jax.grad(lambda x: critics.with_group_deviation(x, 2).sum())
    assert np.isfinite(gradient(jnp.ones((2, 1, 1, 3)))).all()


def test_fourier_features_by_hand():
    features = critics.fourier_features(jnp.array([[0.5, 0.25]]))
    angles = np.pi * np.array([0.5, 1, 2, 4, 0.25, 0.5, 1, 2])
    expected = [0.5, 0.25, *np.sin(angles), *np.cos(angles)]
    np.testing.assert_allclose(features[0], expected, atol=1e-5)


def test_each_clip_is_scored_by_itself_with_its_spacing():
    params = random_motion_critic()
    clips = random_pictures(NUM_FRAMES, 2, 8, 8)
    spacing = jnp.array([0.2, 2.0])
    logits, beside_grey, faster = (
        motion_critic(params, some, times, config=CONFIG)
        for some, times in (
            (clips, spacing),
            (clips.at[:, 1].set(0), spacing),
            (clips, jnp.array([0.2, 0.4])),
        )
    )
    assert logits.shape == (2,)
    np.testing.assert_allclose(beside_grey[0], logits[0], atol=1e-5)
    np.testing.assert_allclose(faster[0], logits[0], atol=1e-5)
    assert abs(beside_grey[1] - logits[1]) > 1e-3
    assert abs(faster[1] - logits[1]) > 1e-4


def test_a_clip_backwards_has_another_logit():
    params = random_motion_critic()
    clips = random_pictures(NUM_FRAMES, 2, 8, 8)
    spacing = jnp.ones(2)
    forwards, backwards = (
        motion_critic(params, some, spacing, config=CONFIG)
        for some in (clips, clips[::-1])
    )
    assert np.abs(forwards - backwards).min() > 1e-4


@pytest.mark.parametrize("blocks", [(0,), (2,)])
def test_fresh_blocks_change_nothing(blocks):
    """The scale of fresh logits does not depend on the number of blocks."""
    config = tiny.model(**(vars(CONFIG) | {"still_blocks": blocks}))
    params = models.init_still_critic(jax.random.key(0), config=config)
    blocks_of = {name: leaf for name, leaf in params.items() if "Residual" in name}
    assert len(blocks_of) == blocks[0]
    shared = {name: leaf for name, leaf in params.items() if "Residual" not in name}
    plain = tiny.model(**(vars(CONFIG) | {"still_blocks": (0,)}))
    windows = random_pictures(4, 16, 16)
    np.testing.assert_array_equal(
        still_critic(params, windows, places(), config=config),
        still_critic(shared, windows, places(), config=plain),
    )


def test_bfloat16_convolutions_give_nearly_the_logits_of_float32():
    params, config = random_still_critic()
    _, rounded = random_still_critic(critic_dtype="bfloat16")
    windows = random_pictures(4, 16, 16)
    exact, close = (
        still_critic(params, windows, places(), config=used)
        for used in (config, rounded)
    )
    assert close.dtype == jnp.float32
    difference = np.abs(exact - close).max()
    assert 0 < difference < 0.05 * np.abs(exact).max()
