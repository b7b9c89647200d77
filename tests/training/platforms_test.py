"""Lowers programs for devices that this machine does not have."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
import tiny
from jax import export

from duralava import models
from duralava.datasets.clips import batch_of
from duralava.training import discriminator
from duralava.training.state import init_train_state
from duralava.training.step import train_step

PLATFORMS = ("cpu", "cuda", "rocm", "tpu", "METAL", "metal", "mps")
KEY = jax.random.key(0)


def lower(function, *arguments, platforms=PLATFORMS):
    return export.export(jax.jit(function), platforms=platforms)(*arguments)


def step_and_arguments(loss, model=tiny.MODEL, **training):
    config = dataclasses.replace(
        tiny.CONFIG,
        data=dataclasses.replace(tiny.CONFIG.data, windows=2),
        loss=loss,
        model=model,
        training=dataclasses.replace(tiny.CONFIG.training, **training),
    )
    state = jax.eval_shape(functools.partial(init_train_state, config=config), KEY)
    batch = batch_of(np.zeros((4, 2, 16, 16, 3), np.uint8))._replace(
        windows=np.zeros((2, 16, 16, 3), np.uint8), places=np.ones((2, 3), np.float32)
    )
    return functools.partial(train_step, config=config), state, batch, KEY


@pytest.mark.parametrize(
    ("loss", "model"),
    [
        (tiny.CONFIG.loss, tiny.MODEL),
        (tiny.ENCODER_LOSS, tiny.FIELD),
        (tiny.CRITICS_LOSS, tiny.CRITICS),
    ],
    ids=["discriminator", "encoder", "critics"],
)
def test_a_training_step_is_lowered_for_other_devices(loss, model):
    exported = lower(*step_and_arguments(loss, model))
    assert exported.platforms == PLATFORMS
    names = {str(aval.dtype) for aval in exported.out_avals}
    assert names == {"float32", "int32", "bool"}


def test_only_a_cpu_computes_the_adversary_in_parts(monkeypatch):
    monkeypatch.setattr(discriminator, "_FRAMES_IN_CACHE", 4)  # those of one clip

    def loops(platform, **training):
        arguments = step_and_arguments(tiny.CONFIG.loss, **training)
        return lower(*arguments, platforms=(platform,)).mlir_module().count(".while")

    for platform, more in (("cpu", 1), ("cuda", 0)):
        assert loops(platform) == loops(platform, clips_at_once=2) + more


def test_the_networks_of_a_lamp_are_lowered_for_other_devices():
    lamp = tiny.lamp(of=tiny.FIELD)
    config, generator = lamp.config, lamp.params["generator"]
    latents = np.zeros((2, 8), np.float32)
    features = np.zeros((2, 16, 16, 6), np.float32)
    roll = functools.partial(models.rollout, num_steps=3, config=config)
    trunk = functools.partial(models.features, config=config)
    head = functools.partial(models.colour, size=24, config=config)
    for function, *arguments in (
        (roll, lamp.params["transition"], latents, KEY, 0),
        (trunk, generator, latents),
        (head, generator, features),
        (lambda z: lamp.generate(z, size=24), latents),
    ):
        assert lower(function, *arguments).platforms == PLATFORMS
