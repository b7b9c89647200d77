import json

import numpy as np
import pytest
import tiny

from duralava import weights
from duralava.rendering import writers

QUICK = (
    "--num_clips=40",
    "--clip_length=4",
    "--num_lamps=32",
    "--horizons=5,10",
    "--notwo_sample",
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Folder with the weights of an untrained lamp, and a film."""
    folder = tmp_path_factory.mktemp("inputs")
    lamp = tiny.lamp(resolution=64, with_encoder=False)
    weights.save(folder / "lamp.safetensors", lamp)
    row, column = np.mgrid[:64, :64]

    def frame(index):
        height = 32 + 24 * np.sin(index / 9)
        away = np.hypot(row - height, column - 32 - 12 * np.sin(index / 31))
        share = np.clip(12 - away, 0, 1)[..., None]
        return np.uint8([40, 20, 70] + share * np.array([200, 80, -30]))

    writers.write_frames(folder / "film.mp4", map(frame, range(550)), fps=10)
    writers.write_frames(folder / "short.mp4", map(frame, range(400)), fps=10)
    (folder / "text.txt").write_text("no film\n")
    return folder


def test_a_lamp_is_evaluated_on_a_short_video(run_tool, tmp_path, inputs):
    done = run_tool(
        "evaluate.py",
        f"--checkpoint={inputs / 'lamp.safetensors'}",
        f"--dataset={inputs / 'film.mp4'}",
        f"--rivals={inputs / 'lamp.safetensors'}",
        "--output=out",
        *QUICK,
        "--num_clips=60",
        "--clip_length=9",
    )
    assert done.returncode == 0, done.stderr
    # The last 55 frames are held out: 40 clips of 8 steps of two frames, and none more.
    note = "The film is short: it gives 41 clips of 8 steps, not 60 clips of 9 steps."
    meaning = done.stdout.splitlines()[:6]
    assert meaning[0].startswith("The lamp is compared with held-out film")
    assert meaning[5].startswith(note)
    assert done.stdout.splitlines()[-1] == "wrote the report: out/report.html"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"report.json", "report.html", "horizons.png", "latents.png"}
    numbers = json.loads((tmp_path / "out" / "report.json").read_text())
    assert numbers["about"]["plan"]["clip_length"] == 9
    assert numbers["notes"][0].startswith(note)
    assert numbers["about"]["plan"]["horizons"] == [5, 10]
    contenders = numbers["contenders"]
    assert {found["samples"] for found in contenders.values()} == {41}
    assert {"5 steps", "10 steps", str(inputs / "lamp.safetensors")} < set(contenders)
    floor = contenders["learned film (the floor)"]["colour_histogram"]["frechet"]
    assert contenders["10 steps"]["colour_histogram"]["frechet"] > 3 * floor
    # In so smooth a film no block has a reliable motion.
    assert "motion_histogram" not in contenders["10 steps"]
    assert contenders["10 steps"]["backwards"]["value"] is None
    assert "two_sample" not in contenders["10 steps"]
    assert "left out: it was not asked for" in done.stdout
    # The tables are printed too.
    assert f"{contenders['10 steps']['novelty']:.3f}" in done.stdout


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--checkpoint=nothing"], "no checkpoint 'nothing'"),
        (["--dataset=lava_lamp/64x64"], "lava_lamp/64x64 is not prepared in"),
        (["--dataset=lava_lamp.mp4"], "no video and no folder of images at lava_lamp"),
        (["--horizons=a,b"], "--horizons are whole numbers of steps, not a,b"),
        (
            ["--dataset={inputs}/short.mp4"],
            "a film of 40 frames is too short: learned and held-out film need 40 clips "
            "of 4 steps each, 46 frames without a cut",
        ),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(
    run_tool, tmp_path, inputs, flags, says
):
    usual = {
        "--checkpoint": inputs / "lamp.safetensors",
        "--dataset": inputs / "film.mp4",
        "--data_dir": "data",
        "--clip_length": "8",
        "--num_clips": "40",
    }
    usual |= dict(flag.format(inputs=inputs).split("=", 1) for flag in flags)
    done = run_tool("evaluate.py", *(f"{k}={v}" for k, v in usual.items()))
    assert done.returncode == 1
    assert says in done.stderr
    lines = done.stderr.replace("\r", "\n").strip().splitlines()
    assert lines[-1].startswith("error: ")
    assert done.stderr.count("error") == 1
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
