import os
import pathlib
import re
import signal

import pytest
from interruption import interrupt
from PIL import Image

TOOL = pathlib.Path(__file__).parents[2] / "tools/simulate.py"


def test_films_the_simulated_lamp(run_tool, tmp_path):
    done = run_tool("simulate.py", "--seconds=0.1", "--size=32", "-o", "short.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "wrote 3 frames at 30 fps: short.png\n"
    assert done.stderr == ""  # a progress bar is for terminals only
    assert [path.name for path in tmp_path.iterdir()] == ["short.png"]
    with Image.open(tmp_path / "short.png") as picture:
        assert (picture.size, picture.n_frames) == ((32, 32), 3)


def test_a_film_cannot_go_to_a_closed_standard_output(run_tool, tmp_path):
    done = run_tool("simulate.py", "--output=-", closed=">&-")
    assert done.returncode == 1
    assert done.stderr == "error: standard output is closed\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "flags",
    [
        ["--report=report", "--seeds=1"],
        ["--report=report", "--seconds=60"],
        ["--report=report", "--seconds=nan"],
        ["--report=report", "--seed=-1"],
        ["--report=no/report"],
    ],
)
def test_a_report_that_cannot_be_made_gets_one_line(run_tool, tmp_path, flags):
    done = run_tool("simulate.py", *flags)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_report_gets_one_line_and_leaves_nothing(tmp_path):
    code, shown = interrupt(
        TOOL,
        "--report=report",
        once="film:",  # the progress bar
        cwd=tmp_path,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )
    lines = shown.splitlines()
    assert code == 130
    assert lines[-1].endswith("interrupted")  # perhaps behind the progress bar
    assert not any("Traceback" in line for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_is_ended_is_complete(tmp_path):
    with open(tmp_path / "printed", "w") as printed:
        code, shown = interrupt(
            TOOL,
            *("--output=lamp.png", "--size=32", "--seconds=60"),
            once="<0",  # hours that are left, once there are frames
            number=signal.SIGTERM,
            stdout=printed,
            cwd=tmp_path,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
        )
    assert code == 128 + signal.SIGTERM, shown
    line = (tmp_path / "printed").read_text()
    count = int(re.fullmatch(r"wrote (\d+) frames at 30 fps: lamp.png\n", line)[1])
    with Image.open(tmp_path / "lamp.png") as picture:
        assert picture.n_frames == count


@pytest.mark.parametrize(
    "flag",
    [
        "--seconds=-1",
        "--size=31",
        "--size=1025",
        "--theme=lava",
        "--output=lamp.xyz",
        "--output=no/lamp.png",
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(run_tool, tmp_path, flag):
    done = run_tool("simulate.py", flag)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert list(tmp_path.iterdir()) == []
