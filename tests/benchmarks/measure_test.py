import sys

import pytest
import tiny

from duralava.benchmarks import measure
from duralava.config import to_dict


def test_a_training_step_is_timed_and_its_operations_are_counted():
    task = {"task": "train", "config": to_dict(tiny.CONFIG)}
    (result,) = measure.time_tasks("train", {"tiny": task}, unit="frame", repeats=2)
    assert result.units == 4 * 2  # steps in a clip, clips
    assert len(result.seconds) == 2
    assert result.rate == 8 / result.median > 0
    assert result.flops > 1e6
    assert result.peak_bytes > 1e8


def test_each_task_starts_without_and_with_compiled_programs():
    product = {"product": {"task": "matrix_product", "size": 8}}
    results = measure.first_runs("startup", product, repeats=2)
    assert [result.name for result in results] == ["product", "product, next start"]
    for result in results:
        # Python and JAX alone take longer to load than a tenth of a second.
        assert len(result.seconds) == 2
        assert min(result.seconds) > 0.1


def test_a_server_that_does_not_start_gives_the_reason():
    command = [sys.executable, "-m", "duralava", "live", "--noopen", "--fps=0"]
    with (
        pytest.raises(ChildProcessError, match="--fps is from 1 to 120, not 0"),
        measure.serving(command),
    ):
        pass
