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


def played(run_script, arrivals, moments):
    """Returns [time, start, share] of the pictures that a timeline shows at moments.

    Args:
      run_script: of a page.
      arrivals: [now, time, start] of each map.
      moments: on the clock of `now`, each after all arrivals up to then.
    """
    return run_script(
        """
          const { Timeline } = await import("./timeline.js");
          const timeline = new Timeline();
          const arrivals = [...given[0]];
          return given[1].map((moment) => {
            while (arrivals.length && arrivals[0][0] <= moment) {
              const [now, time, start] = arrivals.shift();
              timeline.add({ time, start }, now);
            }
            const { first, second, share } = timeline.at(moment);
            const shown = first && first.time + share * (second.time - first.time);
            return [shown, first?.start, share];
          });
        """,
        [arrivals, moments],
    )


def test_before_the_first_map_a_timeline_shows_nothing(run_script):
    assert played(run_script, [], [0.0, 1.0]) == [[None, None, None]] * 2


def test_maps_that_arrive_evenly_are_shown_evenly(run_script):
    arrivals = [[50 + n / 16, n / 16, 1] for n in range(32)]
    moments = np.arange(50.2, 51.9, 1 / 60)
    shown = [time for time, _, _ in played(run_script, arrivals, moments.tolist())]
    np.testing.assert_allclose(shown, moments - 50 - 0.1, atol=1e-9)


def test_maps_that_arrive_unevenly_are_shown_evenly(run_script):
    rng = np.random.default_rng(0)
    late = rng.uniform(0, 0.03, 160)
    arrivals = [[50 + n / 16 + by, n / 16, 1] for n, by in enumerate(late)]
    moments = np.arange(52, 59, 1 / 60)
    shown = [time for time, _, _ in played(run_script, arrivals, moments.tolist())]
    assert np.abs(60 * np.diff(shown) - 1).max() < 0.2


def test_maps_that_are_far_apart_are_shown_later(run_script):
    arrivals = [[50 + n / 4, n / 4, 1] for n in range(80)]
    moments = np.arange(60, 69, 1 / 60)
    shown = [time for time, _, _ in played(run_script, arrivals, moments.tolist())]
    np.testing.assert_allclose(shown, moments - 50 - 0.375, atol=0.01)


def test_a_picture_stays_until_the_next_map(run_script):
    shown = played(run_script, [[10, 0, 1], [10.06, 0.06, 1]], [10.01, 11.0, 12.0])
    assert shown == [[0, 1, 0], [0.06, 1, 0], [0.06, 1, 0]]


@pytest.mark.parametrize(("time", "start"), [(0.06, 2), (5.0, 1), (-3.0, 1)])
def test_a_lamp_that_jumps_is_not_interpolated(run_script, time, start):
    shown = played(run_script, [[10, 0, 1], [10.06, time, start]], [10.0, 10.07])
    assert shown[1] == [time, start, 0]


def test_a_page_that_is_hidden_keeps_few_maps(run_script):
    arrivals = [[n / 16, n / 16, 1] for n in range(2_000)]
    ((time, _, _),) = played(run_script, arrivals, [2_000 / 16])
    assert time == pytest.approx(2_000 / 16 - 0.1)


THEMES = ["classic", "ocean"]


def read_link(run_script, search):
    script = "return (await import('./links.js')).readLink(...given)"
    return run_script(script, [search, THEMES])


def test_a_link_without_options_changes_nothing(run_script):
    result = read_link(run_script, "?utm_source=mail")
    assert result["problems"] == []
    assert result["link"] == {
        **{"seed": None, "theme": None, "speed": None, "controls": True},
        **{"size": "contain", "background": "black", "lamps": 1},
    }


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("seed", "0", 0),
        ("seed", "2147483647", 2**31 - 1),
        ("theme", "ocean", "ocean"),
        ("speed", "0.1", 0.1),
        ("speed", "10", 10),
        ("controls", "0", False),
        ("controls", "1", True),
        ("size", "cover", "cover"),
        ("background", "transparent", "transparent"),
        ("lamps", "9", 9),
    ],
)
def test_an_option_of_a_link(run_script, option, text, value):
    result = read_link(run_script, f"?{option}={text}")
    assert (result["link"][option], result["problems"]) == (value, [])


@pytest.mark.parametrize(
    ("option", "text"),
    [
        *(("seed", text) for text in ("", "-1", "1.5", "x", "1e3", "2147483648")),
        *(("theme", text) for text in ("", "Ocean", "toString")),
        *(("speed", text) for text in ("", "0", "0.09", "10.1", "fast", "NaN")),
        *(("controls", text) for text in ("", "2", "no", "toString")),
        *(("size", "large"), ("background", "red")),
        *(("lamps", text) for text in ("0", "10", "2.5")),
    ],
)
def test_a_bad_option_of_a_link_is_said(run_script, option, text):
    default = read_link(run_script, "")["link"][option]
    result = read_link(run_script, f"?{option}={text}")
    assert result["link"][option] == default
    (problem,) = result["problems"]
    assert option in problem and f'"{text}"' in problem


def test_a_made_link_reads_the_same(run_script):
    link = run_script(
        "return (await import('./links.js')).makeLink(...given)",
        [
            "http://lamp.test:81/some/page?seed=1&controls=0#top",
            {"seed": 7, "speed": 0.5, "theme": "ocean", "size": "contain", "lamps": 1},
        ],
    )
    assert link == "http://lamp.test:81/some/page?seed=7&speed=0.5&theme=ocean"
    read = read_link(run_script, link.partition("?")[2])["link"]
    assert (read["seed"], read["speed"], read["theme"]) == (7, 0.5, "ocean")


@pytest.mark.parametrize(
    ("supported", "expected"),
    [(["webm", "mp4"], "webm"), (["webm"], "webm"), (["mp4"], "mp4"), ([], None)],
)
def test_a_recording_has_the_first_format_that_the_browser_knows(
    run_script, supported, expected
):
    script = """
      const { recordingFormat } = await import("./recorder.js");
      return recordingFormat((type) => given.includes(type.slice("video/".length)));
    """
    assert run_script(script, supported) == expected


def test_the_bell_stacks_numbers_where_they_are(run_script):
    script = "return (await import('./bell.js')).columns(...given)"
    # Seven columns from -3.5 to 3.5 are those of whole numbers.
    numbers = [-3, -1.49, -0.51, 0, 0.4, 1.6, 3.4, 9, -9]
    assert run_script(script, [numbers, 7]) == [0, 2, 2, 3, 3, 5, 6, 6, 0]


@pytest.mark.parametrize(
    ("count", "width", "height", "columns"),
    [
        *((1, 1000, 500, 1), (2, 1000, 500, 2), (2, 400, 800, 1)),
        *((4, 1600, 900, 4), (4, 1000, 1000, 2), (9, 1000, 1400, 3)),
    ],
)
def test_a_wall_makes_its_lamps_large(run_script, count, width, height, columns):
    script = "return (await import('./wall.js')).bestColumns(...given)"
    assert run_script(script, [count, width, height]) == columns


def test_a_request_goes_to_all_lamps_of_a_wall(run_script):
    requests = run_script(
        """
          const { together } = await import("./wall.js");
          const lamps = [0, 1, 2].map(() => ({
            got: [], request(change) { this.got.push(change); },
          }));
          together(lamps).request({ speed: 2 });
          together(lamps).request({ seed: given });
          return lamps.map(({ got }) => got);
        """,
        2**31 - 2,
    )
    seeds = [2**31 - 2, 2**31 - 1, 0]
    assert requests == [[{"speed": 2}, {"seed": seed}] for seed in seeds]
