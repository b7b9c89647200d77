import pathlib

README = pathlib.Path(__file__).parents[2] / "README.md"


def test_the_section_from_python_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    section = README.read_text().split("\n## From Python\n")[1].split("\n## ")[0]
    code = section.split("```python\n")[1].split("```")[0]
    assert 5 <= len([line for line in code.splitlines() if line.strip()]) <= 10
    names = {}
    exec(code, names)
    assert names["frame"].shape == (320, 320, 3)
    assert names["frames"].shape == (20, 4, 128, 128, 3)
    assert (tmp_path / "wall.png").stat().st_size > 0
