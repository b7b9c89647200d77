"""An evaluation as a table, as JSON, as plots and as one page with films."""

import base64
import html
import io
import os
import pathlib
import tempfile
from typing import Any

import matplotlib.figure
import numpy as np

from duralava import files
from duralava.evaluation.evaluate import LEARNED, Evaluation
from duralava.rendering import writers

_SCALE = 2  # screen pixels per pixel of a film
_COLUMNS = 4  # lamps side by side

Cell = tuple[str, str]
"""Name and formatted value."""


def write_report(
    directory: str | os.PathLike[str],
    evaluation: Evaluation,
    *,
    about: dict[str, Any],
    fps: float,
) -> str:
    """Writes `report.json`, `report.html` and plots.

    The page holds its plots and films itself and asks for nothing else. The directory
    appears when it is complete.

    Args:
      directory: folder to write; one that exists must be empty.
      evaluation: what came out.
      about: what was evaluated and how, for whoever reads the numbers.
      fps: at which the films of `evaluation` play, one frame a model step.

    Returns:
      The tables, as text.

    Raises:
      OSError: the directory is not empty, or cannot be written.
    """
    files.check_new_folder(directory)
    tables = {
        "Distances to film that was never learned": _distance_rows(evaluation),
        "The lamp in the picture": _lamp_rows(evaluation),
        "Durability": _durability_rows(evaluation),
        "Motion of the latents": _motion_rows(evaluation),
    }
    pictures = {
        "horizons.png": _png(_draw_horizons(evaluation)),
        "latents.png": _png(_draw_latents(evaluation)),
    }
    numbers = {
        "about": about,
        "contenders": evaluation.contenders,
        "durability": evaluation.durability,
    }
    with files.written_whole(directory) as folder:
        folder.mkdir()
        files.write_json(folder / "report.json", numbers)
        for name, picture in pictures.items():
            (folder / name).write_bytes(picture)
        page = _page(about, tables, pictures, evaluation.films, fps)
        (folder / "report.html").write_text(page)
    return "\n\n".join(f"{name}\n{_text(rows)}" for name, rows in tables.items())


def _distance_rows(evaluation: Evaluation) -> list[list[Cell]]:
    rows = []
    for name, found in evaluation.contenders.items():
        row = [("", name)]
        for extractor, values in _by_extractor(found).items():
            kernel = values["kernel"]
            reach = (kernel["high"] - kernel["low"]) / 2
            row += [
                (f"{extractor} Frechet", f"{values['frechet']:.4f}"),
                ("MMD x 1000", f"{1e3 * kernel['value']:.1f} ± {1e3 * reach:.1f}"),
                ("density", f"{values['density']:.2f}"),
                ("coverage", f"{values['coverage']:.2f}"),
            ]
        rows.append(row)
    return rows


