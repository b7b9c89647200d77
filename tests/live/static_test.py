import pathlib

import numpy as np
import pytest
from lamp_page import opened_modules

from duralava import live

STATIC = pathlib.Path(live.__file__).parent / "static"


@pytest.fixture(scope="module")
def run_script(browser):
    with opened_modules(browser, STATIC) as run:
        yield run


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h 0 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d 0 h"),
        (1_000_000, "11 d 13 h"),
    ],
)
def test_a_duration_has_two_units(run_script, seconds, text):
    script = "return (await import('./summary.js')).duration(given)"
    assert run_script(script, seconds) == text


@pytest.mark.parametrize("count", [2, 600, 601, 5_000])
def test_the_graph_spans_the_whole_history(run_script, count):
    # A mean that rises evenly from 0 to 1 is a straight line, however long it took.
    columns = [10, 100, 200, 300]
    pixels = run_script(
        """
          const { History } = await import("./history.js");
          const canvas = document.createElement("canvas");
          canvas.style = "display: block; width: 400px; height: 100px";
          document.body.replaceChildren(canvas);
          const history = new History(canvas);
          const [columns, count] = given;
          for (let n = 0; n < count; n += 1) history.add(n / (count - 1), 2);
          const { data } = canvas.getContext("2d").getImageData(0, 0, 400, 100);
          const rgba = (x, y) => [0, 1, 2, 3].map((i) => data[4 * (400 * y + x) + i]);
          return columns.map((x) => Array.from({ length: 100 }, (_, y) => rgba(x, y)));
        """,
        [columns, count],
    )
    red, _, blue, alpha = np.moveaxis(np.array(pixels), -1, 0)
    is_mean = (blue > 200) & (red < 150) & (alpha > 100)
    for x, rows in zip(columns, is_mean, strict=True):
        expected = 85 - 60 * (x + 0.5) / (0.78 * 400)
        assert np.flatnonzero(rows).mean() == pytest.approx(expected, abs=1.5)
