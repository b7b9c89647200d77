import contextlib
import io
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
from urllib.parse import parse_qsl, urlsplit

import av
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from lamp_page import frames, picture, press, troubles_of, wait_for, wait_until
from PIL import Image
from playwright.sync_api import expect

TOOL = pathlib.Path(__file__).parents[2] / "tools/live.py"

OPACITY = "getComputedStyle(document.getElementById('bar')).opacity"
SMALL = {"width": 480, "height": 320}
PHONE = {"is_mobile": True, "has_touch": True, "device_scale_factor": 1}
COUNT_REPAINTS = """() => {
  window.repaints = 0;
  (function count() {
    window.repaints += 1;
    requestAnimationFrame(count);
  })();
}"""

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
    """Of a lamp of 64 pixels, which browsers without a GPU draw quickly."""
    lamp = "--checkpoint=simulated_64"
    with served("--port=0", "--fps=20", "--seed=6", lamp) as where:
        yield where


@pytest.fixture(scope="module")
def sharp_address():
    """Of the lamp that is shown by default."""
    with served("--port=0", "--fps=20", "--seed=6") as where:
        yield where


@pytest.fixture
def open_page(browser, address):
    """Opens pages; at the end, checks that no errors occurred in them."""
    troubles, contexts = [], []

    def open_(where=address, **options):
        context = browser.new_context(**{"viewport": SMALL} | options)
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


def test_a_lamp_fills_the_window_and_moves(open_page, sharp_address):
    page = open_page(sharp_address, viewport={"width": 900, "height": 600})
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


def test_the_picture_has_the_pixels_of_the_screen(open_page):
    page = open_page(viewport={"width": 320, "height": 240}, device_scale_factor=2)
    wait_until(page, lambda: picture(page).shape == (480, 640, 3))


def test_play_and_pause(open_page):
    page = open_page()
    press(page, "play")
    page.wait_for_timeout(300)
    count = frames(page)
    page.wait_for_timeout(500)
    assert frames(page) == count
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    press(page, "play")
    wait_for(page, f"document.body.dataset.frames > {count + 5}")
    page.locator("#lamp").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_after_a_click_keys_do_not_press_the_button_again(open_page):
    page = open_page()
    press(page, "another")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    assert len(requests(page, "seed")) == 1
    # Those who use the keyboard alone press buttons with Space, and stay there.
    page.locator("#another").focus()
    page.keyboard.press("Space")
    wait_until(page, lambda: len(requests(page, "seed")) == 2)
    assert page.evaluate("document.activeElement.id") == "another"
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_a_hidden_page_pauses_and_a_lit_screen_is_for_a_lamp_that_plays(open_page):
    page = open_page()
    keep = "(await import('/wake_lock.js')).screenKeeper()"
    assert page.evaluate(f"(async () => (await {keep})(true))()")
    assert not page.evaluate(f"(async () => (await {keep})(false))()")
    # A browser without a screen hides no window.
    page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { get: () => true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    wait_until(page, lambda: requests(page, "play")[-1:] == [False])


def test_all_pages_share_speed_and_seed(open_page):
    page, other = open_page(), open_page()
    page.locator("#lamp").focus()
    for _ in range(3):
        page.keyboard.press("+")
    wait_until(page, lambda: len(requests(page, "speed")) == 3)
    assert requests(page, "speed") == pytest.approx([1.26, 1.58, 2.0], abs=0.01)
    expect(other.locator("#pace")).to_have_text("2\N{MULTIPLICATION SIGN}")
    page.keyboard.press("m")
    page.locator("#speed").fill("0")
    wait_until(page, lambda: requests(page, "speed")[-1] == 1)
    page.locator("#seed").fill("41")
    page.keyboard.press("Tab")
    expect(other.locator("#seed")).to_have_value("41")
    page.locator("#lamp").focus()
    page.keyboard.press("n")
    wait_until(page, lambda: len(requests(page, "seed")) == 2)
    expect(other.locator("#seed")).to_have_value(str(requests(page, "seed")[-1]))


def test_a_bad_seed_is_said(open_page):
    page = open_page()
    page.keyboard.press("m")
    for bad in ("-3", "1.5", "2147483648", ""):
        page.locator("#seed").fill("7")
        page.locator("#seed").fill(bad)
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.locator("#message")).to_contain_text("a whole number from 0 to")
        expect(page.locator("#seed")).to_have_attribute("aria-invalid", "true")
    assert set(requests(page, "seed")) <= {7}
    page.locator("#seed").fill("8")
    page.keyboard.press("Tab")
    wait_until(page, lambda: requests(page, "seed")[-1:] == [8])
    assert page.locator("#seed").get_attribute("aria-invalid") is None


