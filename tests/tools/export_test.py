import json
import os
import re

import jax.export
import numpy as np
import onnxruntime
import pytest


def test_a_step_of_the_shipped_weights_is_exported_as_onnx(run_tool, tmp_path):
    done = run_tool("export.py", "--format=onnx", "--output=mine.onnx")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "wrote one step of simulated: mine.onnx\n"
    session = onnxruntime.InferenceSession(tmp_path / "mine.onnx")
    latent = np.zeros((2, 64), np.float32)
    frame, _ = session.run(None, {"latent": latent, "noise": latent})
    assert frame.shape == (2, 64, 64, 3)


def test_a_step_as_stablehlo_replaces_an_existing_file(run_tool, tmp_path):
    path = tmp_path / "lamp.stablehlo"
    path.write_text("old")
    done = run_tool("export.py", "--format=stablehlo")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "wrote one step of simulated: lamp.stablehlo\n"
    assert list(tmp_path.iterdir()) == [path]
    step = jax.export.deserialize(bytearray(path.read_bytes()))
    assert [str(value.shape) for value in step.out_avals] == [
        "(n, 64, 64, 3)",
        "(n, 64)",
    ]


def test_a_site_is_complete_and_the_output_says_how_to_serve_it(run_tool, tmp_path):
    done = run_tool("export.py", "--format=web", "--output=site/")
    assert done.returncode == 0, done.stderr
    pattern = (
        r"wrote site/, (.+) MB, of which a visitor loads (.+) MB; "
        r"python -m http.server --directory site/ serves it\n"
    )
    total, visit = map(float, re.fullmatch(pattern, done.stdout).groups())
    site = tmp_path / "site"
    sizes = [path.stat().st_size for path in site.rglob("*") if path.is_file()]
    assert total == pytest.approx(sum(sizes) / 1e6, abs=0.051)
    assert visit < min(4, total / 1.9)
    assert list(tmp_path.iterdir()) == [site]
    assert json.loads((site / "lamp.json").read_text())["checkpoint"] == "simulated"
    # A second export to the same folder changes nothing.
    before = os.stat(site / "lamp.json")
    again = run_tool("export.py", "--format=web", "--output=site/")
    assert (again.returncode, again.stderr) == (1, "error: folder site is not empty\n")
    assert os.stat(site / "lamp.json") == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--format=onnx", "--checkpoint=nothing"], "no checkpoint 'nothing'"),
        (["--format=onnx", "--output=nowhere/lamp.onnx"], "no folder nowhere"),
        (["--format=stablehlo", "--output=."], ". is a folder; name a file"),
        (["--format=web", "--output=nowhere/site"], "no folder nowhere"),
        (["--format=web", "--checkpoint=nothing"], "no checkpoint 'nothing'"),
    ],
)
def test_bad_input_is_an_error_of_one_line_and_writes_nothing(
    run_tool, tmp_path, flags, message
):
    done = run_tool("export.py", *flags)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_an_error(run_tool):
    done = run_tool("export.py", "--format=tflite")
    assert done.returncode == 1
    assert "--format=tflite: value should be one of <web|onnx|stablehlo>" in done.stderr
