import pathlib
import re
import subprocess
import sys

import av
import numpy as np
import pytest
import tiny
from PIL import Image

from duralava import weights


def test_shipped_weights_are_rendered_as_an_endless_animation(run_tool, tmp_path):
    done = run_tool("render.py", "--seconds=0.5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "wrote 15 frames at 30 fps: out.png"
    with Image.open(tmp_path / "out.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (320, 320))
        assert (picture.n_frames, picture.info["loop"]) == (15, 0)
        assert picture.info["duration"] == pytest.approx(1000 / 30)


def test_loads_neither_data_nor_training_libraries():
    code = (
        "import sys; from duralava import weights; "
        "from duralava.rendering import film, starts, writers; weights.load(); "
        "print([m for m in ('tensorflow_datasets', 'grain', 'orbax', 'tensorboardX') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output=out.xyz"], "unknown suffix '.xyz'"),
        (["--output=nowhere/out.png"], "no folder nowhere"),
        (["--fps=0"], "fps must be above 0"),
        (["--fps=nan"], "fps must be above 0"),
        (["--speed=0"], "speed must be above 0"),
        (["--speed=1e-9"], "too slow to be seen"),
        (["--scale=1000"], "would be 320000x320000"),
        (
            ["--checkpoint=simulated_64", "--size=65"],
            "draws whole frames of 64 pixels only, not 65 pixels",
        ),
        (["--size=0"], "size"),
        (["--grid=two"], "rows x columns"),
        (["--grid=0x4"], "no grid has 0x4 lamps"),
        (["--loop", "--seconds=inf"], "an end"),
        (["--start=nothing.png"], "nothing.png"),
        (["--seconds=0"], "hold no frame"),
        (["--checkpoint=nothing"], "no checkpoint 'nothing'"),
        (["--checkpoint=."], "not a training's workdir"),
    ],
)
def test_bad_input_is_an_error_of_one_line_and_writes_nothing(
    run_tool, tmp_path, flags, message
):
    done = run_tool("render.py", *flags)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_weights_of_a_field_are_rendered_at_any_size(run_tool, tmp_path):
    weights.save(tmp_path / "field.safetensors", tiny.lamp(of=tiny.FIELD))
    pictures = []
    for size in (24, 48):
        done = run_tool(
            "render.py",
            "--checkpoint=field.safetensors",
            f"--size={size}",
            f"--output={size}/",
            "--num_frames=2",
        )
        assert done.returncode == 0, done.stderr
        picture = Image.open(tmp_path / f"{size}/000001.png")
        assert picture.size == (size, size)
        pictures.append(np.float32(picture))
    small, large = pictures
    shrunk = large.reshape(24, 2, 24, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small).mean() < small.std() / 3


def test_a_loop_of_many_enlarged_lamps(run_tool, tmp_path):
    done = run_tool(
        "render.py",
        "--output=wall.mp4",
        "--grid=2x3",
        "--size=64",
        "--scale=1.5",
        "--loop",
        "--num_frames=60",
        "--fps=12",
        "--speed=2",
    )
    assert done.returncode == 0, done.stderr
    seam, wrote = done.stdout.splitlines()[-2:]
    assert wrote == "wrote 60 frames at 12 fps: wall.mp4"
    change, turn = (float(number) for number in re.findall(r"\d+\.\d+", seam))
    assert 0.5 < change < 1.5
    assert turn < 3
    with av.open(tmp_path / "wall.mp4") as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (288, 192, 60)
        assert stream.average_rate == 12


def test_a_lamp_continues_its_own_picture(run_tool, tmp_path):
    first = run_tool("render.py", "--num_frames=10", "--seed=3")
    assert first.returncode == 0, first.stderr
    done = run_tool("render.py", "--output=next/", "--start=out.png", "--num_frames=2")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as picture:
        picture.seek(9)
        last = np.int16(picture.convert("RGB"))
        picture.seek(0)
        other = run_tool("render.py", "--output=other/", "--num_frames=1")
    assert other.returncode == 0, other.stderr

    def read(path):
        return np.int16(Image.open(tmp_path / path))

    error = np.abs(read("next/000000.png") - last).mean()
    assert error < np.abs(read("other/000000.png") - last).mean() / 3


def test_a_start_step_is_the_same_as_a_longer_film(run_tool, tmp_path):
    # At one step per frame, step 40 is frame 40.
    whole = run_tool("render.py", "--output=whole/", "--fps=5", "--num_frames=45")
    later = run_tool(
        "render.py", "--output=later/", "--fps=5", "--num_frames=5", "--start_step=40"
    )
    assert (whole.returncode, later.returncode) == (0, 0), later.stderr
    for index in range(5):
        one, other = (
            np.int16(Image.open(tmp_path / name))
            for name in (f"whole/{40 + index:06d}.png", f"later/{index:06d}.png")
        )
        assert np.abs(one - other).max() <= 2


def test_standard_output_contains_only_the_raw_film(tmp_path):
    tool = pathlib.Path(__file__).parents[2] / "tools/render.py"
    done = subprocess.run(
        [sys.executable, tool, "--output=-", "--num_frames=3"],
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 3 * 320 * 320 * 3
    assert done.stderr.decode().splitlines()[-1] == "wrote 3 frames at 30 fps: -"


def test_a_format_that_does_not_stream_is_noted_first(run_tool):
    done = run_tool("render.py", "--output=lamp.gif", "--num_frames=4")
    assert done.returncode == 0, done.stderr
    note, *_, wrote = done.stdout.splitlines()
    assert note == "note: lamp.gif stays in memory until the film ends"
    assert wrote == "wrote 4 frames at 30 fps: lamp.gif"