def test_each_page_has_its_own_theme(open_page):
    page, other = open_page(), open_page()
    choices = page.locator("#theme input")
    names = choices.evaluate_all("all => all.map(one => one.value)")
    press(page, "play")
    page.wait_for_timeout(300)
    before = picture(page)
    page.keyboard.press("m")
    page.locator(f"#theme input[value={names[-1]}]").check()
    page.keyboard.press("Escape")
    wait_until(page, lambda: picture(page).shape == before.shape)
    wait_until(page, lambda: np.abs(picture(page) - before).mean() > 3)
    assert other.locator("#theme input:checked").input_value() == names[0]
    page.keyboard.press("t")
    assert page.locator("#theme input:checked").input_value() == names[0]
    wait_until(page, lambda: np.array_equal(picture(page), before))


def test_a_touch_pushes_at_its_place(open_page):
    page = open_page(viewport={"width": 800, "height": 400})
    page.mouse.click(400, 100)
    wait_until(page, lambda: requests(page, "push"))
    assert requests(page, "push")[0] == pytest.approx([0.5, 0.25], abs=0.01)
    # Beside the picture, a touch has no effect.
    page.mouse.click(20, 100)
    page.wait_for_timeout(200)
    assert len(requests(page, "push")) == 1
    # A drag pushes again and again, and so does a finger that rests.
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
    page.mouse.down()
    count = len(requests(page, "push"))
    wait_until(page, lambda: len(requests(page, "push")) >= count + 3)
    page.mouse.up()
    count = len(requests(page, "push"))
    page.wait_for_timeout(900)
    assert len(requests(page, "push")) == count


def test_the_keyboard_is_enough(open_page):
    page = open_page()
    page.locator("#lamp").focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    wait_until(page, lambda: requests(page, "push"))
    assert requests(page, "push")[0] == pytest.approx([0.4, 0.45])
    page.keyboard.press("m")
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    bar = ("play", "another", "screen", "open-more")
    sheet = ("speed", "seed", "checkpoint", "snapshot", "record", "copy", "open-help")
    for name in (*bar, *sheet):
        assert name in reached
    page.keyboard.press("Escape")
    expect(page.locator("#more")).to_be_hidden()
    # The panel stays visible while one of its controls has the focus.
    page.locator("#play").focus()
    page.wait_for_timeout(4_000)
    assert page.evaluate(OPACITY) == "1"
    page.locator("#lamp").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("region", name="Help")).to_be_visible()
    page.keyboard.press("g")
    expect(page.locator("#help")).to_be_hidden()
    expect(page.locator("#graph")).to_be_visible()
    expect(page.locator("#verdict")).to_contain_text("It is well")
    page.keyboard.press("Escape")
    expect(page.locator("#graph")).to_be_hidden()
    page.keyboard.press("f")
    wait_for(page, "document.fullscreenElement !== null")


