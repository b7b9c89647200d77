"""Plots the results of the benchmark's scaling suite.

  duralava benchmark --suites=scaling --output=scaling.json
  python docs/figures/scaling.py --input=scaling.json

Creates `scaling.png`: time and memory of a training step against length, number and
resolution of the clips.
"""

import json
import pathlib
import statistics
from collections.abc import Sequence
from typing import Any

import matplotlib.figure
from absl import flags

from duralava import command_line

_INPUT = flags.DEFINE_string("input", None, "JSON file written by duralava benchmark.")
flags.mark_flag_as_required("input")

_OUTPUT = pathlib.Path(__file__).parents[1] / "pictures/scaling.png"
_AXES = ("steps per clip, T", "clips per batch, B", "pixels per frame")
_GROUPS, _SINGLE = "default groups of clips", "one clip at a time"


def series(results: list[dict[str, Any]]) -> list[dict[str, list[dict[str, Any]]]]:
    """Returns the results of each of `_AXES` by the label of their line, with `x`."""
    axes: list[dict[str, list[dict[str, Any]]]] = [{}, {}, {}]
    for result in results:
        if result["suite"] != "scaling":
            continue
        point, _, variant = result["name"].partition(", ")
        first, second = point.split()
        if second == "px":
            index, x = 2, int(first) ** 2
        else:
            index, x = "TB".index(first), int(second)
        label = _SINGLE if variant else _GROUPS
        axes[index].setdefault(label, []).append(result | {"x": x})
    return axes


def main(_: Sequence[str]) -> None:
    """Writes the plot."""
    axes = series(json.loads(pathlib.Path(_INPUT.value).read_text())["results"])
    if not all(axes):
        raise ValueError(f"{_INPUT.value} has no scaling suite")
    figure = matplotlib.figure.Figure((11, 5.5), layout="constrained")
    panels = figure.subplots(2, 3, sharex="col")
    for column, (label, lines) in enumerate(zip(_AXES, axes, strict=True)):
        above, below = panels[:, column]
        for name, points in lines.items():
            x = [point["x"] for point in points]
            seconds = [statistics.median(point["seconds"]) for point in points]
            above.plot(x, seconds, "o-", label=name)
            below.plot(x, [point["peak_bytes"] / 1e9 for point in points], "o-")
        for panel in (above, below):
            panel.set_xlim(0)
            panel.set_xticks(x)
            panel.set_ylim(0)
        below.set_xlabel(label)
    panels[0, 0].set_ylabel("seconds per step")
    panels[1, 0].set_ylabel("peak memory, GB")
    panels[0, 0].legend()
    figure.savefig(_OUTPUT, dpi=80)
    print(f"wrote {_OUTPUT}")


if __name__ == "__main__":
    command_line.run(main)
