import json
import sys

import pytest

from duralava.benchmarks import measure, suites
from duralava.benchmarks.measure import Result
from duralava.config import Config, to_dict


def test_measures_and_writes_all_figures(run_tool, tmp_path):
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
    # One clip a step of 10 ms is 100 a second.
    assert ratio == pytest.approx(clips["units"] / clips["seconds"][0] / 100)


def test_a_training_step_is_timed_and_counted(tiny_config):
    task = {"task": "train", "config": to_dict(tiny_config)}
    (result,) = measure.compare("train", {"tiny": task}, unit="frame", repeats=2)
    assert result.units == 4 * 2  # steps in a clip, clips
    assert len(result.seconds) == 2
    assert result.rate == 8 / result.median > 0
    assert result.flops > 1e6
    assert result.peak_bytes > 1e8


def test_clips_are_compared_with_those_that_are_trained_on():
    reading = Result("data", suites.DEFAULT, (0.5, 2.0, 0.5), units=100)
    # 5 clips of 20 frames in two seconds.
    training = Result("train", suites.DEFAULT, (2.0, 2.0, 9.0), units=100)
    ratios = suites.ratios([reading, training], Config())
    assert ratios["clips read over clips trained on"] == pytest.approx(200 / 2.5)


def test_each_program_is_started_on_a_new_machine_and_again():
    product = {"product": {"task": "matrix_product", "size": 8}}
    results = measure.first_runs("startup", product, repeats=2)
    assert [result.name for result in results] == ["product", "product, next start"]
    for result in results:
        # Python and JAX alone take longer to load than a tenth of a second.
        assert len(result.seconds) == 2
        assert min(result.seconds) > 0.1


def test_every_viewer_gets_the_frames_of_a_served_lamp():
    options = suites.Options({}, repeats=1, num_viewed_frames=6, num_viewers=(2, 3))
    results = suites.live(options)
    assert [result.name for result in results] == ["2 viewers", "3 viewers"]
    for result in results:
        # Six frames are at least five thirtieths of a second apart.
        assert result.units == 6
        assert result.median > 4 / 30


def test_a_server_that_cannot_serve_says_why():
    command = [sys.executable, "-m", "duralava", "live", "--noopen", "--fps=0"]
    with (
        pytest.raises(ChildProcessError, match="--fps is from 1 to 120, not 0"),
        measure.serving(command),
    ):
        pass


@pytest.mark.parametrize(
    "flag", ["--suites=speed", "--baseline=torch", "--output=no/b"]
)
def test_bad_input_gets_one_line(run_tool, flag):
    done = run_tool("benchmark.py", flag)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
