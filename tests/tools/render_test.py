import io
import os
import pathlib
import pty
import re
import subprocess
import sys

import av
import numpy as np
import pytest
import tiny
from PIL import Image

from duralava import weights
from duralava.commands import render
from duralava.rendering import film, writers

TOOL = pathlib.Path(__file__).parents[2] / "tools/render.py"


def test_shipped_weights_are_rendered_as_an_endless_animation(run_tool, tmp_path):
    done = run_tool("render.py", "--seconds=0.5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "wrote 15 frames at 30 fps: out.png"
    with Image.open(tmp_path / "out.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (512, 512))
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
        (["--scale=1000"], "would be 128000x128000"),
        (
            ["--checkpoint=simulated_64", "--size=65"],
            "draws whole frames of 64 pixels only, not 65 pixels",
        ),
        (["--size=0"], "--size is pixels, as 512, or width x height"),
        (["--size=1920x"], "not '1920x'"),
        (["--theme=plaid"], "theme"),
        (["--output=lamp.mp4", "--transparent"], ".mp4 cannot be transparent"),
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
        # At the end is a copy of the first frame, which is not shown.
        assert (stream.width, stream.height, stream.frames) == (288, 192, 61)
        assert stream.average_rate == 12


def test_a_lamp_continues_its_own_picture(run_tool, tmp_path):
    first = run_tool("render.py", "--num_frames=10", "--seed=3", "--size=128")
    assert first.returncode == 0, first.stderr
    small = ("--num_frames=1", "--size=128")
    done = run_tool("render.py", "--output=next/", "--start=out.png", *small)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as picture:
        picture.seek(9)
        last = np.int16(picture.convert("RGB"))
        picture.seek(0)
        other = run_tool("render.py", "--output=other/", *small)
    assert other.returncode == 0, other.stderr

    def read(path):
        return np.int16(Image.open(tmp_path / path))

    error = np.abs(read("next/000000.png") - last).mean()
    assert error < np.abs(read("other/000000.png") - last).mean() / 3


def test_a_start_step_is_the_same_as_a_longer_film(run_tool, tmp_path):
    # At one step per frame, step 40 is frame 40.
    small = ("--fps=5", "--size=64")
    whole = run_tool("render.py", "--output=whole/", "--num_frames=45", *small)
    later = run_tool(
        "render.py", "--output=later/", "--num_frames=5", "--start_step=40", *small
    )
    assert (whole.returncode, later.returncode) == (0, 0), later.stderr
    for index in range(5):
        one, other = (
            np.int16(Image.open(tmp_path / name))
            for name in (f"whole/{40 + index:06d}.png", f"later/{index:06d}.png")
        )
        assert np.abs(one - other).max() <= 2


def test_standard_output_contains_only_the_raw_film(tmp_path):
    done = subprocess.run(
        [sys.executable, TOOL, "--output=-", "--num_frames=3"],
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 3 * 512 * 512 * 3
    assert done.stderr.decode().splitlines()[-1] == "wrote 3 frames at 30 fps: -"


def test_a_format_that_does_not_stream_is_noted_first(run_tool):
    done = run_tool("render.py", "--output=lamp.gif", "--num_frames=4", "--size=64")
    assert done.returncode == 0, done.stderr
    assert not done.stderr  # bars are for terminals
    note, *_, wrote = done.stdout.splitlines()
    assert note == "note: lamp.gif stays in memory until the film ends"
    assert wrote == "wrote 4 frames at 30 fps: lamp.gif"


def test_the_readme_line_writes_a_picture_that_is_large_but_not_too_large():
    lamp = weights.load()
    shot = film.Shot(num_frames=420)
    apng = writers.bytes_per_pixel("out.png")
    assert film.fitting(shot, lamp, apng).size == 320
    assert film.fitting(film.Shot(num_frames=900), lamp, apng).size == 208
    assert film.fitting(shot, lamp, writers.bytes_per_pixel("out.mp4")).size == 512


def test_a_lamp_is_placed_in_a_frame_in_the_colours_of_a_theme(run_tool, tmp_path):
    done = run_tool(
        "render.py", "-o", "wide/", "--size=96x54", "--num_frames=1", "--theme=ocean"
    )
    assert done.returncode == 0, done.stderr
    picture = np.asarray(Image.open(tmp_path / "wide/000000.png")).astype(int)
    assert picture.shape == (54, 96, 3)
    assert not picture[:, :21].any() and not picture[:, -21:].any()
    red, _, blue = picture[5:-5, 40:56].mean(axis=(0, 1))
    assert blue > 2 * red


def test_the_lines_of_the_help_describe_the_raw_film(run_tool, tmp_path):
    lines = (render.__doc__ or "").replace("\\\n", " ").splitlines()
    mpv, ffplay = (line for line in lines if "|" in line)
    size = re.search(r"-video_size (\d+x\d+)", ffplay)[1]
    assert "-f rawvideo -pixel_format rgb24" in ffplay and "-framerate 30 -" in ffplay
    width, height = size.split("x")
    assert f"--demuxer-rawvideo-w={width} " in mpv
    assert f"--demuxer-rawvideo-h={height} " in mpv
    assert "--demuxer-rawvideo-mp-format=rgb24 " in mpv
    done = subprocess.run(
        [sys.executable, TOOL, "-o", "-", "--num_frames=2"],
        cwd=tmp_path,
        capture_output=True,
    )
    options = {"pixel_format": "rgb24", "video_size": size, "framerate": "30"}
    with av.open(io.BytesIO(done.stdout), format="rawvideo", options=options) as raw:
        shown = [frame.to_ndarray(format="rgb24") for frame in raw.decode(video=0)]
    run_tool("render.py", "-o", "png/", "--num_frames=2")
    for index, frame in enumerate(shown):
        expected = Image.open(tmp_path / f"png/{index:06d}.png")
        np.testing.assert_array_equal(frame, expected)
    assert len(shown) == 2


def test_a_terminal_receives_no_raw_bytes(tmp_path):
    reader, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, TOOL, "-o", "-"],
        cwd=tmp_path,
        stdout=terminal,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(terminal)
    os.close(reader)
    assert done.returncode == 1
    assert "raw bytes of frames, which a terminal cannot show" in done.stderr


def test_a_start_picture_that_is_no_lamp_is_noted(run_tool, tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(colours).resize((64, 64)).save(tmp_path / "no_lamp.png")
    still = ("--num_frames=1", "--size=64")
    done = run_tool("render.py", "--start=no_lamp.png", "-o", "a/", *still)
    assert done.returncode == 0, done.stderr
    note = "note: no_lamp.png does not look like a lamp of these weights"
    assert done.stdout.startswith(note)
    done = run_tool("render.py", "--start=a/000000.png", "-o", "b/", *still)
    assert "does not look like" not in done.stdout


def test_a_film_is_written_without_standard_streams(run_tool, tmp_path):
    flags = "--num_frames=2", "--size=32"
    assert run_tool("render.py", *flags, closed="<&- >&- 2>&-").returncode == 0
    with Image.open(tmp_path / "out.png") as picture:
        assert (picture.size, picture.n_frames) == ((32, 32), 2)
