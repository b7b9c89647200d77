import jax
import pytest

from duralava import models
from duralava.config import Config, ModelConfig
from duralava.live.show import Show
from duralava.pretrained import Pretrained

MODEL = ModelConfig(
    resolution=16,
    latent_size=8,
    generator_hidden=16,
    generator_channels=(8,),
    transition_layers=2,
    transition_hidden=8,
    refresh=0.3,
)


@pytest.fixture(scope="session")
def two_checkpoints():
    """Two small lamps by name."""
    init = jax.jit(models.init_lamp, static_argnames=("config", "with_encoder"))
    return {
        name: Pretrained(
            init(jax.random.key(seed), config=MODEL, with_encoder=False),
            Config(model=MODEL),
        )
        for seed, name in enumerate(("first", "second"))
    }


@pytest.fixture
def lamp(two_checkpoints):
    """A show of the first lamp, at 50 frames per second."""
    return Show(two_checkpoints, fps=50, seed=3)
