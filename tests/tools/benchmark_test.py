import json

import pytest


def test_measures_and_writes_all_figures(run_tool, tmp_path):
    done = run_tool(
        "benchmark.py",
        "--suites=train,sample,render,data",
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
        "train",
        "sample",
        "render",
        "data",
    }
    assert results["machine", "matrix product"]["flops"] == 2 * 4096**3
    # 20 frames a clip, one clip.
    assert results["train", "default network"]["units"] == 20
    assert results["train", "original network"]["flops"] > 1e9
    assert results["render", "a film"]["units"] == 100
    assert results["render", "one frame"]["units"] == 1
    for result in written["results"]:
        assert all(seconds > 0 for seconds in result["seconds"])
        assert result["peak_bytes"] > 1e7
    clips, training = (
        results["data", "default network"],
        results["train", "default network"],
    )
    ratio = written["ratios"]["clips read over clips trained on"]
    rate = clips["units"] / clips["seconds"][0]
    assert ratio == pytest.approx(rate * training["seconds"][0])


@pytest.mark.parametrize(
    "flag", ["--suites=speed", "--baseline=torch", "--output=no/b"]
)
def test_bad_input_gets_one_line(run_tool, flag):
    done = run_tool("benchmark.py", flag)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
