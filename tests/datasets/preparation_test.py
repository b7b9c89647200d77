import dataclasses
import pathlib
from typing import ClassVar

import numpy as np
import pytest
import tensorflow_datasets as tfds
import tiny

from duralava import files, weights
from duralava.datasets import clips, film, preparation, video
from duralava.rendering import writers
from duralava.training import loop

pytestmark = pytest.mark.usefixtures("quick_compilation")


class ReversedFilm(film.FilmBuilder, skip_registration=True):
    """A data set from outside the package: a film, backwards."""

    name = "reversed_film"
    takes_source = True
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [tfds.core.BuilderConfig(name=f"{tiny.SIZE}")]

    def __init__(self, *, source=None, **kwargs):
        self._source = source
        super().__init__(**kwargs)

    def _info(self):
        return self._film_info(
            description="Backwards.", resolution=tiny.SIZE, metadata={}
        )

    def _split_generators(self, dl_manager):
        frames = list(video.read_frames(self._source, resolution=tiny.SIZE))[::-1]
        fps = video.probe(self._source).fps
        self.info.metadata.update(fps=fps, source=video.fingerprint(self._source))
        half = len(frames) // 2
        return {
            "train": self._generate_examples(frames[:half]),
            "test": self._generate_examples(frames[half:]),
        }

    def _generate_examples(self, frames):
        for index, frame in enumerate(frames):
            yield index, {"frame": frame}


@pytest.fixture
def source(tmp_path) -> pathlib.Path:
    """Sixty frames, each brighter than the one before."""
    path = tmp_path / "film.png"
    frames = (np.full((64, 64, 3), 4 * n, np.uint8) for n in range(60))
    writers.write_frames(path, frames, fps=10)
    return path


def test_a_new_data_set_is_one_builder_and_one_entry(monkeypatch, source, tmp_path):
    monkeypatch.setitem(preparation.DATASETS, ReversedFilm.name, ReversedFilm)
    name = f"{ReversedFilm.name}/{tiny.SIZE}"
    with pytest.raises(ValueError, match=r"--dataset=reversed_film/16 .* --source="):
        clips.load_film(name, tmp_path, "train")
    with pytest.raises(ValueError, match="reversed_film needs a source"):
        preparation.prepare(name, tmp_path)
    _, written = preparation.prepare(name, tmp_path, source=source)
    assert written
    train = clips.load_film(name, tmp_path, "train")
    np.testing.assert_array_equal(train.frames[:, 0, 0, 0], 4 * np.arange(59, 29, -1))

    data = dataclasses.replace(tiny.CONFIG.data, dataset=name)
    config = dataclasses.replace(tiny.CONFIG, data=data)
    state = loop.train(config, tmp_path / "run", data_dir=tmp_path, max_seconds=0)
    assert state.step == 1
    assert weights.load(tmp_path / "run").steps_per_second == 5.0


def test_an_unknown_data_set_lists_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="known: lava_lamp, simulated_lava_lamp"):
        preparation.prepare("lava_lmap", tmp_path)


def test_a_name_without_a_config_is_the_same_data_set_everywhere(source, tmp_path):
    builder, _ = preparation.prepare("lava_lamp", tmp_path, source=source)
    film = clips.load_film("lava_lamp", tmp_path, "train")
    assert len(film.frames) == builder.info.splits["train"].num_examples
    with pytest.raises(ValueError, match="simulated_lava_lamp/64x64_10min is not"):
        clips.load_film("simulated_lava_lamp", tmp_path, "train")


def test_what_dead_processes_left_is_removed_if_nothing_can_be_continued(
    source, tmp_path
):
    data_dir = tmp_path / "data"
    begun, finished, busy = (
        data_dir / f".preparing_simulated_lava_lamp_{name}" / "film"
        for name in ("64x64_1h", "64x64_10min", "10h")
    )
    for film_dir in (begun, finished, busy):
        film_dir.mkdir(parents=True)
        (film_dir / "train.npy").write_bytes(b"film")
    (finished / "0.finished").touch()
    (data_dir / ".partial_abc" / "lava_lamp").mkdir(parents=True)
    with files.locked(busy.parent):  # as a process that prepares it
        preparation.prepare("lava_lamp", data_dir, source=source)
    left = {path.name for path in data_dir.iterdir()}
    assert left == {"lava_lamp", finished.parent.name, busy.parent.name}
    assert {path.name for path in finished.iterdir()} == {"train.npy", "0.finished"}
