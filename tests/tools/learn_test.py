import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from duralava import checkpoints, weights
from duralava.rendering import writers

TOOL = pathlib.Path(__file__).parents[2] / "tools" / "learn.py"
TINY = [
    "--config.data.batch_size=2",
    "--config.model.latent_size=8",
    "--config.model.generator_hidden=0",
    "--config.model.generator_channels=(8,)",
    "--config.model.encoder_channels=(8,)",
    "--config.model.encoder_hidden=8",
    "--config.model.transition_layers=1",
    "--config.model.transition_hidden=8",
    "--config.loss.rollout_steps=4",
    "--config.training.checkpoint_every=5",
]


def start(*flags):
    return subprocess.Popen(
        [sys.executable, TOOL, *TINY, *flags],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def save_film(path, *, colour=(250, 120, 20), num_frames=100, fps=10):
    """A square on a circle, on a dark ground."""

    def frames():
        for index in range(num_frames):
            frame = np.full((64, 80, 3), 20, np.uint8)
            row = round(24 + 20 * np.sin(index / 4))
            column = round(32 + 20 * np.cos(index / 4))
            frame[row : row + 16, column : column + 16] = colour
            yield frame

    writers.write_frames(path, frames(), fps=fps)
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    save_film(folder / "film.mp4")
    save_film(folder / "other.mp4", colour=(20, 120, 250))
    save_film(folder / "short.mp4", num_frames=20)
    return folder


def steps_kept(workdir):
    return sorted(int(p.name) for p in (workdir / "checkpoints").glob("[0-9]*"))


def test_film_becomes_a_lamp_and_the_run_goes_on_where_it_was_stopped(films, tmp_path):
    workdir = tmp_path / "new" / "lamp"
    flags = f"--source={films / 'film.mp4'}", f"--workdir={workdir}"
    with start(*flags, "--minutes=600") as first:
        while not (workdir / "checkpoints" / "5").exists():
            assert first.poll() is None, first.stderr.read()
            time.sleep(0.01)
        first.send_signal(signal.SIGINT)
        output, errors = first.communicate()
    assert first.returncode == 0, errors
    config = checkpoints.read_config(workdir)
    num_steps, step = config.training.num_steps, steps_kept(workdir)[-1]
    assert 5 <= step < num_steps
    words = output.splitlines()
    assert words[0].startswith("Its pictures look like the film ")
    assert words[1].startswith("This was measured on the last 1 s of the film")
    assert "The film has 10 s; 5 min would help." in words
    continues = f"It was trained for {step} of {num_steps} steps; the same command "
    assert f"{continues}continues." in words
    assert words[-1] == f"wrote the preview: {workdir}/preview.png"
    assert errors == ""  # bars are for terminals
    verdict = json.loads((workdir / "verdict.json").read_text())
    assert verdict["sentences"] == words[: len(verdict["sentences"])]
    assert f"the film {verdict['pictures']} of 100" in words[0]
    with Image.open(workdir / "preview.png") as picture:
        assert (picture.size, picture.n_frames) == ((320, 320), 300)
    assert not (workdir / "phase_2").exists()  # what Ctrl-C leaves out
    data = config.data
    # The square moves by a third of its width in a frame: steps of 0.1 s.
    assert (data.frame_stride, data.clip_length, data.film_fps) == (1, 20, 10)
    assert not data.horizontal_flip

    with start(*flags, "--minutes=1e-5") as second:
        output, errors = second.communicate()
    assert second.returncode == 0, errors
    further = steps_kept(workdir)[-1]
    assert further > step
    assert f"It was trained for {further} of {num_steps} steps;" in output
    second_stage = workdir / "phase_2"
    assert steps_kept(second_stage) == [further]
    assert weights.load(workdir).config.flow_layers > 0

    for changed, says in (
        (f"--source={films / 'other.mp4'}", "holds another film"),
        ("--mirror", "data.horizontal_flip is false there, true here"),
    ):
        with start(*flags, changed) as refused:
            output, errors = refused.communicate()
        assert (refused.returncode, output) == (1, "")
        assert errors.count("\n") == 1
        assert says in errors
        assert steps_kept(workdir)[-1] == further


def test_bad_input_is_one_line_and_writes_nothing(films, tmp_path):
    workdir = tmp_path / "lamp"
    with start(f"--source={films / 'short.mp4'}", f"--workdir={workdir}") as done:
        output, errors = done.communicate()
    assert (done.returncode, output) == (1, "")
    assert errors.startswith("error: the film has 20 frames; to learn from it")
    assert errors.count("\n") == 1
    assert not workdir.exists()
