import contextlib
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys

import av
import numpy as np
import pytest
from lamp_page import frames, picture, troubles_of, wait_for, wait_until
from PIL import Image
from playwright.sync_api import expect

TOOL = pathlib.Path(__file__).parents[2] / "tools/live.py"

expect.set_options(timeout=60_000)


@contextlib.contextmanager
def served(*flags):
    """Starts the tool as a user does, and yields the address of its page."""
    process = subprocess.Popen(
        [sys.executable, TOOL, "--noopen", *flags],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        yield re.search(r"http://127\.0\.0\.1:\d+", line)[0]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def address():
    with served("--port=0", "--fps=20", "--seed=6") as where:
        yield where


@pytest.fixture
def open_page(browser, address):
    """Opens pages; at the end, checks that no errors occurred in them."""
    troubles, contexts = [], []

    def open_(where=address, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        troubles.append(troubles_of(context))
        page = context.new_page()
        page.sent = []
        page.on(
            "websocket",
            lambda ws: ws.on("framesent", lambda text: page.sent.append(text)),
        )
        page.goto(where)
        wait_for(page, "document.body.dataset.frames > 0")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not any(troubles), troubles


def requests(page, name):
    """Returns the values of all requests of that name that the page has sent."""
    return [json.loads(text)[name] for text in page.sent if name in json.loads(text)]


def test_a_lamp_fills_the_window_and_moves(open_page):
    page = open_page(viewport={"width": 900, "height": 600})
    wait_for(page, "document.body.dataset.frames > 20")
    first = picture(page)
    assert first.shape == (600, 900, 3)
    # The lamp is lit from top to bottom, and not in one colour.
    lit = (first.max(axis=-1) > 40).any(axis=1)
    assert lit[60:540].all()
    assert first[:, 300:600].std() > 20
    count = frames(page)
    wait_for(page, f"document.body.dataset.frames > {count + 20}")
    assert np.abs(picture(page) - first).mean() > 0.5
    sentence = page.inner_text("#status")
    pattern = r"running for \d+ (s|min \d+ s), [\d,]+ steps, still N\(0, 1\)"
    assert re.fullmatch(pattern, sentence), sentence


def test_play_and_pause(open_page):
    page = open_page()
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(300)
    count = frames(page)
    page.wait_for_timeout(500)
    assert frames(page) == count
    page.get_by_role("button", name="Play").click()
    wait_for(page, f"document.body.dataset.frames > {count + 5}")
    page.locator("#lamp").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_all_pages_share_speed_and_seed(open_page):
    page, other = open_page(), open_page()
    page.locator("#lamp").focus()
    for _ in range(3):
        page.keyboard.press("+")
    assert requests(page, "speed") == pytest.approx([1.26, 1.58, 2.0], abs=0.01)
    expect(other.locator("#pace")).to_have_text("2\N{MULTIPLICATION SIGN}")
    page.locator("#speed").fill("0")
    assert requests(page, "speed")[-1] == 1
    page.locator("#seed").fill("41")
    page.keyboard.press("Tab")
    expect(other.locator("#seed")).to_have_value("41")
    page.locator("#lamp").focus()
    page.keyboard.press("n")
    wait_until(page, lambda: len(requests(page, "seed")) == 2)
    expect(other.locator("#seed")).to_have_value(str(requests(page, "seed")[-1]))


def test_each_page_has_its_own_theme(open_page):
    page, other = open_page(), open_page()
    page.wait_for_timeout(200)

    def redness(one):
        image = picture(one)
        return (image[..., 0] - image[..., 2]).mean()

    assert redness(page) > 5
    page.locator("#theme").select_option("ocean")
    page.wait_for_timeout(300)
    assert redness(page) < 0 < redness(other)
    page.locator("#lamp").focus()
    page.keyboard.press("t")
    assert page.locator("#theme").input_value() == "moss"


def test_a_touch_pushes_at_its_place(open_page):
    page = open_page(viewport={"width": 800, "height": 400})
    page.mouse.click(400, 100)
    wait_until(page, lambda: requests(page, "push"))
    assert requests(page, "push")[0] == pytest.approx([0.5, 0.25], abs=0.01)
    # Beside the picture, a touch has no effect.
    page.mouse.click(20, 100)
    page.wait_for_timeout(200)
    assert len(requests(page, "push")) == 1
    # A drag pushes again and again.
    page.mouse.move(400, 100)
    page.mouse.down()
    for y in range(100, 300, 20):
        page.mouse.move(400, y)
        page.wait_for_timeout(40)
    page.mouse.up()
    wait_until(page, lambda: len(requests(page, "push")) >= 4)
    heights = [y for _, y in requests(page, "push")[1:]]
    assert heights == sorted(heights)
    assert heights[-1] > 0.5


def test_the_keyboard_is_enough(open_page):
    page = open_page()
    page.locator("#lamp").focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    wait_until(page, lambda: requests(page, "push"))
    assert requests(page, "push")[0] == pytest.approx([0.4, 0.45])
    reached = []
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    for name in ("play", "speed", "seed", "another", "theme", "snapshot", "record"):
        assert name in reached
    # The panel stays visible while one of its controls has the focus.
    page.locator("#snapshot").focus()
    page.wait_for_timeout(4_000)
    assert (
        page.evaluate("getComputedStyle(document.getElementById('panel')).opacity")
        == "1"
    )
    page.locator("#lamp").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("g")
    expect(page.locator("#graph")).to_be_hidden()
    page.keyboard.press("f")
    wait_for(page, "document.fullscreenElement !== null")


def test_controls_fade_while_nobody_uses_them(open_page):
    page = open_page()
    page.mouse.move(200, 200)
    opacity = "getComputedStyle(document.getElementById('panel')).opacity"
    assert page.evaluate(opacity) == "1"
    wait_for(page, f"{opacity} === '0'")
    page.mouse.move(220, 220)
    wait_for(page, f"{opacity} === '1'")


def test_snapshot_and_record_are_files(open_page, tmp_path):
    page = open_page(viewport={"width": 500, "height": 400})
    with page.expect_download() as download:
        page.get_by_role("button", name="Snapshot").click()
    path = tmp_path / download.value.suggested_filename
    assert re.fullmatch(r"lamp-\d+-\d+\.png", path.name)
    download.value.save_as(path)
    with Image.open(path) as image:
        assert image.size == (500, 400)
        assert np.asarray(image.convert("RGB")).std() > 20
    record = page.locator("#record")
    record.click()
    expect(record).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(2_500)
    with page.expect_download() as download:
        record.click()
    path = tmp_path / download.value.suggested_filename
    assert path.suffix == ".webm"
    download.value.save_as(path)
    with av.open(path) as container:
        film = [
            frame.to_ndarray(format="rgb24").astype(int)
            for frame in container.decode(video=0)
        ]
    assert len(film) >= 5
    assert film[0].shape == (400, 500, 3)
    assert max(np.abs(a - b).mean() for a, b in itertools.pairwise(film)) > 0.05


def test_with_reduced_motion_the_page_starts_paused(open_page):
    page = open_page(reduced_motion="reduce")
    expect(page.locator("#message")).to_contain_text("Paused")
    count = frames(page)
    assert count == 1
    page.wait_for_timeout(500)
    assert frames(page) == count
    page.keyboard.press("Space")
    wait_for(page, f"document.body.dataset.frames > {count + 5}")


@pytest.mark.parametrize(("width", "height"), [(360, 640), (640, 360)])
def test_the_page_fits_a_phone(open_page, width, height):
    page = open_page(
        viewport={"width": width, "height": height},
        is_mobile=True,
        has_touch=True,
        device_scale_factor=2,
    )
    page.touchscreen.tap(width / 2, height / 3)
    wait_until(page, lambda: requests(page, "push"))
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for button in page.locator("#controls button, #controls select").all():
        if not button.is_visible():
            continue
        button.scroll_into_view_if_needed()
        box = button.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        assert box["y"] >= 0 and box["y"] + box["height"] <= height
        assert box["height"] >= 32  # large enough for a finger
    assert picture(page).shape == (2 * height, 2 * width, 3)


def test_the_page_reports_a_lost_lamp_and_reconnects(browser):
    context = browser.new_context()
    page = context.new_page()
    with served("--port=0", "--fps=10") as where:
        page.goto(where)
        wait_for(page, "document.body.dataset.frames > 3")
    expect(page.locator("#message")).to_contain_text("cannot be reached")
    count = frames(page)
    port = where.rpartition(":")[2]
    with served(f"--port={port}", "--fps=10"):
        wait_for(page, f"document.body.dataset.frames > {count + 3}")
        expect(page.locator("#message")).to_be_hidden()
        context.close()
