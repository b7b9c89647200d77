"""The plots of an evaluation."""

import matplotlib.figure
import numpy as np

from duralava.evaluation.contenders import LEARNED
from duralava.evaluation.latents import HorizonTests
from duralava.evaluation.measures import ClipFigures


def plot_distances(contenders: dict[str, ClipFigures]) -> matplotlib.figure.Figure:
    """Plots the Frechet distances of each contender, relative to the floor."""
    figure = matplotlib.figure.Figure((11, 4.5), layout="constrained")
    axes = figure.subplots()
    floor = contenders[LEARNED].features
    names = [name for name in contenders if name != LEARNED]
    width = 0.8 / len(floor)
    for index, (extractor, least) in enumerate(floor.items()):
        ratios = [
            contenders[name].features[extractor].frechet / least.frechet
            for name in names
        ]
        places = np.arange(len(names)) + (index - len(floor) / 2 + 0.5) * width
        axes.bar(places, ratios, width, label=extractor)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(yscale="log", ylabel="Frechet distance over that of learned film")
    axes.set_xticks(np.arange(len(names)), names)
    axes.legend(fontsize=8)
    return figure


def plot_moments(horizons: dict[str, HorizonTests]) -> matplotlib.figure.Figure:
    """Plots the moments of all latent dimensions by horizon, on those of N(0, I)."""
    figure = matplotlib.figure.Figure((11, 3.2), layout="constrained")
    # Moments of N samples of N(0, 1): mean and variance of their distributions.
    expected = {
        "mean": (0, lambda n: 1 / n),
        "std": (1, lambda n: 1 / (2 * n)),
        "skewness": (0, lambda n: 6 / n),
        "kurtosis": (3, lambda n: 24 / n),
    }
    for axes, (moment, (value, variance)) in zip(
        figure.subplots(1, len(expected)), expected.items(), strict=True
    ):
        for place, found in enumerate(horizons.values()):
            reach = 1.96 * np.sqrt(variance(found.normality.num_samples))
            axes.fill_between(
                [place - 0.4, place + 0.4], value - reach, value + reach, alpha=0.3
            )
            values = getattr(found.normality, moment)
            across = np.linspace(place - 0.3, place + 0.3, len(values))
            axes.plot(across, values, ".k", ms=2)
        axes.set(title=moment)
        axes.set_xticks(range(len(horizons)), horizons, rotation=30, fontsize=7)
    return figure