def test_keys_aim_with_a_ring_that_is_not_in_the_picture(open_page):
    page = open_page()
    press(page, "play")
    page.wait_for_timeout(300)
    ring = page.locator("#lamps > div")
    page.locator("#lamp").focus()
    page.keyboard.press("m")
    page.keyboard.press("m")
    expect(ring).to_be_hidden()
    # The canvas takes its whole width back one repaint after More has closed.
    wait_for(page, "document.getElementById('lamp').width === innerWidth")
    before = picture(page)
    page.keyboard.press("ArrowUp")
    expect(ring).to_be_visible()
    assert np.array_equal(picture(page), before)
    page.keyboard.press("Escape")
    expect(ring).to_be_hidden()
    page.keyboard.press("ArrowUp")
    expect(ring).to_be_visible()
    page.mouse.click(240, 150)
    expect(ring).to_be_hidden()
    # With the focus nowhere, the arrow keys still aim.
    page.keyboard.press("ArrowDown")
    expect(ring).to_be_visible()


def test_controls_and_mouse_fade_while_nobody_uses_them(open_page):
    page = open_page()
    press(page, "another")
    page.mouse.move(200, 200)
    assert page.evaluate(OPACITY) == "1"
    wait_for(page, f"{OPACITY} === '0'")
    assert page.evaluate("getComputedStyle(document.body).cursor") == "none"
    page.mouse.move(220, 220)
    wait_for(page, f"{OPACITY} === '1'")
    assert page.evaluate("getComputedStyle(document.body).cursor") == "auto"
    # An open sheet stays.
    page.keyboard.press("m")
    page.wait_for_timeout(4_000)
    assert page.evaluate(OPACITY) == "1"


def test_hidden_controls_take_no_touches(open_page):
    page = open_page(**PHONE, viewport={"width": 640, "height": 360})
    wait_for(page, f"{OPACITY} === '0'")
    box = page.locator("#another").bounding_box()
    place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.touchscreen.tap(*place)
    wait_for(page, f"{OPACITY} === '1'")
    assert not requests(page, "seed")
    page.touchscreen.tap(*place)
    wait_until(page, lambda: len(requests(page, "seed")) == 1)


def test_snapshot_and_record_are_files(open_page, tmp_path):
    page = open_page(viewport={"width": 500, "height": 400})
    page.keyboard.press("m")
    with page.expect_download() as download:
        page.get_by_role("button", name="Snapshot").click()
    path = tmp_path / download.value.suggested_filename
    assert re.fullmatch(r"lamp-\d+-\d+\.png", path.name)
    download.value.save_as(path)
    with Image.open(path) as image:
        assert image.size == (500, 400)
        assert np.asarray(image.convert("RGB")).std() > 20
    page.keyboard.press("m")
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#more")).to_be_hidden()
    expect(page.locator("#recorded")).to_be_visible()
    page.evaluate(COUNT_REPAINTS)
    expect(page.locator("#recorded")).to_have_text(re.compile(r"([3-9]|\d\d+) s"))
    repaints = page.evaluate("window.repaints")
    with page.expect_download() as download:
        page.get_by_role("button", name="Stop and save").click()
    expect(page.locator("#stop")).to_be_hidden()
    path = tmp_path / download.value.suggested_filename
    assert path.suffix == ".webm"
    download.value.save_as(path)
    with av.open(path) as container:
        film = [
            frame.to_ndarray(format="rgb24").astype(int)
            for frame in container.decode(video=0)
        ]
    assert len(film) >= repaints / 4
    assert film[0].shape == (400, 500, 3)
    assert max(np.abs(a - b).mean() for a, b in itertools.pairwise(film)) > 0.05
    # A lamp that is paused is recorded as well.
    page.keyboard.press("Space")
    page.keyboard.press("r")
    expect(page.locator("#recorded")).to_have_text(re.compile(r"([1-9]|\d\d+) s"))
    with page.expect_download() as download:
        page.keyboard.press("r")
    download.value.save_as(path)
    with av.open(path) as container:
        assert next(container.decode(video=0)).width == 500


def test_with_reduced_motion_the_page_starts_paused(open_page):
    page = open_page(reduced_motion="reduce")
    expect(page.locator("#message")).to_contain_text("Paused")
    count = frames(page)
    assert count == 1
    page.wait_for_timeout(500)
    assert frames(page) == count
    page.keyboard.press("Space")
    wait_for(page, f"document.body.dataset.frames > {count + 5}")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (640, 360)])
