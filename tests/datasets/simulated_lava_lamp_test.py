import dataclasses
import multiprocessing
import os
import pathlib

import jax
import numpy as np
import pytest

from duralava import simulation
from duralava.datasets import clips
from duralava.datasets.simulated_lava_lamp import (
    SimulatedLavaLamp,
    SimulatedLavaLampConfig,
)

_LAMP = simulation.LampConfig(columns=12, rows=24, warm_up_seconds=5.0)


@pytest.fixture(scope="module", autouse=True)
def kept_programs(tmp_path_factory):
    """Compiles once, for the processes of all tests."""
    folder = tmp_path_factory.mktemp("programs")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    _film(0)
    yield
    jax.config.update("jax_compilation_cache_dir", None)


def _film(seed):
    return next(simulation.film_chunks(seed, 32, config=_LAMP, theme="lagoon"))


def _build(folder):
    config = SimulatedLavaLampConfig(
        name="32x32_5s",
        resolution=32,
        seconds=5,
        test_seconds=1,
        lamp_seconds=2,
        theme="lagoon",
        lamp=_LAMP,
    )
    builder = SimulatedLavaLamp(config=config, data_dir=folder)
    builder.download_and_prepare()
    return builder


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("simulated")


@pytest.fixture(scope="module")
def builder(data_dir):
    return _build(data_dir)


def read(builder, split):
    return np.stack([example["frame"] for example in builder.as_data_source(split)])


def test_lengths_and_metadata(builder):
    assert builder.info.splits["train"].num_examples == 150
    assert builder.info.splits["test"].num_examples == 30
    metadata = builder.info.metadata
    assert metadata["fps"] == 30
    assert metadata["segment_frames"] == 60
    assert metadata["seeds"] == {"train": [0, 2, 4], "test": [1]}
    assert metadata["theme"] == "lagoon"
    assert metadata["version"] == str(SimulatedLavaLamp.VERSION)
    # All that it takes to run these lamps again.
    assert simulation.LampConfig(**metadata["lamp"]) == _LAMP
    assert metadata["lamp"] == dataclasses.asdict(_LAMP)


def test_each_split_is_the_film_of_its_lamps_in_order(builder):
    lengths = {"train": [60, 60, 30], "test": [30]}
    for split, seeds in builder.info.metadata["seeds"].items():
        expected = [
            next(simulation.film_chunks(seed, 32, config=_LAMP, theme="lagoon"))[
                :length
            ]
            for seed, length in zip(seeds, lengths[split], strict=True)
        ]
        np.testing.assert_array_equal(read(builder, split), np.concatenate(expected))


def test_each_lamp_is_another(builder):
    films = [*np.split(read(builder, "train"), [60, 120]), read(builder, "test")]

    for index, film in enumerate(films):
        for other in films[:index]:
            assert np.abs(film[:30].astype(int) - other[:30]).mean() > 0.1


def test_clips_know_the_cuts(builder, data_dir):
    film = clips.load_film("simulated_lava_lamp/32x32_5s", data_dir, "train")

    assert film.segment_frames == 60


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="the system does not bind to cores"
)
def test_bytes_are_the_same_again_and_on_one_core(builder, tmp_path):
    def records(folder):
        files = pathlib.Path(folder).rglob("*.array_record*")
        return {file.name: file.read_bytes() for file in files}

    expected = records(builder.data_dir)
    assert len(expected) == 2
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        again = _build(tmp_path)
    finally:
        os.sched_setaffinity(0, cores)
    assert records(again.data_dir) == expected


def test_broken_lamp_is_one_error_and_leaves_no_data(tmp_path):
    config = SimulatedLavaLampConfig(name="16x16", resolution=16, lamp=_LAMP)

    with pytest.raises(ValueError, match="16"):
        SimulatedLavaLamp(config=config, data_dir=tmp_path).download_and_prepare()

    assert not list(tmp_path.rglob("*3.0.0*"))
    assert not multiprocessing.active_children()


def test_config_names_carry_resolution_and_length():
    lengths = {600: "10min", 3600: "1h"}
    configs = SimulatedLavaLamp.builder_configs
    assert list(configs) == ["64x64_10min", "64x64_1h", "128x128_1h", "256x256_10min"]
    for name, config in configs.items():
        size = config.resolution
        assert name == f"{size}x{size}_{lengths[config.seconds]}"


def test_lamps_of_the_hour():
    info = SimulatedLavaLamp(config="64x64_1h", data_dir="unused").info

    assert info.metadata["segment_frames"] == 300 * 30
    assert info.metadata["seeds"] == {
        "train": list(range(0, 24, 2)),
        "test": [1, 3, 5, 7],
    }
