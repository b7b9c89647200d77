import dataclasses
import multiprocessing
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds

from duralava import simulation
from duralava.datasets import clips, preparation
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


def contents(builder):
    """The bytes of all records and arrays."""
    folder = pathlib.Path(builder.data_dir)
    files = [*folder.glob("*.array_record*"), *folder.glob("*.npy")]
    return {file.name: file.read_bytes() for file in files}


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
    expected = contents(builder)
    assert len(expected) == 4
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        again = _build(tmp_path)
    finally:
        os.sched_setaffinity(0, cores)
    assert contents(again) == expected


def test_broken_lamp_is_one_error_and_leaves_no_data(tmp_path):
    config = SimulatedLavaLampConfig(name="16x16", resolution=16, lamp=_LAMP)

    with pytest.raises(ValueError, match="16"):
        SimulatedLavaLamp(config=config, data_dir=tmp_path).download_and_prepare()

    assert not list(tmp_path.rglob("*4.1.0*"))
    assert not multiprocessing.active_children()


def test_broken_lamp_leaves_no_work(tmp_path):
    config = SimulatedLavaLampConfig(name="16x16", resolution=16, lamp=_LAMP)
    work_dir = tmp_path / "work"

    with pytest.raises(ValueError, match="16"):
        SimulatedLavaLamp(
            config=config, data_dir=tmp_path, work_dir=work_dir
        ).download_and_prepare()

    assert not work_dir.exists()


def test_frames_lie_on_the_disk_once(builder):
    frames = 180 * 32 * 32 * 3
    files = list(pathlib.Path(builder.data_dir).iterdir())

    # Records of a small film take some 64 KiB a split at least.
    assert frames < sum(file.stat().st_size for file in files) < 1.6 * frames
    # TFDS states the size of all that it reads.
    assert frames < builder.info.dataset_size < 1.6 * frames
    assert {file.name for file in files if file.suffix == ".npy"} == {
        "train.npy",
        "test.npy",
    }
    assert {path.name for path in pathlib.Path(builder.data_dir).parent.iterdir()} == {
        "4.1.0"
    }


def test_prepared_film_is_read_without_the_builder(builder):
    again = tfds.builder_from_directory(builder.data_dir)

    for split in ("train", "test"):
        np.testing.assert_array_equal(read(again, split), read(builder, split))
    assert again.info.metadata["fps"] == 30


_WINDOWS = SimulatedLavaLampConfig(
    name="windows",
    resolution=32,
    fps=5,
    seconds=12,
    test_seconds=6,
    lamp_seconds=3,
    window_pictures=(48, 64),
    theme="lagoon",
    lamp=dataclasses.replace(_LAMP, warm_up_seconds=0.0),
)


def prepare_windows(folder):
    builder = SimulatedLavaLamp(config=_WINDOWS, data_dir=folder)
    builder.download_and_prepare()
    return builder


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    return prepare_windows(tmp_path_factory.mktemp("windows"))


@pytest.mark.parametrize("size", [48, 64])
@pytest.mark.parametrize(
    ("split", "seeds"), [("train", [0, 2, 4, 6]), ("test", [1, 3])]
)
def test_windows_are_crops_of_the_large_pictures(windows, split, seeds, size):
    pictures = []
    for seed in seeds:
        film = next(
            simulation.film_chunks(seed, size, config=_WINDOWS.lamp, theme="lagoon")
        )
        pictures.extend(film[:90:6])
    examples = tfds.builder_from_directory(windows.data_dir).as_data_source(split)

    for example, picture in zip(examples, pictures, strict=True):
        row, column = example[f"place_{size}"]
        crop = picture[row : row + 32, column : column + 32]
        np.testing.assert_array_equal(example[f"window_{size}"], crop)


def test_windows_come_with_the_whole_frames(windows):
    metadata = windows.info.metadata
    assert (metadata["fps"], metadata["segment_frames"]) == (5, 15)
    assert metadata["window_pictures"] == [48, 64]
    expected = [
        next(simulation.film_chunks(seed, 32, config=_WINDOWS.lamp, theme="lagoon"))
        for seed in (0, 2, 4, 6)
    ]

    film = clips.load_film(
        "simulated_lava_lamp/windows",
        windows.data_dir.partition("/simulated")[0],
        "train",
    )

    assert film.fps == 5
    np.testing.assert_array_equal(
        film.frames, np.concatenate([frames[:90:6] for frames in expected])
    )


