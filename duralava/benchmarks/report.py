"""Describes the machine and renders results as a table."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from typing import Any

import jax

from duralava.benchmarks.measure import Result

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
    rows = [
        (
            "suite",
            "what",
            "median",
            "spread",
            "rate",
            "GFLOP/s",
            "of peak",
            "memory",
        )
    ]
    for result in results:
        counted = result.flops > 0
        rows.append(
            (
                result.suite,
                result.name,
                _seconds(result.median),
                f"{_seconds(min(result.seconds))} to {_seconds(max(result.seconds))}",
                f"{result.rate:,.4g} {result.unit}s/s" if result.units > 1 else "",
                f"{result.gigaflops:.1f}" if counted else "",
                f"{result.gigaflops / peak_gigaflops:.0%}" if counted else "",
                f"{result.peak_bytes / 1e6:,.0f} MB" if result.peak_bytes else "",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _seconds(value: float) -> str:
    return f"{1e3 * value:.3g} ms" if value < 1 else f"{value:.3g} s"
