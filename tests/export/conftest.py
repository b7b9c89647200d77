import dataclasses
import functools

import jax
import numpy as np
import pytest
import tiny
from random_params import random_params

from duralava import models
from duralava.lamp import Lamp

CONFIGS = {
    "rotation": tiny.model(
        generator_hidden=16,
        generator_channels=(12, 8),
        transition_layers=2,
        refresh=0.3,
    ),
    "field": dataclasses.replace(
        tiny.FIELD, generator_hidden=16, generator_channels=(12, 8), refresh=0.3
    ),
    "mlp": tiny.model(
        generator_background=False,
        pixel_norm=False,
        transition="mlp",
        transition_layers=3,
    ),
}


@pytest.fixture(scope="session", params=CONFIGS)
def lamp(request):
    """An untrained lamp with large parameters, so that it moves fast."""
    config = CONFIGS[request.param]
    init = functools.partial(models.init_networks, config=config, with_encoder=False)
    params = jax.tree.map(np.asarray, random_params(init, scale=0.3))
    return Lamp(params, config, steps_per_second=10.0)


@pytest.fixture
def arrays():
    """Returns a function that samples standard normal latents and noise f32[n, Z]."""

    def latents_and_noise(n, size):
        return np.random.default_rng(2).standard_normal((2, n, size)).astype(np.float32)

    return latents_and_noise
