"""The pictures of a report."""

from collections.abc import Sequence
from typing import Any

import matplotlib.figure
import numpy as np

from duralava.simulation.report.measuring import FORGOTTEN, MAX_LAG_SECONDS
from duralava.simulation.report.recording import (
    CHUNK_SECONDS,
    SAMPLES_PER_SECOND,
    LongFilm,
)
from duralava.simulation.report.results import Curves
from duralava.simulation.report.thresholds import FALL, PEAK


def figures(
    films: Sequence[LongFilm], curves: Curves
) -> dict[str, matplotlib.figure.Figure]:
    """Returns the pictures of a report by the names of their files.

    Args:
      films: the long films.
      curves: of the first of them.
    """
    return {
        "moments.png": plot_moments([film.pictures for film in films]),
        "places.png": plot_places(films[0]),
        "curves.png": plot_curves(curves),
    }


def plot_moments(pictures: Sequence[np.ndarray]) -> matplotlib.figure.Figure:
    """Plots pictures u8[M, H, W, 3] of each lamp in a row."""
    rows, columns = len(pictures), len(pictures[0])
    size = (1.3 * columns, 1.3 * rows + 0.3)
    figure = matplotlib.figure.Figure(size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for (row, column), axes in np.ndenumerate(panels):
        axes.imshow(pictures[row][column])
        axes.axis("off")
        if row == 0:
            axes.set_title(f"{column * CHUNK_SECONDS} s", fontsize=8)
    return figure


def plot_places(film: LongFilm) -> matplotlib.figure.Figure:
    """Plots where the wax is: each row over time, and the mean from above."""
    figure = matplotlib.figure.Figure((12, 3), layout="constrained")
    times, above = figure.subplots(1, 2, width_ratios=(4, 1))
    by_row = film.by_row[: round(MAX_LAG_SECONDS * SAMPLES_PER_SECOND)].T
    extent = (0, by_row.shape[1] / SAMPLES_PER_SECOND, 0, 1)
    options = {"origin": "lower", "cmap": "inferno"}
    times.imshow(by_row, aspect="auto", extent=extent, **options)
    times.set(title="wax, mean of each row", xlabel="seconds", ylabel="height")
    mean = film.wax.mean(axis=(0, 2), dtype=np.float32)
    above.imshow(mean, extent=(0, 1, 0, 1), vmin=0, **options)
    above.set(title="mean from above", xlabel="x", ylabel="z, front to back")
    return figure


def plot_curves(curves: Curves) -> matplotlib.figure.Figure:
    """Plots the autocorrelation, and histograms of all other curves."""
    figure = matplotlib.figure.Figure((12, 9), layout="constrained")
    panels = iter(figure.subplots(3, 3).ravel())
    _plot_halves(next(panels), "wax height", curves.wax_height)
    _plot_halves(next(panels), "blobs", curves.blobs)
    _plot_halves(next(panels), "speed", curves.speed)
    _plot_autocorrelation(next(panels), curves.autocorrelation)
    _plot_histogram(next(panels), "sphericity of a blob", curves.sphericity)
    elongation = np.log2(curves.elongation)
    _plot_histogram(next(panels), "log2 of a blob's height / width", elongation)
    diameter = "diameter of a ball with the volume of a blob, widths"
    _plot_histogram(next(panels), diameter, curves.diameter)
    _plot_histogram(next(panels), "seconds from floor to top", curves.ascent_seconds)
    _plot_histogram(next(panels), "correlation of two lamps", curves.pair_correlation)
    return figure


def _plot_autocorrelation(axes: Any, values: np.ndarray) -> None:
    axes.set(xlabel="autocorrelation by seconds of lag")
    axes.plot(np.arange(len(values)) / SAMPLES_PER_SECOND, values)
    limits = (
        (FORGOTTEN, "grey", f"below it within {FALL.most:g} s"),
        (PEAK.most, "red", "not above it again"),
    )
    for height, colour, label in limits:
        axes.axhline(height, color=colour, linestyle="--", label=label)
    axes.legend()


def _plot_histogram(axes: Any, label: str, values: np.ndarray) -> None:
    axes.set(xlabel=label)
    axes.hist(values, _edges(values))


def _plot_halves(axes: Any, label: str, values: np.ndarray) -> None:
    axes.set(xlabel=label)
    for name, half in zip(("first", "second"), np.array_split(values, 2), strict=True):
        axes.hist(half, _edges(values), histtype="step", label=f"{name} half")
    axes.legend()


def _edges(values: np.ndarray) -> np.ndarray:
    """Returns the edges of the bins: one bin for each count, or 40 bins."""
    is_count = values.dtype.kind == "i"
    bins = np.arange(values.min(), values.max() + 2) - 0.5 if is_count else 40
    return np.histogram_bin_edges(values, bins)
