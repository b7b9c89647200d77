"""Describes the machine and renders results as a table."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from typing import Any

import jax

from duralava import tables
from duralava.benchmarks.measure import Result
from duralava.tables import Column

_PACKAGES = ("duralava", "jax", "jaxlib", "flax", "optax", "numpy", "av", "tensorflow")


def machine() -> dict[str, Any]:
    """Returns the hardware, the operating system and the package versions."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "devices": [device.device_kind for device in jax.devices()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0].split(":", 1)[1].strip() if names else platform.processor()


def table(results: Sequence[Result], peak_gigaflops: float) -> str:
    """Returns a table with one line per result.

    Args:
      results: the results.
      peak_gigaflops: GFLOP/s of a matrix product on this machine, the reference of the
        column `of peak`.
    """
    columns = (
        Column("suite", lambda result: result.suite),
        Column("what", lambda result: result.name),
        Column("median", lambda result: result.median, seconds),
        Column("spread", lambda result: result.seconds, _spread),
        Column("rate", rate),
        Column("GFLOP/s", lambda result: result.gigaflops or None, ".1f"),
        Column(
            "of peak",
            lambda result: result.gigaflops / peak_gigaflops or None,
            ".0%",
        ),
        Column("memory", lambda result: result.peak_bytes or None, megabytes),
    )
    return tables.plain(results, columns)


def rate(result: Result) -> str | None:
    """Returns the text of a rate; None if a run produces a single unit."""
    return f"{result.rate:,.4g} {result.unit}s/s" if result.units > 1 else None


def _spread(runs: Sequence[float]) -> str:
    return f"{seconds(min(runs))} to {seconds(max(runs))}"


def megabytes(count: int) -> str:
    """Returns the text of a number of bytes."""
    return f"{count / 1e6:,.0f} MB"


def seconds(value: float) -> str:
    """Returns the text of a duration in seconds."""
    return f"{1e3 * value:.3g} ms" if value < 1 else f"{value:.3g} s"
