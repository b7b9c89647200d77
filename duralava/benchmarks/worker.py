"""A process that runs one task whenever it is told to.

  python -m duralava.benchmarks.worker '{"task": "matrix_product", "size": 1024}'

It runs the task once, and says so with a line of JSON; then once more for each line
that it reads, and says how many seconds that took; at the end of its input it says how
much memory it had at most, and how many operations a run is.
"""

import json
import resource
import sys
import time
from typing import Any

from duralava import command_line
from duralava.benchmarks import measure, tasks


def main() -> None:
    """Serves until the end of the input."""
    arguments = json.loads(sys.argv[1])
    task = getattr(tasks, arguments.pop("task"))(**arguments)
    task.run()
    _say(units=task.units)
    for _ in sys.stdin:
        start = time.perf_counter()
        task.run()
        _say(seconds=time.perf_counter() - start)
    peak_bytes = measure.peak_memory(resource.getrusage(resource.RUSAGE_SELF))
    # Afterwards: to count takes time and memory too.
    _say(peak_bytes=peak_bytes, flops=task.count_flops() if task.count_flops else 0)


def _say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    if "keras" not in sys.argv[1]:  # as experiments/train.py does
        command_line.use_huge_pages()
        command_line.keep_compiled_programs()
    main()
