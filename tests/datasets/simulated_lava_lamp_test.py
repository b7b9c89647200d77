import dataclasses
import pathlib

import numpy as np
import pytest

from duralava import simulation
from duralava.datasets.simulated_lava_lamp import (
    SimulatedLavaLamp,
    SimulatedLavaLampConfig,
)

_LAMP = simulation.LampConfig(columns=12, rows=24, warm_up_seconds=5.0)


def _build(folder):
    config = SimulatedLavaLampConfig(
        name="32x32_2s",
        resolution=32,
        seconds=2,
        test_seconds=1,
        theme="lagoon",
        lamp=_LAMP,
    )
    builder = SimulatedLavaLamp(config=config, data_dir=folder)
    builder.download_and_prepare()
    return builder


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    return _build(tmp_path_factory.mktemp("simulated"))


def read(builder, split):
    return np.stack([example["frame"] for example in builder.as_data_source(split)])


def test_lengths_and_metadata(builder):
    assert builder.info.splits["train"].num_examples == 60
    assert builder.info.splits["test"].num_examples == 30
    metadata = builder.info.metadata
    assert metadata["fps"] == 30
    assert metadata["seeds"] == {"train": 0, "test": 1}
    assert metadata["theme"] == "lagoon"
    assert metadata["version"] == str(SimulatedLavaLamp.VERSION)
    # All that it takes to run this lamp again.
    assert simulation.LampConfig(**metadata["lamp"]) == _LAMP
    assert metadata["lamp"] == dataclasses.asdict(_LAMP)


def test_train_is_the_film_of_the_first_seed_in_order(builder):
    film = simulation.film_chunks(0, 32, config=_LAMP, theme="lagoon")

    np.testing.assert_array_equal(read(builder, "train"), next(film)[:60])


def test_test_shows_another_lamp(builder):
    train, test = read(builder, "train"), read(builder, "test")

    assert test.shape == (30, 32, 32, 3)
    assert np.abs(train[:30].astype(int) - test).mean() > 0.1


def test_building_again_gives_the_same_bytes(builder, tmp_path):
    def records(folder):
        files = pathlib.Path(folder).rglob("*.array_record*")
        return {file.name: file.read_bytes() for file in files}

    expected = records(builder.data_dir)
    assert len(expected) == 2
    assert records(_build(tmp_path).data_dir) == expected


def test_config_names_carry_resolution_and_length():
    lengths = {600: "10min", 3600: "1h"}
    configs = SimulatedLavaLamp.builder_configs
    assert list(configs) == ["64x64_10min", "64x64_1h", "128x128_1h", "256x256_10min"]
    for name, config in configs.items():
        size = config.resolution
        assert name == f"{size}x{size}_{lengths[config.seconds]}"
