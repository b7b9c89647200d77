import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from duralava.datasets.lava_lamp import LavaLamp
from duralava.datasets.lava_lamp.lava_lamp import LavaLampConfig
from duralava.rendering import writers

NUM_FRAMES = 25
TINY = LavaLampConfig(name="8x8", resolution=8)


def film():
    """Frame i is a plain gray of 10 i."""
    return [np.full((16, 24, 3), 10 * index, np.uint8) for index in range(NUM_FRAMES)]


def prepare(data_dir, config=TINY, *, manual_dir=None, source=None):
    builder = LavaLamp(config=config, data_dir=data_dir, source=source)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
    )
    return builder


def grays(builder, split):
    return [example["frame"][0, 0, 0] for example in builder.as_data_source(split)]


@pytest.fixture
def manual_dir(tmp_path):
    folder = tmp_path / "manual"
    folder.mkdir()
    return folder


def save_mov(folder):
    writers.write_frames(folder / "film.mp4", iter(film()), fps=20)
    (folder / "film.mp4").rename(folder / "lavalamp.mov")
    (folder / "notes.txt").write_text("beside the film")


def save_one_video(folder):
    writers.write_frames(folder / "any.apng", iter(film()), fps=20)


def save_images(folder):
    for index, frame in enumerate(film()):
        Image.fromarray(frame).save(folder / f"{index}.png")


@pytest.mark.parametrize(
    ("save", "fps"), [(save_mov, 20), (save_one_video, 20), (save_images, 30)]
)
def test_first_nine_tenths_are_train_and_the_rest_test(tmp_path, manual_dir, save, fps):
    save(manual_dir)

    builder = prepare(tmp_path / "data", manual_dir=manual_dir)

    train, test = grays(builder, "train"), grays(builder, "test")
    assert (len(train), len(test)) == (22, 3)
    np.testing.assert_allclose(train + test, 10 * np.arange(NUM_FRAMES), atol=2)
    assert builder.info.metadata["fps"] == fps
    assert builder.info.disable_shuffling


def test_prepared_data_are_read_without_the_builder(tmp_path, manual_dir):
    save_one_video(manual_dir)
    written = prepare(tmp_path / "data", manual_dir=manual_dir)

    builder = tfds.builder_from_directory(written.data_dir)

    assert grays(builder, "train") == [10 * index for index in range(22)]
    assert builder.info.features["frame"].shape == (8, 8, 3)
    assert builder.info.metadata["fps"] == 20
    assert builder.info.file_format.value == "array_record"


def test_letterbox(tmp_path, manual_dir):
    save_one_video(manual_dir)
    config = LavaLampConfig(name="24x24_letterbox", resolution=24, fit="letterbox")

    builder = prepare(tmp_path / "data", config, manual_dir=manual_dir)

    frame = builder.as_data_source("train")[20]["frame"]
    assert (frame[4:20] == 200).all()
    assert not frame[:4].any()
    assert not frame[20:].any()


def test_source_takes_the_place_of_the_manual_folder(tmp_path, manual_dir):
    save_one_video(manual_dir)

    builder = prepare(tmp_path / "data", source=manual_dir / "any.apng")

    assert grays(builder, "test") == [220, 230, 240]


def test_failure_leaves_no_data(tmp_path, manual_dir):
    for index, side in enumerate([16, 16, 12]):
        Image.new("RGB", (side, side)).save(manual_dir / f"{index}.png")

    with pytest.raises(ValueError, match="different sizes"):
        prepare(tmp_path / "data", manual_dir=manual_dir)

    assert not list((tmp_path / "data").rglob("*1.0.0*"))


def test_film_of_one_frame_is_too_short(tmp_path, manual_dir):
    save_images(manual_dir)
    shutil.copy(manual_dir / "0.png", tmp_path / "still.png")

    with pytest.raises(ValueError, match="too short"):
        prepare(tmp_path / "data", source=tmp_path / "still.png")


def test_configs_are_every_size_and_fit():
    assert set(LavaLamp.builder_configs) == {
        f"{size}x{size}{fit}"
        for size in range(64, 1025, 64)
        for fit in ("", "_letterbox")
    }
