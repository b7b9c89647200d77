import re

from duralava.benchmarks import report
from duralava.benchmarks.measure import Result


def test_a_table_has_a_line_for_each_result_and_leaves_out_what_was_not_measured():
    results = [
        Result("machine", "matrix product", (0.25, 0.5, 2.0), flops=1e11),
        Result("train", "ours", (2.0,), 3000, "frame", 5e10, 1_234_000_000),
    ]
    lines = report.table(results, peak_gigaflops=200.0).splitlines()
    assert [re.sub("  +", " | ", line) for line in lines] == [
        "suite | what | median | spread | rate | GFLOP/s | of peak | memory",
        "machine | matrix product | 500 ms | 250 ms to 2 s | 200.0 | 100%",
        "train | ours | 2 s | 2 s to 2 s | 1,500 frames/s | 25.0 | 12% | 1,234 MB",
    ]
    lines = report.table([Result("live", "20 viewers", (2.0,))], 200.0).splitlines()
    assert lines[1] == "live   20 viewers  2 s     2 s to 2 s"


def test_the_machine_is_described():
    machine = report.machine()
    assert machine["processors"] >= 1
    assert {"jax", "numpy"} <= machine["versions"].keys()
