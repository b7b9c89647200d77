import re

import pytest

from duralava.export import offline


@pytest.fixture
def site(tmp_path):
    names = ["index.html", "main.js", "main.js.gz", "part.bin", "part.bin.gz"]
    names += ["runtime/run.wasm", "runtime/run.wasm.gz", "alone.bin"]
    (tmp_path / "runtime").mkdir()
    for name in names:
        (tmp_path / name).write_text(name)
    (tmp_path / "service_worker.js").write_text("// The rest.\n")
    return tmp_path


def test_a_browser_keeps_each_file_in_the_form_that_the_page_loads(site):
    assert offline.kept_files(site) == [
        *("alone.bin", "index.html", "main.js", "part.bin.gz", "runtime/run.wasm.gz")
    ]


def test_the_service_worker_changes_with_any_file(site):
    def version():
        (site / "service_worker.js").write_text("// The rest.\n")
        offline.write_service_worker(site)
        text = (site / "service_worker.js").read_text()
        assert text.endswith("// The rest.\n")
        assert '"./"' in text and '"runtime/run.wasm.gz"' in text
        return re.search(r'VERSION = "(\w+)"', text)[1]

    first = version()
    assert version() == first
    (site / "runtime/run.wasm.gz").write_text("other")
    assert version() != first
