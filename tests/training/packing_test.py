import shutil
import tarfile

import jax
import numpy as np
import pytest
import tiny

from duralava import weights
from duralava.training import packing

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_a_packed_run_goes_on_elsewhere_to_the_same_end(
    train_tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(packing, "_PART_BYTES", 50_000)
    train_tiny(tiny.CONFIG, tmp_path / "a", max_seconds=0)
    train_tiny(tiny.CONFIG, tmp_path / "a", max_seconds=0)
    size = packing.pack(tmp_path / "a", tmp_path / "packed")
    parts = packing.parts(tmp_path / "packed")
    assert len(parts) > 1
    assert sum(part.stat().st_size for part in parts) == size
    assert max(part.stat().st_size for part in parts) == 50_000

    packing.unpack(tmp_path / "packed", tmp_path / "b")
    # The latest checkpoint alone.
    [checkpoint] = (tmp_path / "b" / "checkpoints").iterdir()
    assert checkpoint.name == "2"
    params = [weights.load(tmp_path / name).params for name in "ab"]
    jax.tree.map(np.testing.assert_array_equal, *params)
    states = [train_tiny(tiny.CONFIG, tmp_path / name) for name in "ab"]
    assert states[0].step == tiny.CONFIG.training.num_steps
    jax.tree.map(np.testing.assert_array_equal, *states)


def test_packing_again_replaces_all_parts(tmp_path, monkeypatch):
    checkpoint = tmp_path / "run" / "checkpoints" / "7"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state").write_bytes(bytes(200_000))
    (tmp_path / "run" / "config.json").write_text("{}")
    monkeypatch.setattr(packing, "_PART_BYTES", 50_000)
    packing.pack(tmp_path / "run", tmp_path / "packed")
    assert len(packing.parts(tmp_path / "packed")) > 3
    (checkpoint / "state").write_bytes(bytes(10))
    packing.pack(tmp_path / "run", tmp_path / "packed")
    assert len(packing.parts(tmp_path / "packed")) == 1
    packing.unpack(tmp_path / "packed", tmp_path / "again")
    assert (tmp_path / "again/checkpoints/7/state").read_bytes() == bytes(10)


def test_of_several_phases_the_last_checkpoint_and_all_configs_are_packed(tmp_path):
    for folder, step in (("", 3), ("", 4), ("phase_2", 8), ("phase_2", 9)):
        path = tmp_path / "run" / folder / "checkpoints" / str(step)
        path.mkdir(parents=True)
        (path / "state").write_text("state")
        (tmp_path / "run" / folder / "config.json").write_text("{}")
    packing.pack(tmp_path / "run", tmp_path / "packed")
    packing.unpack(tmp_path / "packed", tmp_path / "again")
    shutil.rmtree(tmp_path / "packed")
    found = {
        str(path.relative_to(tmp_path / "again"))
        for path in (tmp_path / "again").rglob("*")
        if path.is_file()
    }
    assert found == {
        "config.json",
        "phase_2/config.json",
        "phase_2/checkpoints/9/state",
    }


def test_missing_parts_are_noticed(tmp_path):
    (tmp_path / "run.tar.00").write_bytes(b"\1" * 700)
    with pytest.raises(tarfile.ReadError):
        packing.unpack(tmp_path, tmp_path / "again")


def test_a_run_without_a_checkpoint_is_not_packed(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="has no checkpoint yet"):
        packing.pack(tmp_path, tmp_path / "packed")
