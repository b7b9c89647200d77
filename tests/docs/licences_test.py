import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).parents[2]


def listed():
    """The patterns in the first column of the table."""
    lines = (ROOT / "docs/licences.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    return [
        pattern for row in rows for pattern in re.findall("`(.+?)`", row.split("|")[1])
    ]


def test_each_shipped_file_has_a_licence_and_each_row_has_files():
    names = subprocess.run(
        ["git", "ls-files", "duralava"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    assert names
    found = {
        pattern: {str(path.relative_to(ROOT)) for path in ROOT.glob(pattern)}
        for pattern in listed()
    }
    assert all(found.values()), found
    assert not set(names) - set().union(*found.values())
    assert (ROOT / "LICENSE").read_text().strip().startswith("Apache License")
