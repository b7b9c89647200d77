"""The page of an evaluation: its films, tables and plots in one file."""

import base64
import html
from collections.abc import Iterable, Mapping
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
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 13px }
td, th { padding: .2em .8em; text-align: right; white-space: nowrap;
         font-variant-numeric: tabular-nums }
th { font-weight: 600; color: #fff }
td:first-child, th:first-child { text-align: left } td:first-child { color: #bbb }
table:last-of-type :is(td, th) { text-align: left; white-space: normal }
.films { display: flex; flex-wrap: wrap; gap: 1em }
figure { margin: 0 } figcaption { text-align: center; font-size: 13px }
video, img { max-width: 100%; border-radius: 6px }
"""


def render_page(
    about: Mapping[str, Any],
    shown_tables: Mapping[str, str],
    plots: Iterable[bytes],
    films: Mapping[str, np.ndarray],
    fps: float,
) -> str:
    """Returns a page that loads nothing else.

    Args:
      about: what was evaluated and how; `checkpoint` names the lamp.
      shown_tables: HTML tables by title.
      plots: PNG files.
      films: u8[T, N, H, W, 3] by name.
      fps: frames per second of the films.
    """
    videos = "".join(
        f"<figure><video autoplay loop muted playsinline src='{_video(film, fps)}'>"
        f"</video><figcaption>{html.escape(name)}</figcaption></figure>"
        for name, film in films.items()
    )
    shown_tables = {**shown_tables, "About": tables.page(list(about.items()), _ABOUT)}
    *results, about_table = (
        f"<h2>{html.escape(name)}</h2>{table}" for name, table in shown_tables.items()
    )
    images = (f"<img src='{_data_uri('image/png', plot)}'>" for plot in plots)
    title = html.escape(f"How real, how durable: {about['checkpoint']}")
    body = "".join(
        [f"<div class='films'>{videos}</div>", *results, *images, about_table]
    )
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title>"
        f"<style>{_STYLE}</style><h1>{title}</h1>{body}</html>\n"
    )


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
