"""Runs the latent of one lamp for years of its time, and tests it on the way.

  python experiments/years.py --checkpoint=simulated_64_mlp --output=years.jsonl

At 5 steps a second, 10^8 steps are 231 days. The file gets a line of JSON after each
chunk of steps, with these values:

- steps: made since the start.
- microseconds: of processor time for each step of the chunk.
- peak_mb: the most memory of the process since its start.
- norm: smallest, mean and largest |z| of every tenth step of the chunk. Under N(0, I)
  the mean is close to the root of the number of dimensions.
- mean, std: of all dimensions, the values that are furthest from 0 and 1.
- p_value: of all moments of the chunk under N(0, I).
- smallest_step, repeated, largest_cosine, period_p_value: of all steps since the start,
  as in the table of durability of `duralava evaluate`.

The last line has the tests of every thousandth state of the whole run.
"""

import json
import math
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import tqdm
from absl import flags

from duralava import command_line, weights
from duralava.evaluation import durability, latents

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", weights.DEFAULT, "Shipped name, workdir or file of weights."
)
_STEPS = flags.DEFINE_integer("steps", 10**8, "Steps of the lamp.", lower_bound=1)
_CHUNK = flags.DEFINE_integer("chunk", 10**6, "Steps of a line.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Another seed is another lamp.", lower_bound=0)
_OUTPUT = flags.DEFINE_string("output", "years.jsonl", "File to write.")

_RECORD_EVERY = 10
_KEEP_EVERY = 100  # records, for the tests of the whole run


def main(_: Sequence[str]) -> None:
    """Runs the lamp and prints the tests of the whole run."""
    lamp = weights.load(_CHECKPOINT.value)
    start = lamp.start(_SEED.value)
    kept: list[np.ndarray] = []
    horizons = range(_CHUNK.value, _STEPS.value + 1, _CHUNK.value)
    with (
        open(_OUTPUT.value, "w") as file,
        tqdm.tqdm(total=horizons[-1], unit="step", disable=None) as progress,
    ):

        def write(values: dict[str, Any]) -> None:
            print(json.dumps(values), file=file, flush=True)

        seconds = time.process_time()
        for state in durability.run_to_horizons(
            lamp,
            start.latents,
            start.key,
            horizons,
            window=1,
            record_every=_RECORD_EVERY,
            on_steps=progress.update,
        ):
            seconds, before = time.process_time(), seconds
            kept.append(state.record[::_KEEP_EVERY].copy())  # a view would keep all
            microseconds = round(1e6 * (seconds - before) / _CHUNK.value, 2)
            write(
                {"steps": state.step, "microseconds": microseconds}
                | {"peak_mb": _peak_mb()}
                | _moments(state.record)
                | _repetitions(state.monitor)
            )
        whole = _moments(np.concatenate(kept))
        write({"steps": state.step} | whole)
    print(f"{state.step:,} steps: {json.dumps(whole)}")
    print(f"wrote {len(kept) + 1} lines: {_OUTPUT.value}")


def _moments(record: np.ndarray) -> dict[str, Any]:
    """Returns |z|, moments and their p-value of states f32[R, Z] of one lamp."""
    norms = np.linalg.norm(record, axis=-1)
    mean, std = record.mean(axis=0, dtype=float), record.std(axis=0, dtype=float)
    values = {
        "norm": [norms.min(), norms.mean(), norms.max()],
        "mean": mean[np.abs(mean).argmax()],
        "std": std[np.abs(std - 1).argmax()],
    }
    tests = latents.one_lamp_tests(record)
    tested = isinstance(tests, latents.OneLampTests)
    return {name: np.round(value, 4).tolist() for name, value in values.items()} | {
        "samples": tests.normality.num_samples if tested else 0,
        "p_value": tests.normality.p_value if tested else None,
    }


def _repetitions(monitor: durability.Monitor) -> dict[str, Any]:
    return {
        "smallest_step": float(monitor.smallest_step.min()),
        "repeated": bool(monitor.repeated.any()),
        "largest_cosine": float(monitor.largest_cosine.max()),
        "period_p_value": durability.p_value(monitor),
    }


def _peak_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return math.ceil(peak / (1e6 if sys.platform == "darwin" else 1024))


if __name__ == "__main__":
    command_line.run(main)
