import contextlib
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest
from interruption import interrupt
from PIL import Image

from duralava.datasets import clips
from duralava.rendering import writers

ROOT = pathlib.Path(__file__).parents[2]


def prepare(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "tools/prepare_dataset.py", *arguments],
        capture_output=True,
        text=True,
    )


def save_film(path, brightness):
    frames = [np.full((48, 64, 3), brightness + index, np.uint8) for index in range(20)]
    writers.write_frames(path, iter(frames), fps=25)
    return path


def assert_one_clear_line(result, words):
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


def test_film_is_prepared_once_and_replaced_on_demand(tmp_path):
    data_dir = tmp_path / "new" / "data"
    first = save_film(tmp_path / "first.png", 0)
    second = save_film(tmp_path / "second.png", 100)
    to_data = ("--dataset=lava_lamp", f"--data_dir={data_dir}")

    written = prepare(*to_data, f"--source={first}")
    assert written.returncode == 0, written.stderr
    folder = data_dir / "lava_lamp" / "64x64" / "1.0.0"
    assert written.stdout.startswith("wrote 18 train frames, 2 test frames")
    assert written.stdout.endswith(f"in {folder}\n")
    assert written.stderr == ""  # a progress bar is for terminals only
    film = clips.load_film("lava_lamp/64x64", data_dir, "train")
    assert film.frames[:, 0, 0, 0].tolist() == list(range(18))
    assert film.fps == 25

    clips.load_film("lava_lamp/64x64", data_dir, "train", resolution=32)
    again = prepare(*to_data, f"--source={first}")
    assert again.returncode == 0
    assert again.stdout == written.stdout.replace("wrote", "already prepared:")

    refused = prepare(*to_data, f"--source={second}")
    assert_one_clear_line(refused, "holds another film")

    replaced = prepare(*to_data, f"--source={second}", "--overwrite")
    assert replaced.returncode == 0
    film = clips.load_film("lava_lamp/64x64", data_dir, "train")
    assert film.frames[:, 0, 0, 0].tolist() == list(range(100, 118))
    assert [path.name for path in data_dir.iterdir()] == ["lava_lamp"]


@pytest.mark.parametrize(
    ("arguments", "config"),
    [
        (["--dataset=lava_lamp/128x128"], "128x128"),
        (
            ["--dataset=lava_lamp", "--resolution=128", "--fit=letterbox"],
            "128x128_letterbox",
        ),
    ],
)
def test_size_is_in_the_name_or_the_flags(tmp_path, arguments, config):
    source = save_film(tmp_path / "film.png", 0)

    result = prepare(*arguments, f"--source={source}", f"--data_dir={tmp_path}")

    assert result.returncode == 0, result.stderr
    assert f"lava_lamp/{config}/1.0.0" in result.stdout


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Folder with a film, a text, images of two sizes and an empty folder."""
    folder = tmp_path_factory.mktemp("inputs")
    save_film(folder / "film.png", 0)
    (folder / "text.txt").write_text("no film\n")
    (folder / "mixed").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "mixed" / "1.png")
    Image.new("RGB", (8, 6)).save(folder / "mixed" / "2.png")
    (folder / "empty").mkdir()
    return folder


@pytest.mark.parametrize(
    ("dataset", "source", "words"),
    [
        ("lava_lamp", None, "needs a source"),
        ("lava_lamp", "nowhere.mov", "nowhere.mov"),
        ("lava_lamp", "text.txt", "text.txt is not a video"),
        ("lava_lamp", "mixed", "different sizes"),
        ("lava_lamp", "empty", "has no images"),
        ("lava_lamp/63x63", "film.png", "no config '63x63'; known: 64x64"),
        ("simulated_lava_lamp", "film.png", "takes no source"),
        ("lamp", None, "unknown data set 'lamp'; known: lava_lamp, simulated"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path, inputs, dataset, source, words
):
    flags = [f"--dataset={dataset}", f"--data_dir={tmp_path}/data"]
    if source:
        flags.append(f"--source={inputs / source}")

    assert_one_clear_line(prepare(*flags), words)

    assert not (tmp_path / "data").exists()


def test_data_folder_that_cannot_be_made_is_told(inputs):
    result = prepare(
        "--dataset=lava_lamp",
        f"--source={inputs / 'film.png'}",
        f"--data_dir={inputs / 'text.txt' / 'data'}",
    )

    assert_one_clear_line(result, "text.txt")


def test_sigterm_ends_all_processes_and_leaves_nothing(tmp_path):
    with subprocess.Popen(
        [sys.executable, ROOT / "tools/prepare_dataset.py", f"--data_dir={tmp_path}"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while not list(tmp_path.glob(".preparing_*/film")):
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        _, errors = process.communicate()
    assert (process.returncode, errors) == (143, "interrupted\n")
    assert not list(tmp_path.iterdir())
    with contextlib.suppress(ProcessLookupError):  # once all of them have ended
        while True:
            os.killpg(process.pid, 0)
            time.sleep(0.01)


def test_interrupt_is_one_line_and_leaves_nothing(tmp_path):
    flags = [f"--data_dir={tmp_path}", "--dataset=simulated_lava_lamp"]
    code, shown = interrupt(
        ROOT / "tools/prepare_dataset.py",
        *flags,
        once="film",  # the progress bar
    )

    assert code == 130
    assert shown.endswith("interrupted\n")
    assert shown.count("\n") <= 2, shown  # the bar's line and that one
    assert not list(tmp_path.iterdir())
