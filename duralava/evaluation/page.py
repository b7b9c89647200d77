"""The page of an evaluation: its films, tables and plots in one file."""

import base64
import html
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from duralava import tables
from duralava.rendering import pictures, writers
from duralava.tables import Column

_SCALE = 2  # screen pixels per pixel of a film
_COLUMNS = 4  # lamps side by side
_ABOUT = (
    Column("setting", lambda setting: setting[0]),
    Column("value", lambda setting: setting[1], str),
)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 76em;
       padding: 0 1em; background: #16101c; color: #eee }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse; font-size: 13px }
td, th { padding: .2em .8em; text-align: right; white-space: nowrap;
         font-variant-numeric: tabular-nums }
th { font-weight: 600; color: #fff }
td:first-child, th:first-child { text-align: left } td:first-child { color: #bbb }
.wide { overflow-x: auto } .wide:focus-visible { outline: 2px solid #fff }
.about :is(td, th) { text-align: left; white-space: normal }
.films { display: flex; flex-wrap: wrap; gap: 1em }
figure { margin: 0 } figcaption { text-align: center; font-size: 13px }
video, img { max-width: 100%; border-radius: 6px }
"""


def render_page(
    about: Mapping[str, Any],
    meaning: Iterable[str],
    shown_tables: Mapping[str, str],
    plots: Mapping[str, bytes],
    films: Mapping[str, np.ndarray],
    fps: float,
) -> str:
    """Returns a page that loads nothing else.

    Args:
      about: what was evaluated and how; `checkpoint` names the lamp.
      meaning: sentences on what the tables mean.
      shown_tables: HTML tables by title.
      plots: PNG files by what they show.
      films: u8[T, N, H, W, 3] by name.
      fps: frames per second of the films.
    """
    videos = "".join(
        f"<figure><video autoplay loop muted playsinline "
        f"aria-label='{_escaped(f'Film: {name}')}' src='{_video(film, fps)}'>"
        f"</video><figcaption>{_escaped(name)}</figcaption></figure>"
        for name, film in films.items()
    )
    results = (_section(name, table) for name, table in shown_tables.items())
    images = (
        f"<p><img alt='{_escaped(alt)}' src='{_data_uri('image/png', plot)}'></p>"
        for alt, plot in plots.items()
    )
    about_table = tables.page(list(_flat(about)), _ABOUT)
    title = _escaped(f"How real, how durable: {about['checkpoint']}")
    body = "".join(
        [
            *(f"<p>{_escaped(sentence)}</p>" for sentence in meaning),
            f"<div class='films'>{videos}</div>",
            *results,
            *images,
            _section("About", about_table, "wide about"),
        ]
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{title}</title><style>{_STYLE}</style>"
        f"<header><h1>{title}</h1></header><main>{body}</main></html>\n"
    )


def _section(title: str, table: str, kind: str = "wide") -> str:
    """Returns a table with its title, which can be scrolled by keyboard."""
    name = _escaped(title)
    return (
        f"<h2>{name}</h2>"
        f"<div class='{kind}' role='region' tabindex='0' aria-label='{name}'>"
        f"{table}</div>"
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields names and values of nested dictionaries, one setting each."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            yield prefix + name, ", ".join(map(str, value)) or "none"
        else:
            yield prefix + name, value


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)


def _video(film: np.ndarray, fps: float) -> str:
    """Returns lamps u8[T, N, H, W, 3] side by side, as the data URI of a video."""
    rows = film.shape[1] // _COLUMNS
    frames = [
        pictures.tile(moment, rows, _COLUMNS)
        .repeat(_SCALE, axis=0)
        .repeat(_SCALE, axis=1)
        for moment in film
    ]
    return _data_uri("video/mp4", writers.encode_animation(frames, ".mp4", fps=fps))


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
