"""A process that runs one task on request.

  python -m duralava.benchmarks.worker '{"task": "matrix_product", "size": 1024}'

The process runs the task once and prints a line of JSON with the units of a run. It
then runs the task again for each line that it reads from standard input, and prints the
duration in seconds. At the end of the input it prints its peak memory and the
floating-point operations of a run.
"""

import json
import resource
import sys
import time
from typing import Any

import jax

from duralava import command_line
from duralava.benchmarks import measure, tasks


def main() -> None:
    """Runs the task for each line of input until the input ends."""
    try:
        jax.devices()
    except RuntimeError as error:
        sys.exit(f"error: {error}")
    arguments = json.loads(sys.argv[1])
    task = getattr(tasks, arguments.pop("task"))(**arguments)
    task.run()
    _print(units=task.units)
    for _ in sys.stdin:
        start = time.perf_counter()
        task.run()
        _print(seconds=time.perf_counter() - start)
    peak_bytes = measure.peak_memory(resource.getrusage(resource.RUSAGE_SELF))
    # Counting comes last, because it takes time and memory as well.
    _print(peak_bytes=peak_bytes, flops=task.count_flops() if task.count_flops else 0)


def _print(**values: Any) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    if "keras" not in sys.argv[1]:  # The same settings as in training.
        command_line.use_huge_pages()
        command_line.keep_compiled_programs()
    main()
