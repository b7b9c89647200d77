import subprocess
import sys

import pytest

from duralava import files


def test_a_file_is_replaced_at_the_end(tmp_path):
    target = tmp_path / "lamp.txt"
    target.write_text("old")
    with files.written_whole(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_was_there_survives_an_exception(tmp_path, error):
    target = tmp_path / "lamp.txt"
    target.write_text("old")
    with pytest.raises(error), files.written_whole(target) as partial:
        partial.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "film"
    with pytest.raises(ValueError), files.written_whole(target) as partial:
        partial.mkdir()
        (partial / "0.png").write_text("half")
        raise ValueError
    assert not list(tmp_path.iterdir())
    with files.written_whole(target) as partial:
        partial.mkdir()
        (partial / "0.png").write_text("whole")
    assert (target / "0.png").read_text() == "whole"


def test_what_a_link_points_to_is_written(tmp_path):
    (tmp_path / "films").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "films" / "film.txt")
    with files.written_whole(link) as partial:
        partial.write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "films" / "film.txt").read_text() == "new"


def test_a_new_folder_must_be_new(tmp_path):
    files.check_new_folder(tmp_path / "film")
    assert not (tmp_path / "film").exists()
    (tmp_path / "file").write_text("")
    for taken in (tmp_path / "file", tmp_path):
        with pytest.raises(OSError):
            files.check_new_folder(taken)
    with pytest.raises(FileNotFoundError, match="no folder"):
        files.check_parent(tmp_path / "missing" / "film.png")


def test_a_relative_name_is_beside_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "report").mkdir()
    monkeypatch.chdir(tmp_path / "report")
    with files.written_whole(".") as partial:
        partial.mkdir()
        (partial / "report.md").write_text("whole")
    assert (tmp_path / "report" / "report.md").exists()


WRITER = """
import sys
from duralava import files

with files.written_whole(sys.argv[1]) as partial:
    partial.write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path):
    target = tmp_path / "lamp.txt"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path / "other.txt"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"writing\n"
        with files.written_whole(target) as partial:
            partial.write_text("one")
        assert len(list(tmp_path.glob(".partial_*"))) == 1  # in use
        process.kill()
    assert len(list(tmp_path.glob(".partial_*"))) == 1
    with files.written_whole(target) as partial:
        partial.write_text("two")
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text() == "two"


def test_two_may_write_the_same_file_at_once(tmp_path):
    target = tmp_path / "lamp.txt"
    with files.written_whole(target) as one, files.written_whole(target) as other:
        one.write_text("one")
        other.write_text("other")
    assert target.read_text() == "one"
    assert list(tmp_path.iterdir()) == [target]
