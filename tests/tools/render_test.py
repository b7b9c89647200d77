import subprocess
import sys

import pytest
from PIL import Image


def test_shipped_weights_become_an_endless_animation(run_tool, tmp_path):
    done = run_tool("render.py", "--seconds=0.5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "wrote 15 frames at 30 fps: out.png"
    with Image.open(tmp_path / "out.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (64, 64))
        assert (picture.n_frames, picture.info["loop"]) == (15, 0)
        assert picture.info["duration"] == pytest.approx(1000 / 30)


def test_loads_neither_data_nor_training_libraries():
    code = (
        "import sys; from duralava import pretrained; "
        "from duralava.rendering import frames, writers; pretrained.load(); "
        "print([m for m in ('tensorflow_datasets', 'grain', 'orbax', 'tensorboardX') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--output=out.xyz"], "unknown suffix '.xyz'"),
        (["--output=nowhere/out.png"], "no folder nowhere"),
        (["--fps=0"], "fps must be above 0"),
        (["--seconds=0"], "hold no frame"),
        (["--checkpoint=nothing"], "no checkpoint 'nothing'"),
        (["--checkpoint=."], "not a training's workdir"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(run_tool, tmp_path, flags, says):
    done = run_tool("render.py", *flags)
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