def test_the_page_fits_a_phone(open_page, width, height):
    page = open_page(**PHONE, viewport={"width": width, "height": height})
    page.touchscreen.tap(width / 2, height / 3)
    wait_until(page, lambda: requests(page, "push"))
    check_buttons(page, "#bar", width, height)
    check_free(page, "#bar")
    page.keyboard.press("m")
    check_buttons(page, "#more", width, height)
    wait_until(page, lambda: lit_box(page)[1][1] < width)
    check_free(page, "#bar")
    check_free(page, "#more")


def check_buttons(page, panel, width, height):
    """Checks that all can be reached, and are large enough for a finger."""
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for button in page.locator(f"{panel} :is(button, select, .chips label)").all():
        if not button.is_visible():
            continue
        button.scroll_into_view_if_needed()
        box = button.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        assert box["y"] >= 0 and box["y"] + box["height"] <= height
        assert min(box["width"], box["height"]) >= 44


def check_free(page, panel):
    """Checks that the panel does not cover the lamp."""

    def is_free():
        (top, bottom), (left, right) = lit_box(page)
        box = page.locator(panel).bounding_box()
        below = box["y"] >= bottom or box["y"] + box["height"] <= top
        beside = box["x"] >= right or box["x"] + box["width"] <= left
        return below or beside

    wait_until(page, is_free)


def lit_box(page):
    """Returns rows and columns of the window in which the lamp shines."""
    image = picture(page).max(axis=-1) > 60
    box = page.locator("#lamp").bounding_box()
    spans = []
    for axis, start in ((1, box["y"]), (0, box["x"])):
        lit = np.flatnonzero(image.any(axis=axis))
        spans.append((start + lit[0], start + lit[-1]))
    return spans


def test_axe_finds_nothing(open_page):
    page = open_page(viewport={"width": 390, "height": 844})
    axe = Axe()
    for key in ("Escape", "m", "g", "?"):
        page.keyboard.press(key)
        page.wait_for_timeout(600)  # nothing fades any more
        results = axe.run(page)
        assert results.violations_count == 0, results.generate_report()


def test_a_link_names_the_lamp_and_shows_it_alone(open_page, address):
    options = "seed=41&speed=0.5&controls=0&size=cover&background=transparent"
    page = open_page(f"{address}/?{options}", viewport={"width": 600, "height": 300})
    assert requests(page, "seed") == [41]
    assert requests(page, "speed") == [0.5]
    for name in ("panel", "message"):
        expect(page.locator(f"#{name}")).to_be_hidden()
    page.keyboard.press("n")
    image = Image.open(io.BytesIO(page.screenshot(omit_background=True)))
    alpha = np.asarray(image.convert("RGBA"))[..., 3]
    assert alpha[:, :40].max() == 0 == alpha[:, -40:].max()
    assert alpha[150, 200:400].min() == 255
    # A lamp that is there already does not start again.
    again = open_page(f"{address}/?seed=41")
    again.wait_for_timeout(300)
    assert not requests(again, "seed") and not requests(page, "seed")[1:]


def test_a_link_with_mistakes_says_them(open_page, address):
    page = open_page(f"{address}/?seed=x&lamps=4&utm=1")
    message = page.locator("#message")
    expect(message).to_contain_text("seed must be a whole number from 0 to 2147483647")
    expect(message).to_contain_text("one lamp, which all viewers share")
    assert page.locator("canvas.lamp").count() == 1


def test_copy_link_gives_the_lamp_that_one_sees(open_page, address):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.keyboard.press("t")
    page.keyboard.press("n")
    page.keyboard.press("l")
    expect(page.locator("#message")).to_contain_text("copied")
    link = urlsplit(page.evaluate("navigator.clipboard.readText()"))
    assert f"http://{link.netloc}" == address
    options = dict(parse_qsl(link.query))
    assert int(options["seed"]) == requests(page, "seed")[-1]
    assert options["theme"] == page.locator("#theme input:checked").input_value()
    assert float(options["speed"]) > 0


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
