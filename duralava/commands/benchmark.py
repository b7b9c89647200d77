"""Measures the speed of duralava on this machine, and of the original in Keras.

duralava benchmark --suites=train,sample --output=bench.json
pip install -e '.[bench]'; duralava benchmark --baseline=keras
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from collections.abc import Sequence

from absl import flags
from etils import epy

from duralava import configs, extras
from duralava.benchmarks import suites
from duralava.config import Config

with epy.lazy_imports():
    from duralava import compilation, files
    from duralava.benchmarks import measure, report

_SUITES = flags.DEFINE_list("suites", list(suites.SUITES), "What is measured.")
_BASELINE = flags.DEFINE_string(
    "baseline", None, "keras: measure the original in Keras too."
)
_REPEATS = flags.DEFINE_integer("repeats", 5, "Runs that are timed.", lower_bound=1)
_NUM_FRAMES = flags.DEFINE_integer(
    "num_frames", 100_000, "Frames of the rendered film.", lower_bound=1
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "Clips in a training step.", lower_bound=1
)
_OUTPUT = flags.DEFINE_string("output", None, "JSON file for all figures.")

_PRODUCT_SIZE = 4096


def main(_: Sequence[str]) -> None:
    """Measures and prints a table."""
    unknown = sorted(set(_SUITES.value) - set(suites.SUITES))
    if unknown:
        known = ", ".join(suites.SUITES)
        raise ValueError(f"no suite {', '.join(unknown)}; there are {known}")
    if _BASELINE.value not in (None, "keras"):
        raise ValueError(f"no baseline '{_BASELINE.value}'; there is keras")
    keras = _BASELINE.value == "keras"
    if keras:
        # Here, so that a missing package is an error before anything is measured.
        with extras.needed("bench"):
            importlib.import_module("tensorflow")
    # The workers need it; without it, fail before anything is measured.
    with extras.needed("train"):
        importlib.import_module("duralava.training.loop")
    if _OUTPUT.value:
        files.check_parent(_OUTPUT.value)
    default = _config("simulated_64")
    options = suites.Options(
        configs={
            suites.ORIGINAL: _config("original_64"),
            suites.DEFAULT: default,
            suites.WITH_ADVERSARY: dataclasses.replace(
                default, loss=dataclasses.replace(default.loss, adversarial_weight=0.05)
            ),
        },
        keras=keras,
        repeats=_REPEATS.value,
        num_frames=_NUM_FRAMES.value,
    )
    product = {"matrix product": {"task": "matrix_product", "size": _PRODUCT_SIZE}}
    results = measure.time_tasks("machine", product, unit="run", repeats=_REPEATS.value)
    for name in _SUITES.value:
        print(f"measuring {name} ...", file=sys.stderr)
        results += suites.SUITES[name](options)
    if missing := compilation.missing_options():
        print(
            "note: this version of XLA does not have all compiler options that make "
            f"duralava fast on CPUs: {', '.join(missing)}",
            file=sys.stderr,
        )
    ratios = suites.ratios(results, default)
    print(report.table(results, peak_gigaflops=results[0].gigaflops))
    for name, ratio in ratios.items():
        print(f"{ratio:10.3g}  {name}")
    if _OUTPUT.value:
        contents = {
            "machine": report.machine(),
            "results": [dataclasses.asdict(result) for result in results],
            "ratios": ratios,
        }
        with files.written_whole(_OUTPUT.value) as path:
            path.write_text(json.dumps(contents, indent=2) + "\n")
        print(f"wrote all figures: {_OUTPUT.value}")


def _config(name: str) -> Config:
    """Returns the first phase of a config, with the batch size of the flag."""
    config = configs.load(name).phases()[0]
    data = dataclasses.replace(config.data, batch_size=_BATCH_SIZE.value)
    return dataclasses.replace(config, data=data)
