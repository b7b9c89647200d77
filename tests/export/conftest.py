import functools

import jax
import numpy as np
import pytest

from duralava import models
from duralava.config import Config, DataConfig, ModelConfig
from duralava.pretrained import Pretrained

ROTATION = ModelConfig(
    resolution=16,
    latent_size=8,
    generator_hidden=16,
    generator_channels=(12, 8),
    transition_layers=2,
    transition_hidden=8,
    refresh=0.3,
)
MLP = ModelConfig(
    resolution=16,
    latent_size=8,
    generator_hidden=0,
    generator_channels=(8,),
    generator_background=False,
    pixel_norm=False,
    transition="mlp",
    transition_layers=3,
    transition_hidden=8,
)


@pytest.fixture(scope="session", params=[ROTATION, MLP], ids=["rotation", "mlp"])
def lamp(request):
    """A lamp that no one has trained: its pictures are noise, and it moves fast."""
    shapes = jax.eval_shape(
        functools.partial(models.init_lamp, config=request.param, with_encoder=False),
        jax.random.key(0),
    )
    generator = np.random.default_rng(1)
    params = jax.tree.map(
        lambda leaf: np.float32(0.3 * generator.normal(size=leaf.shape)), shapes
    )
    return Pretrained(params, Config(DataConfig(frame_stride=3), request.param))


@pytest.fixture
def arrays():
    """Returns standard normal latents and noise f32[n, Z]."""

    def draw(n, size):
        return np.random.default_rng(2).standard_normal((2, n, size)).astype(np.float32)

    return draw
