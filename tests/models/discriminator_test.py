import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from random_params import random_params

from duralava import models
from duralava.models.discriminator import Memory
from duralava.models.layers import FrameCode

# A code of another size than the hidden layers, so that swapped sizes are noticed.
SHIFT = tiny.model(
    discriminator_channels=(8, 8), discriminator_code=6, discriminator_time="shift"
)
RECURRENT = dataclasses.replace(SHIFT, discriminator_time="recurrent")
BOTH = pytest.mark.parametrize("config", [SHIFT, RECURRENT], ids=["shift", "recurrent"])

NUM_STEPS = 16
MIDDLE = 8

discriminate = jax.jit(models.discriminate, static_argnames="config")


def discriminator_params(config):
    init = functools.partial(models.init_discriminator, config=config)
    return random_params(init, scale=0.3)


def random_clips():
    return jnp.tanh(tiny.normal(2, NUM_STEPS, 2, 16, 16, 3))


def change_of_logits(config, steps):
    """Returns |change| of each step's logits when the frames of `steps` are negated."""
    params, clips = discriminator_params(config), random_clips()
    changed = clips.at[steps].multiply(-1)
    before, after = (
        discriminate(params, both, config=config) for both in (clips, changed)
    )
    return np.asarray(jnp.abs(after - before).max(axis=1))


@BOTH
def test_each_step_of_each_clip_has_a_logit(config):
    logits = discriminate(discriminator_params(config), random_clips(), config=config)
    assert logits.shape == (NUM_STEPS, 2)
    assert jnp.all(jnp.isfinite(logits))
    assert jnp.std(logits) > 0.01


@BOTH
def test_each_clip_is_scored_independently(config):
    params, clips = discriminator_params(config), random_clips()
    together = discriminate(params, clips, config=config)
    beside_black, swapped = (
        discriminate(params, other, config=config)
        for other in (clips.at[:, 1].set(-1), clips[:, ::-1])
    )
    np.testing.assert_allclose(beside_black[:, 0], together[:, 0], atol=1e-5)
    np.testing.assert_allclose(swapped[:, ::-1], together, atol=1e-5)
    assert jnp.abs(beside_black[:, 1] - together[:, 1]).max() > 0.01


def test_a_logit_of_the_recurrent_discriminator_depends_on_earlier_steps_only():
    change = change_of_logits(RECURRENT, slice(MIDDLE, None))
    np.testing.assert_allclose(change[:MIDDLE], 0.0, atol=1e-6)
    assert change[MIDDLE] > 1e-3


def test_the_memory_keeps_the_first_frame_for_later_steps():
    change = change_of_logits(RECURRENT, 0)
    assert np.all(change[:4] > 1e-5)


def test_the_recurrent_discriminator_equals_a_loop():
    params, clips = discriminator_params(RECURRENT), random_clips()
    hidden, size = RECURRENT.discriminator_hidden, RECURRENT.discriminator_code

    def dense(name, x):
        return x @ params[name]["kernel"] + params[name]["bias"]

    def leaky(x):
        return jnp.where(x > 0, x, 0.2 * x)

    frame_code = FrameCode(RECURRENT.discriminator_channels)
    codes = jax.jit(frame_code.apply)({"params": params["FrameCode_0"]}, clips)
    codes = dense("Dense_0", codes)
    update = jax.jit(Memory(hidden, size).apply)
    memory, expected = jnp.zeros((2, size)), []
    for code in codes:
        memory = update({"params": params["Memory_0"]}, code, memory)
        expected.append(dense("Dense_2", leaky(dense("Dense_1", memory)))[:, 0])
    logits = discriminate(params, clips, config=RECURRENT)
    np.testing.assert_allclose(logits, jnp.stack(expected), rtol=1e-3, atol=1e-4)


def test_the_reach_of_shifts_is_their_sum():
    change = change_of_logits(SHIFT, MIDDLE)
    # The two layers shift by 1 each, then the code is shifted by 1 and by 3.
    reach = 1 + 1 + 1 + 3
    assert np.all(change[MIDDLE - 2 : MIDDLE + 3] > 1e-5)
    outside = np.abs(np.arange(NUM_STEPS) - MIDDLE) > reach
    assert outside.sum() == 3
    np.testing.assert_allclose(change[outside], 0.0, atol=1e-6)
    assert change[MIDDLE - reach] > 0 and change[MIDDLE + reach] > 0
