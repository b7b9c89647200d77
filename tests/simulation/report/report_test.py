import contextlib
import json
import multiprocessing
import os

import jax
import numpy as np
import pytest
from PIL import Image

from duralava.simulation import lamp, report
from duralava.simulation.config import LampConfig
from duralava.simulation.report import measuring, plots, recording, thresholds

_SMALL = LampConfig(columns=9, rows=18, warm_up_seconds=2.0)
_SHORT = {
    "num_seeds": 3,
    "num_long": 2,
    "seconds": 21.0,
    "seconds_per_seed": 20.0,
    "config": _SMALL,
}


def _no_figures(*_):
    return {}


@contextlib.contextmanager
def _on_one_core():
    """Lets this process use a single core, where the system has such a setting."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@pytest.fixture(autouse=True, scope="module")
def _quick_compilation_in_processes(quick_compilation):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        yield


def test_writes_a_report_of_small_lamps(tmp_path, monkeypatch):
    rows = report.write_report(tmp_path / "report", **_SHORT)
    folder = tmp_path / "report"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]

    text = (folder / "report.md").read_text()
    for row in rows:
        assert f"| {row.name} | {row.value} | {row.threshold} |" in text
    pictures = sorted(path.name for path in folder.glob("*.png"))
    assert len(pictures) == 3
    for name in pictures:
        assert f"![{name}]({name})" in text
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 100

    contents = json.loads((folder / "report.json").read_text())
    assert len(contents["measures"]) == len(rows)
    assert contents["about"]["config"]["rows"] == 18
    numbers = contents["numbers"]
    assert numbers["volume_drift"] < 1e-4
    assert 0 < numbers["halves"]["wax height"]["first"]["mean"] < 1
    assert 1 <= numbers["blobs"]["mean"] < 10
    assert 1 <= numbers["blobs_from_the_front"]["mean"] < 10
    assert 0.13 < numbers["diameter"]["5%"] < numbers["diameter"]["95%"] < 0.8
    assert numbers["memory"]["largest_lag_seconds"] == 7
    assert len(numbers["stillness"]["smallest_of_usual"]) == 3
    assert numbers["wax_share"] == pytest.approx(_SMALL.wax_share, rel=1e-4)
    assert 0.5 < numbers["sphericity"]["50%"] < 1.1

    # The same arguments, the same numbers, in one process as well.
    monkeypatch.setattr(plots, "figures", _no_figures)
    with _on_one_core():
        assert report.write_report(tmp_path / "again", **_SHORT) == rows
    again = json.loads((tmp_path / "again" / "report.json").read_text())
    # NumPy adds in another order on another number of cores.
    for expected, found in zip(*map(jax.tree.leaves, (contents, again)), strict=True):
        if isinstance(expected, float):
            expected = pytest.approx(expected, rel=1e-3, abs=1e-6)
        assert found == expected


def _last(results):
    *_, last = results
    return last


def test_a_lamp_that_stands_still_misses_the_threshold(monkeypatch):
    def frozen(seed, *, config, chunk_size):
        states = next(lamp_simulate(seed, config=config, chunk_size=chunk_size))
        while True:
            yield states._replace(wax=np.broadcast_to(states.wax[0], states.wax.shape))

    film = _last(recording.record_long_film(0, 21.0, _SMALL))
    alive = recording.summarise(film.wax, film.by_row, 20.0)
    lamp_simulate = lamp.simulate
    monkeypatch.setattr(lamp, "simulate", frozen)
    still = _last(recording.record_summary(1, 20.0, _SMALL))

    measurements, _ = measuring.measure([film], [alive, still], _SMALL)

    rows = thresholds.rows(measurements)
    row = next(row for row in rows if row.name.startswith("smallest change"))
    assert (row.value, row.met) == ("0.00", False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_seeds": 1}, "at least 2 seeds, not 1"),
        ({"num_long": 0}, "of 3 seeds, 1 to 3 can have a long film, not 0"),
        ({"num_long": 4}, "of 3 seeds, 1 to 3 can have a long film, not 4"),
        ({"seconds": 19.0, "seconds_per_seed": 19.0}, "needs 20 s"),
        (
            {"seconds_per_seed": 30.0},
            "as much or more of the long films, not 30 s and 21 s",
        ),
    ],
)
def test_refuses_what_it_cannot_measure(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        report.write_report(tmp_path / "report", **(_SHORT | changes))
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_folder_that_is_not_empty_and_leaves_it(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not empty"):
        report.write_report(tmp_path, **_SHORT)
    with pytest.raises(NotADirectoryError, match="is a file"):
        report.write_report(tmp_path / "notes.txt", **_SHORT)
    with pytest.raises(FileNotFoundError, match="no folder"):
        report.write_report(tmp_path / "none" / "report", **_SHORT)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_lamp_that_fails_ends_all_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="expected non-negative integer"):
        report.write_report(tmp_path / "report", seed=-1, **_SHORT)
    assert list(tmp_path.iterdir()) == []
    assert not multiprocessing.active_children()
