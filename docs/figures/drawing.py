"""Style and drawing functions of the figures in docs/how_it_works.md."""

import io
import pathlib
from collections.abc import Mapping, Sequence

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from PIL import Image
from scipy import stats

INK, QUIET, FAINT = "#f4e9e4", "#b9a6b4", "#6b4a66"
ORANGE, BLUE, PINK = "#ff9a5c", "#6fb7ff", "#e86bb0"
COLD_TO_WARM = LinearSegmentedColormap.from_list(
    "cold_to_warm", [BLUE, "#16324f", "#0b060d", "#6b2d12", ORANGE]
)
_WIDTH, _DPI = 9.0, 110
_GLASS = (0.17, 0.83)  # left and right edge, in widths of a frame
_LABELS = 0.115  # fraction of the figure's width for the names of rows

matplotlib.style.use(
    {
        "figure.facecolor": "black",
        "axes.facecolor": "black",
        "axes.edgecolor": FAINT,
        "axes.labelcolor": QUIET,
        "axes.titlecolor": INK,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "text.color": INK,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "font.size": 9,
        "legend.frameon": False,
        "lines.linewidth": 1.5,
    }
)


def new_figure(height: float) -> Figure:
    """Returns an empty figure of `height` inches and the common width."""
    return Figure((_WIDTH, height))


def show_frame(axes: Axes, frame: np.ndarray) -> None:
    """Shows the part of a frame u8[H, W, 3] that contains the glass."""
    hide_axes(axes).imshow(frame, extent=(0, 1, 1, 0), interpolation="lanczos")
    axes.set_xlim(*_GLASS)


def hide_axes(axes: Axes) -> Axes:
    """Removes ticks and borders; returns the axes."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes


def film_strips(
    rows: Mapping[str, np.ndarray], titles: Sequence[str], *, graph: float = 0.0
) -> tuple[Figure, Axes | None]:
    """Draws films as rows of frames.

    Args:
      rows: name and frames u8[N, H, W, 3] of each row.
      titles: titles of the N columns.
      graph: height in inches of axes for a graph below the rows; 0 for none.

    Returns:
      The figure, and the axes below the rows or None.
    """
    share = (1 - _LABELS) / len(titles)
    row_height = _WIDTH * share / (_GLASS[1] - _GLASS[0])
    top, foot = 0.25, 0.5 if graph else 0.05
    height = top + len(rows) * row_height + graph + foot
    figure = new_figure(height)
    for row, (name, film) in enumerate(rows.items()):
        bottom = 1 - (top + (row + 1) * row_height) / height
        middle = bottom + row_height / height / 2
        figure.text(0.005, middle, name, va="center", fontsize=10)
        for column, (title, frame) in enumerate(zip(titles, film, strict=True)):
            left = _LABELS + column * share
            axes = figure.add_axes((left, bottom, share, row_height / height))
            show_frame(axes, frame)
            if row == 0:
                axes.set_title(title, loc="center", color=QUIET, fontsize=9)
    if not graph:
        return figure, None
    below = (_LABELS, 0.45 / height, 1 - _LABELS, graph / height)
    return figure, figure.add_axes(below)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draws an arrow between two points, in units of the axes' width and height."""
    axes.annotate(
        "",
        end,
        start,
        "axes fraction",
        "axes fraction",
        {"arrowstyle": "-|>", "color": QUIET, "shrinkA": 0, "shrinkB": 0},
    )


def mark_point(axes: Axes, x: float, y: float) -> None:
    """Draws a circle at a point, from 0 to 1, of a frame drawn by `show_frame`."""
    axes.add_patch(Circle((x, y), 0.1, fill=False, color="white", lw=1.2))


def plot_quantiles(axes: Axes, values: np.ndarray, colour: str) -> None:
    """Plots all values, sorted, against the values expected from N(0, 1)."""
    (expected, ordered), _ = stats.probplot(values.ravel())
    axes.plot([-4, 4], [-4, 4], color=INK, lw=0.6)
    axes.plot(expected, ordered, ".", color=colour, ms=2)
    axes.set(xlim=(-4, 4), ylim=(-4, 4), xlabel="expected from N(0, 1)")


def save_png(figure: Figure, path: pathlib.Path) -> None:
    """Writes a PNG with a palette of 256 colours, which takes a third of the size."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DPI)
    with Image.open(buffer) as image:
        image = image.convert("RGB")
        palette = image.quantize(256, Image.Quantize.MEDIANCUT)
        # With dither: steps of a gradient would look like contour lines.
        reduced = image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        reduced.save(path, optimize=True)
