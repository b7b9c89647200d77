import pytest
import tiny

from duralava.live.show import Show


@pytest.fixture(scope="session")
def two_checkpoints():
    """Two small lamps by name."""
    return {
        name: tiny.lamp(
            seed=seed,
            with_encoder=False,
            generator_hidden=16,
            transition_layers=2,
            refresh=0.3,
        )
        for seed, name in enumerate(("first", "second"))
    }


@pytest.fixture
def lamp(two_checkpoints):
    """A show of the first lamp, at 50 frames per second."""
    return Show(two_checkpoints, fps=50, seed=3)
