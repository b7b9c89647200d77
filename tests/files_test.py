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