def test_film_has_the_windows_of_its_frames_at_their_places(windows):
    film = clips.load_film(
        "simulated_lava_lamp/windows",
        windows.data_dir.partition("/simulated")[0],
        "train",
        resolution=32,
    )
    examples = list(windows.as_data_source("train"))
    rng = np.random.default_rng(0)
    seen = set()
    for index in range(0, len(film.frames), 7):
        pixels, (left, top, pixel) = film.random_window(index, rng)
        size = round(1 / pixel)
        np.testing.assert_array_equal(pixels, examples[index][f"window_{size}"])
        corner = [round(top * size), round(left * size)]
        np.testing.assert_array_equal(corner, examples[index][f"place_{size}"])
        seen.add(size)
    assert seen == {48, 64}


_SCRIPT = """
import sys
import jax
sys.path.insert(0, sys.argv[1])
import simulated_lava_lamp_test

if __name__ == "__main__":
    jax.config.update("jax_compilation_cache_dir", sys.argv[2])
    simulated_lava_lamp_test.prepare_windows(sys.argv[3])
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The data folder of a program that was killed when a lamp was finished."""
    folder = tmp_path_factory.mktemp("killed")
    script = folder / "script.py"
    script.write_text(_SCRIPT)
    arguments = (
        pathlib.Path(__file__).parent,
        jax.config.jax_compilation_cache_dir,
        folder / "data",
    )
    with subprocess.Popen(
        [sys.executable, script, *map(str, arguments)], stderr=subprocess.DEVNULL
    ) as process:
        while not list(folder.rglob("*.finished")):
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return folder / "data"


def test_killed_preparation_continues_and_ends_with_the_same_bytes(
    killed, tmp_path, windows, capsys
):
    shutil.copytree(killed, tmp_path, dirs_exist_ok=True)

    again = prepare_windows(tmp_path)

    assert contents(again) == contents(windows)
    assert len(contents(again)) == 2 * 6
    # The progress bar starts with the lamps that were finished.
    assert "| 0/90" not in capsys.readouterr().err
    assert not list(tmp_path.rglob(".preparing"))


