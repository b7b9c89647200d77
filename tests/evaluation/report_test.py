import base64
import html.parser
import io
import json

import av
import evaluations
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from evaluations import NAMES
from PIL import Image

from duralava.evaluation import evaluate, report

ABOUT = {"checkpoint": "a <lamp>", "plan": {"seed": 3}}


@pytest.fixture(scope="module")
def evaluation():
    return evaluations.evaluation()


@pytest.fixture(scope="module")
def written(tmp_path_factory, evaluation):
    folder = tmp_path_factory.mktemp("evaluated") / "report"
    text = report.write_report(folder, evaluation, about=ABOUT, fps=5.0)
    return folder, text


class Page(html.parser.HTMLParser):
    """The attributes of all tags, and all text."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    def sources(self, tag):
        return [attributes["src"] for name, attributes in self.tags if name == tag]


def decoded(uri, kind):
    assert uri.startswith(f"data:{kind};base64,")
    return io.BytesIO(base64.b64decode(uri.partition(",")[2], validate=True))


def test_the_numbers_are_json_and_finite(written, evaluation):
    def refuse(constant):
        raise AssertionError(constant)

    source = (written[0] / "report.json").read_text()
    numbers = json.loads(source, parse_constant=refuse)
    assert numbers["about"] == ABOUT
    assert list(numbers["contenders"]) == NAMES
    found = numbers["contenders"]["20 steps"]
    assert found["motion_histogram"]["frechet"] == 4.5
    # JSON has no infinity and no NaN.
    assert found["wax"]["rise_speed"] is None
    assert numbers["durability"]["motion"]["correlation_seconds"] is None
    assert numbers["durability"]["one lamp"] == {"untested": "a lamp keeps its norm"}
    horizon = numbers["durability"]["horizons"]["20 steps"]
    tests = evaluation.durability.horizons["20 steps"]
    moments = ("mean", "std", "skewness", "kurtosis")
    assert horizon == {
        "normality": vars(tests.normality)
        | {name: getattr(tests.normality, name).tolist() for name in moments},
        "smallest_step": 0.01,
        "repeated": 0,
        "largest_cosine": 0.5,
        "period_p_value": 0.9,
    }


def test_the_page_loads_nothing_else(written):
    source = (written[0] / "report.html").read_text()
    assert "http" not in source
    page = Page(source)
    for _, attributes in page.tags:
        assert not {"href", "srcset", "data"} & set(attributes)
        assert attributes.get("src", "data:").startswith("data:")
    assert not {"link", "script", "iframe"} & {tag for tag, _ in page.tags}
    assert "url(" not in source and "@import" not in source


def test_the_page_shows_each_film(written):
    page = Page((written[0] / "report.html").read_text())
    names = [evaluate.FILM, *NAMES]
    videos = page.sources("video")
    assert len(videos) == len(names)
    assert [tag for tag, _ in page.tags].count("figure") == len(names)
    assert [text for text in page.texts if text in names][: len(names)] == names
    for index, uri in enumerate(videos):
        with av.open(decoded(uri, "video/mp4")) as container:
            assert container.streams.video[0].average_rate == 5
            frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        assert np.shape(frames) == (5, 2 * 32, 4 * 32, 3)
        # Lamps 0 to 3 above, 4 to 7 below.
        expected = evaluations.film(index)[:, :, 0, 0, 0].reshape(5, 2, 4).astype(int)
        shown = np.array(frames)[:, 16::32, 16::32].mean(axis=-1)
        np.testing.assert_allclose(shown, expected, atol=4)


def test_the_page_has_each_plot_that_is_written(written):
    page = Page((written[0] / "report.html").read_text())
    pictures = page.sources("img")
    names = sorted(path.name for path in written[0].glob("*.png"))
    assert names == ["horizons.png", "latents.png"]
    sizes = set()
    for uri in pictures:
        with Image.open(decoded(uri, "image/png")) as picture:
            sizes.add(picture.size)
    expected = set()
    for name in names:
        with Image.open(written[0] / name) as picture:
            expected.add(picture.size)
    assert len(pictures) == 2 and sizes == expected


def test_the_page_says_what_its_tables_mean_and_how_they_were_made(written):
    folder, text = written
    texts = Page((folder / "report.html").read_text()).texts
    lines = text.splitlines()
    assert lines[5] == "" and all(lines[:5])
    start = texts.index(lines[0])
    assert texts[start : start + 5] == lines[:5]
    setting = texts.index("plan.seed")
    assert texts[setting + 1] == "3"


def test_axe_finds_nothing_on_the_page(written, browser):
    page = browser.new_page(viewport={"width": 400, "height": 700})
    page.goto((written[0] / "report.html").as_uri())
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    page.close()


def test_names_of_lamps_are_escaped(written):
    source = (written[0] / "report.html").read_text()
    assert "<rival>" not in source and "<lamp>" not in source
    texts = Page(source).texts
    assert "<rival>" in texts
    assert "How real, how durable: a <lamp>" in texts


def test_tables_have_a_column_for_each_contender(written):
    folder, text = written
    lines = text.splitlines()
    title = lines.index("The lamp in the picture")
    names = lines[title + 1]
    assert all(name in names for name in NAMES)
    below = lines[title:]
    novelty = next(line for line in below if line.startswith("nearest learned frame"))
    assert novelty.split()[-5:] == ["1.125", "2.125", "3.125", "4.125", "5.125"]
    # Numbers begin where their names do.
    assert novelty.index("5.125") == names.index("20 steps")
    returns = next(line for line in lines if line.startswith("nearest return"))
    assert returns.split()[-5:] == ["0.438"] * 5
    assert "a lamp keeps its norm" in text
    cells = set(Page((folder / "report.html").read_text()).texts)
    assert {"1.125", "0.438", "0.062", "a lamp keeps its norm"} <= cells


def test_nothing_is_overwritten(written, evaluation):
    before = {path: path.stat().st_mtime_ns for path in written[0].iterdir()}
    with pytest.raises(OSError, match="is not empty"):
        report.write_report(written[0], evaluation, about=ABOUT, fps=5.0)
    assert {path: path.stat().st_mtime_ns for path in written[0].iterdir()} == before
