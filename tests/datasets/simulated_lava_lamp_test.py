import numpy as np
import pytest

from duralava import simulation
from duralava.datasets.simulated_lava_lamp import (
    SimulatedLavaLamp,
    SimulatedLavaLampConfig,
)


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    config = SimulatedLavaLampConfig(
        name="16x16_2s", resolution=16, seconds=2, test_seconds=1
    )
    builder = SimulatedLavaLamp(
        config=config, data_dir=tmp_path_factory.mktemp("simulated")
    )
    builder.download_and_prepare()
    return builder


def read(builder, split):
    return np.stack([example["frame"] for example in builder.as_data_source(split)])


def test_lengths_and_metadata(builder):
    assert builder.info.splits["train"].num_examples == 60
    assert builder.info.splits["test"].num_examples == 30
    assert builder.info.metadata["fps"] == 30
    assert builder.info.metadata["seeds"] == {"train": 0, "test": 1}
    assert builder.info.metadata["version"] == "1.0.0"


def test_train_is_the_film_of_the_first_seed_in_order(builder):
    expected = next(simulation.film_chunks(0, 16))[:60]

    np.testing.assert_array_equal(read(builder, "train"), expected)


def test_test_shows_another_lamp(builder):
    train, test = read(builder, "train"), read(builder, "test")

    assert test.shape == (30, 16, 16, 3)
    assert np.abs(train[:30].astype(int) - test).mean() > 1


def test_config_names_carry_resolution_and_length():
    for name, config in SimulatedLavaLamp.builder_configs.items():
        size, minutes = config.resolution, config.seconds // 60
        assert name == f"{size}x{size}_{minutes}min"
