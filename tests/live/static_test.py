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
    pixels = run_script(
        """
          const { History } = await import("./history.js");
          const canvas = document.createElement("canvas");
          canvas.style = "display: block; width: 400px; height: 100px";
          document.body.replaceChildren(canvas);
          const history = new History(canvas);
          for (let n = 0; n < given; n += 1) history.add(n / (given - 1), 2);
          const { data } = canvas.getContext("2d").getImageData(0, 0, 300, 100);
          return Array.from(data);
        """,
        count,
    )
    image = np.reshape(pixels, (100, 300, 4)).astype(int)
    blue = (image[..., 2] > 200) & (image[..., 0] < 150) & (image[..., 3] > 100)
    for column in (10, 100, 200, 300):
        rows = np.flatnonzero(blue[:, column - 1])
        expected = 85 - 60 * column / (0.78 * 400)
        assert rows.mean() == pytest.approx(expected, abs=1.5)
