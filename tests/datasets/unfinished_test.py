import signal
import subprocess
import sys

import numpy as np
import pytest

from duralava.datasets import arrays, unfinished

LENGTHS = {"train": 6, "test": 2}
FEATURES = {
    "frame": arrays.Mapped(shape=(3,), dtype=np.uint8),
    "place": arrays.Mapped(shape=(), dtype=np.uint16),
}
PARTS = {"a": ("train", 0, 4), "b": ("train", 4, 2), "c": ("test", 0, 2)}


def rows(part):
    _, _, length = PARTS[part]
    place = 1000 * ord(part) + np.arange(length)
    return {
        "frame": np.repeat(place % 251, 3).reshape(-1, 3).astype(np.uint8),
        "place": (place % 65521).astype(np.uint16),
    }


def continued(tmp_path, content="lamps"):
    (tmp_path / "target").mkdir(exist_ok=True)
    return unfinished.continued(
        tmp_path / "work",
        tmp_path / "target",
        lengths=LENGTHS,
        features=FEATURES,
        content=content,
    )


def write(work, part):
    split, first, _ = PARTS[part]
    work.write(split, first, rows(part))
    work.finish(part)


def written(tmp_path):
    return {p.name: p.read_bytes() for p in (tmp_path / "target").iterdir()}


@pytest.fixture
def whole(tmp_path_factory):
    """The bytes of all arrays, written without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    with continued(folder) as work:
        assert not work.finished
        for part in PARTS:
            write(work, part)
    return written(folder)


def test_arrays_appear_when_they_are_complete(tmp_path, whole):
    with continued(tmp_path) as work:
        for part in ("c", "b", "a"):
            write(work, part)
        assert not list((tmp_path / "target").iterdir())

    assert written(tmp_path) == whole
    assert not (tmp_path / "work").exists()
    train = arrays.load(tmp_path / "target", "train", "place")
    np.testing.assert_array_equal(
        train, np.concatenate([rows("a")["place"], rows("b")["place"]])
    )


def fail_after(tmp_path, parts):
    with pytest.raises(KeyboardInterrupt), continued(tmp_path) as work:
        for part in parts:
            write(work, part)
        work.write("train", 4, rows("c"))  # to where others belong, unfinished
        raise KeyboardInterrupt


def test_finished_parts_outlive_a_failure(tmp_path, whole):
    fail_after(tmp_path, "a")

    with continued(tmp_path) as work:
        assert work.finished == {"a"}
        write(work, "b")
        write(work, "c")

    assert written(tmp_path) == whole


def test_failure_without_a_finished_part_leaves_nothing(tmp_path):
    fail_after(tmp_path, "")

    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_parts_of_other_content_are_not_used(tmp_path, whole):
    fail_after(tmp_path, "ab")

    with continued(tmp_path, content="other lamps") as work:
        assert not work.finished
        for part in PARTS:
            write(work, part)

    assert written(tmp_path) == whole


def test_parts_without_their_arrays_are_not_used(tmp_path):
    fail_after(tmp_path, "ab")
    (tmp_path / "work" / "train.npy").unlink()

    with pytest.raises(KeyboardInterrupt), continued(tmp_path) as work:
        assert not work.finished
        raise KeyboardInterrupt


def test_two_processes_do_not_write_the_same_arrays(tmp_path):
    with continued(tmp_path) as work:
        with (
            pytest.raises(ValueError, match=r"another process is writing to .*work"),
            continued(tmp_path),
        ):
            pass
        for part in PARTS:
            write(work, part)


SCRIPT = """
import os, pathlib, signal, sys
sys.path.insert(0, sys.argv[1])
import unfinished_test

with unfinished_test.continued(pathlib.Path(sys.argv[2])) as work:
    unfinished_test.write(work, "b")
    work.write("train", 0, unfinished_test.rows("c"))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_finished_parts_outlive_a_kill(tmp_path, whole):
    folder = __file__.rpartition("/")[0]
    script = [sys.executable, "-c", SCRIPT, folder, str(tmp_path)]
    assert subprocess.run(script).returncode == -signal.SIGKILL

    with continued(tmp_path) as work:
        assert work.finished == {"b"}
        write(work, "a")
        write(work, "c")

    assert written(tmp_path) == whole
