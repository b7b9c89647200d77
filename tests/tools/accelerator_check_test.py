import importlib.util
import json
import statistics

import jax
import pytest

CONTENDERS = {
    ("peak", "matrix product"),
    ("sample", "16 px, lamps at once: 2"),
    ("train", "16 px, without critics, steps per dispatch: 1"),
    ("train", "16 px, without critics, steps per dispatch: 2"),
    ("train", "16 px, with critics, steps per dispatch: 1"),
}


@pytest.fixture
def compiles_quickly(monkeypatch):
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "true")


def test_all_contenders_are_measured_on_a_cpu(run_tool, tmp_path, compiles_quickly):
    done = run_tool(
        "accelerator_check.py", "--output=figures.json", "--profile=profile"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "wrote all figures: figures.json"
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written["tiny"]
    assert written["left_out"] == []
    assert written["device"]["platform"] == "cpu"
    assert written["device"]["name"] == jax.devices("cpu")[0].device_kind
    assert written["machine"]["versions"]["jax"] == jax.__version__
    results = {(r["suite"], r["name"]): r for r in written["results"]}
    assert results.keys() == CONTENDERS
    peak = results["peak", "matrix product"]
    assert peak["flops"] == 2 * 2 * 256**3  # of two products
    for (suite, _), found in results.items():
        assert found["dtype"] == "bfloat16"
        assert len(found["seconds"]) == 2
        assert found["median"] == statistics.median(found["seconds"]) > 0
        assert found["rate"] == pytest.approx(found["units"] / found["median"])
        # Two products, two steps on 8 clips of 21 frames, or two lamps of 60 frames.
        assert found["units"] == {"peak": 2, "train": 2 * 8 * 21, "sample": 120}[suite]
        share = found["flops"] / found["median"] * peak["median"] / peak["flops"]
        assert found["share_of_peak"] == pytest.approx(share)
        assert found["peak_bytes"] > 1e5
    alone, together = (
        results["train", f"16 px, without critics, steps per dispatch: {number}"]
        for number in (1, 2)
    )
    assert alone["flops"] == together["flops"] > 1e6


def test_what_there_is_no_time_for_is_left_out_and_named(run_tool, tmp_path):
    done = run_tool("accelerator_check.py", "--output=figures.json", "--minutes=0")
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written["results"] == []
    assert len(written["left_out"]) == len(CONTENDERS)
    assert "left out: peak, matrix product, bfloat16: the time was over" in done.stdout


HAS_LIBTPU = importlib.util.find_spec("libtpu") is not None


@pytest.mark.skipif(HAS_LIBTPU, reason="libtpu is installed")
def test_without_libtpu_the_error_says_what_to_install(run_tool):
    done = run_tool("accelerator_check.py", "--compile_for=v5e:2x4")
    assert done.returncode == 1
    assert done.stderr == (
        "error: this needs the package libtpu: pip install 'duralava[tpu]'\n"
    )


@pytest.mark.skipif(not HAS_LIBTPU, reason="libtpu is not installed")
def test_a_topology_that_does_not_exist_is_an_error_of_one_line(run_tool):
    done = run_tool("accelerator_check.py", "--compile_for=v5e:2x5")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: no TPU topology 'v5e:2x5': INVALID_ARGUMENT")


@pytest.mark.skipif(not HAS_LIBTPU, reason="libtpu is not installed")
def test_steps_are_compiled_for_one_device_and_for_all(run_tool, tmp_path, monkeypatch):
    # libtpu ends a program that has flags for CPUs, as those of `conftest.py`.
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    done = run_tool(
        "accelerator_check.py", "--compile_for=v5e:2x4", "--tiny", "--output=costs.json"
    )
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "costs.json").read_text())
    assert written["device"] == {"name": "TPU v5 lite", "topology": "v5e:2x4"}
    steps = {(step["name"], step["devices"]): step for step in written["steps"]}
    for phase in ("without critics", "with critics"):
        one, eight = steps[phase, 1], steps[phase, 8]
        assert 0 < eight["flops"] < one["flops"]
        assert eight["argument_bytes"] < one["argument_bytes"]


def test_a_missing_folder_is_an_error_before_anything_is_measured(run_tool):
    done = run_tool("accelerator_check.py", "--output=no/figures.json")
    assert done.returncode == 1
    assert done.stderr == "error: no folder no\n"
