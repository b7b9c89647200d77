import importlib.util
import json

import pytest


def test_suites_are_measured_and_all_figures_are_written(run_tool, tmp_path):
    done = run_tool(
        "benchmark.py",
        "--suites=sample,render,data",
        "--repeats=1",
        "--batch_size=1",
        "--num_frames=100",
        "--output=bench.json",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "wrote all figures: bench.json"
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["machine"]["versions"]["jax"]
    results = {(r["suite"], r["name"]): r for r in written["results"]}
    assert {suite for suite, _ in results} == {
        "machine",
        "sample",
        "render",
        "data",
    }
    assert results["machine", "matrix product"]["flops"] == 2 * 4096**3
    assert results["render", "a film"]["units"] == 100
    assert results["render", "one frame"]["units"] == 1
    for result in written["results"]:
        assert all(seconds > 0 for seconds in result["seconds"])
        assert result["peak_bytes"] > 1e7
    clips = results["data", "default network"]
    ratio = written["ratios"]["clips read over those of a step of 10 ms"]
    # One clip in each step of 10 ms is 100 clips per second.
    assert ratio == pytest.approx(clips["units"] / clips["seconds"][0] / 100)


@pytest.mark.parametrize(
    "flag", ["--suites=speed", "--baseline=torch", "--output=no/b"]
)
def test_bad_input_is_an_error_of_one_line(run_tool, flag):
    done = run_tool("benchmark.py", flag)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed"
)
def test_a_missing_tensorflow_is_an_error_that_names_the_extra(run_tool):
    done = run_tool("benchmark.py", "--baseline=keras")
    assert done.returncode == 1
    assert done.stderr == (
        "error: this needs the package tensorflow: pip install 'duralava[bench]'\n"
    )