def test_prepare_simulates_only_the_missing_lamps(
    killed, tmp_path, windows, monkeypatch
):
    configs = SimulatedLavaLamp.builder_configs | {"windows": _WINDOWS}
    monkeypatch.setattr(SimulatedLavaLamp, "builder_configs", configs)
    [work_dir] = killed.rglob(".preparing")
    copy = tmp_path / ".preparing_simulated_lava_lamp_windows" / "film"
    shutil.copytree(work_dir, copy)
    (copy.parent / ".preparing_abc").mkdir()  # as a program that is killed leaves it
    # A change to a finished lamp shows that it is kept.
    finished = {int(path.stem) for path in copy.glob("*.finished")}
    first = 15 * [0, 2, 4, 6].index(min(finished & {0, 2, 4, 6}))
    changed = np.load(copy / "train.npy", mmap_mode="r+")
    changed[first] = 77
    changed.flush()

    builder, written = preparation.prepare("simulated_lava_lamp/windows", tmp_path)

    assert written
    expected = read(windows, "train")
    expected[first] = 77
    np.testing.assert_array_equal(read(builder, "train"), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["simulated_lava_lamp"]


def test_other_lamps_do_not_continue_a_killed_preparation(killed, tmp_path):
    shutil.copytree(killed, tmp_path, dirs_exist_ok=True)
    config = dataclasses.replace(
        _WINDOWS, lamp_seconds=2, seconds=2, test_seconds=2, window_pictures=()
    )

    builder = SimulatedLavaLamp(config=config, data_dir=tmp_path)
    builder.download_and_prepare()

    for split, seed in [("train", 0), ("test", 1)]:
        chunks = simulation.film_chunks(seed, 32, config=config.lamp, theme="lagoon")
        np.testing.assert_array_equal(read(builder, split), next(chunks)[:60:6])


def test_film_of_an_earlier_version_is_named(builder, tmp_path):
    old = tmp_path / "simulated_lava_lamp" / "32x32_5s" / "3.0.0"
    shutil.copytree(builder.data_dir, old)

    with pytest.raises(ValueError, match="another version") as error:
        clips.load_film("simulated_lava_lamp/32x32_5s", tmp_path, "train")

    assert str(error.value) == (
        f"{old} is film of another version of duralava; this one needs 4.1.0; prepare "
        f"it: duralava prepare --dataset=simulated_lava_lamp/32x32_5s "
        f"--data_dir={tmp_path}"
    )


def test_film_that_lies_in_records_is_named(builder, tmp_path):
    folder = tmp_path / "simulated_lava_lamp" / "32x32_5s" / "4.1.0"
    shutil.copytree(builder.data_dir, folder)
    (folder / "train.npy").unlink()

    with pytest.raises(ValueError, match=r"in records, .* anew: .* --overwrite$"):
        clips.load_film("simulated_lava_lamp/32x32_5s", tmp_path, "train")

    # The copy that earlier versions made beside the records is read.
    assert len(clips.load_film("simulated_lava_lamp/32x32_5s", tmp_path, "test").frames)


CONFIGS = SimulatedLavaLamp.builder_configs


def test_config_names_carry_resolution_and_length():
    lengths = {600: "10min", 3600: "1h"}
    assert list(CONFIGS) == [
        "64x64_10min",
        "64x64_1h",
        "128x128_1h",
        "256x256_10min",
        "256x256_1h",
        "10h",
    ]
    for name, config in CONFIGS.items():
        size = config.resolution
        if name != "10h":
            assert name == f"{size}x{size}_{lengths[config.seconds]}"


def test_lamps_of_the_hour():
    info = SimulatedLavaLamp(config="64x64_1h", data_dir="unused").info

    assert info.metadata["segment_frames"] == 150 * 30
    assert info.metadata["seeds"] == {
        "train": list(range(0, 48, 2)),
        "test": list(range(1, 17, 2)),
    }


def test_large_pictures_of_the_hour_are_ten_a_second():
    info = SimulatedLavaLamp(config="256x256_1h", data_dir="unused").info

    assert info.features["frame"].shape == (256, 256, 3)
    assert (info.metadata["fps"], info.metadata["segment_frames"]) == (10, 1500)


def test_lamps_and_windows_of_ten_hours():
    info = SimulatedLavaLamp(config="10h", data_dir="unused").info

    assert (info.metadata["fps"], info.metadata["segment_frames"]) == (5, 750)
    seeds = info.metadata["seeds"]
    assert (len(seeds["train"]), len(seeds["test"])) == (240, 24)
    assert not set(seeds["train"]) & set(seeds["test"])
    features = {name: (f.shape, f.np_dtype) for name, f in info.features.items()}
    picture = ((64, 64, 3), np.uint8)
    assert features == {
        "frame": picture,
        "window_128": picture,
        "place_128": ((2,), np.uint16),
        "window_256": picture,
        "place_256": ((2,), np.uint16),
    }


@pytest.mark.parametrize("name", CONFIGS)
def test_size_on_the_disk_is_at_most_8_gb(name):
    config = CONFIGS[name]
    features = SimulatedLavaLamp(config=name, data_dir="unused").info.features
    num_frames = (config.seconds + config.test_seconds) * config.fps
    record = 100 * len(features)

    arrays = [
        np.prod(f.shape) * np.dtype(f.np_dtype).itemsize for f in features.values()
    ]
    assert num_frames * (sum(arrays) + record) <= 8e9


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fps": 7}, "fps is 7, not a divisor of 30"),
        ({"fps": 0}, "fps is 0"),
        ({"window_pictures": (128, 48)}, "smaller than the resolution, 64"),
    ],
)
def test_config_out_of_range_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        SimulatedLavaLampConfig(name="odd", **change)