def _by_extractor(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns those figures of a contender that are distances between features."""
    return {
        name: values
        for name, values in found.items()
        if isinstance(values, dict) and "frechet" in values
    }


def _lamp_rows(evaluation: Evaluation) -> list[list[Cell]]:
    rows = []
    for name, found in evaluation.contenders.items():
        wax, recurs = found["wax"], found["dynamics"]
        rows.append(
            [
                ("", name),
                ("samples", f"{found['samples']}"),
                ("wax / film's", f"{wax['share']:.3f}"),
                ("its spread / film's", f"{wax['spread']:.3f}"),
                ("blob counts TV", f"{wax['blob_count']:.3f}"),
                ("blob heights TV", f"{wax['blob_height']:.3f}"),
                ("rise speeds TV", f"{wax['rise_speed']:.3f}"),
                ("nearest learned frame / film's", f"{found['novelty']:.3f}"),
                ("motion / film's", f"{found['motion']:.3f}"),
                ("MMD x 1000 backwards", f"{1e3 * found['backwards']['value']:.1f}"),
                ("nearest return to a state", f"{recurs['recurrence']:.3f}"),
                ("largest late autocorrelation", f"{recurs['autocorrelation']:.3f}"),
            ]
        )
    return rows


def _durability_rows(evaluation: Evaluation) -> list[list[Cell]]:
    rows = []
    for name, found in evaluation.durability["horizons"].items():
        rows.append(
            [
                ("", name),
                ("lamps", f"{found['normality']['num_samples']}"),
                ("N(0, I): p", f"{found['normality']['p_value']:.3g}"),
                *(
                    (moment, f"{value:.3g}")
                    for moment, value in found["normality"]["p_values"].items()
                ),
                ("smallest step / |z|", f"{found['smallest_step']:.3g}"),
                (
                    "nearest to an earlier state, cosine",
                    f"{found['largest_cosine']:.3f}",
                ),
                ("its p", f"{found['period_p_value']:.3g}"),
                ("exact repetitions", f"{found['repeated']}"),
            ]
        )
    return rows


def _motion_rows(evaluation: Evaluation) -> list[list[Cell]]:
    found, lamp = evaluation.durability["motion"], evaluation.durability["one lamp"]
    p = (
        lamp["untested"]
        if "untested" in lamp
        else f"{lamp['normality']['p_value']:.3g}"
    )
    return [
        [
            ("", "this lamp"),
            ("correlation time, s", f"{found['correlation_seconds']:.1f}"),
            ("Lyapunov exponent, 1/s", f"{found['lyapunov_per_second']:.3f}"),
            ("one lamp over time is N(0, I): p", p),
        ]
    ]


def _text(rows: list[list[Cell]]) -> str:
    """Returns a table on its side: a column for each row, a line for each name."""
    columns = [[value for _, value in row] for row in rows]
    names = [name for name, _ in rows[0]]
    widths = [max(map(len, column)) for column in columns]
    first = max(map(len, names))
    lines = []
    for index, name in enumerate(names):
        cells = (c[index].rjust(w) for c, w in zip(columns, widths, strict=True))
        lines.append("  ".join([name.ljust(first), *cells]).rstrip())
    return "\n".join(lines)


def _draw_horizons(evaluation: Evaluation) -> matplotlib.figure.Figure:
    """Draws the Frechet distances over the floor, by contender."""
    figure = matplotlib.figure.Figure((11, 4.5), layout="constrained")
    axes = figure.subplots()
    floor = _by_extractor(evaluation.contenders[LEARNED])
    names = [name for name in evaluation.contenders if name != LEARNED]
    width = 0.8 / len(floor)
    for index, (extractor, values) in enumerate(floor.items()):
        ratios = [
            evaluation.contenders[name][extractor]["frechet"] / values["frechet"]
            for name in names
        ]
        places = np.arange(len(names)) + (index - len(floor) / 2 + 0.5) * width
        axes.bar(places, ratios, width, label=extractor)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(yscale="log", ylabel="Frechet distance over that of learned film")
    axes.set_xticks(np.arange(len(names)), names)
    axes.legend(fontsize=8)
    return figure


def _draw_latents(evaluation: Evaluation) -> matplotlib.figure.Figure:
    """Draws the moments of all dimensions at each horizon, and what N(0, I) gives."""
    figure = matplotlib.figure.Figure((11, 3.2), layout="constrained")
    tests = {
        name: found["normality"]
        for name, found in evaluation.durability["horizons"].items()
    }
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
        for place, test in enumerate(tests.values()):
            reach = 1.96 * np.sqrt(variance(test["num_samples"]))
            axes.fill_between(
                [place - 0.4, place + 0.4], value - reach, value + reach, alpha=0.3
            )
            found = test[moment]
            axes.plot(
                np.linspace(place - 0.3, place + 0.3, len(found)), found, ".k", ms=2
            )
        axes.set(title=moment)
        axes.set_xticks(range(len(tests)), tests, rotation=30, fontsize=7)
    return figure


def _page(
    about: dict[str, Any],
    tables: dict[str, list[list[Cell]]],
    pictures: dict[str, bytes],
    films: dict[str, np.ndarray],
    fps: float,
) -> str:
    shown = "".join(
        f"<figure><video autoplay loop muted playsinline src='{_film(film, fps)}'>"
        f"</video><figcaption>{html.escape(name)}</figcaption></figure>"
        for name, film in films.items()
    )
    parts = [f"<div class='films'>{shown}</div>"]
    for name, rows in tables.items():
        lines = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>"
            for line in zip(
                [name for name, _ in rows[0]],
                *([value for _, value in row] for row in rows),
                strict=True,
            )
        )
        parts.append(f"<h2>{html.escape(name)}</h2><table>{lines}</table>")
    parts += [
        f"<img src='{_data_uri('image/png', picture)}'>"
        for picture in pictures.values()
    ]
    lines = "".join(
        f"<tr><td>{html.escape(key)}</td><td>{html.escape(str(value))}</td></tr>"
        for key, value in about.items()
    )
    parts.append(f"<h2>About</h2><table>{lines}</table>")
    title = html.escape(f"How real, how durable: {about['checkpoint']}")
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title>"
        f"<style>{_STYLE}</style><h1>{title}</h1>{''.join(parts)}</html>\n"
    )


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 76em;
       padding: 0 1em; background: #16101c; color: #eee }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 13px }
td { padding: .2em .8em; text-align: right; white-space: nowrap;
     font-variant-numeric: tabular-nums }
td:first-child { text-align: left; color: #bbb }
tr:first-child td { font-weight: 600; color: #fff }
.films { display: flex; flex-wrap: wrap; gap: 1em }
figure { margin: 0 } figcaption { text-align: center; font-size: 13px }
video, img { max-width: 100%; border-radius: 6px }
"""


def _film(film: np.ndarray, fps: float) -> str:
    """Returns lamps u8[T, N, H, W, 3] side by side as a data URI."""
    steps, count, height, width, _ = film.shape
    rows = film.reshape(steps, count // _COLUMNS, _COLUMNS, height, width, 3)
    frames = rows.swapaxes(2, 3).reshape(steps, -1, _COLUMNS * width, 3)
    frames = frames.repeat(_SCALE, axis=1).repeat(_SCALE, axis=2)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "film.mp4"
        writers.write_frames(path, iter(frames), fps=fps)
        return _data_uri("video/mp4", path.read_bytes())


def _png(figure: matplotlib.figure.Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
