import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from lamp_page import picture, troubles_of, wait_for, wait_until
from playwright.sync_api import expect

TOOL = pathlib.Path(__file__).parents[2] / "tools/explain.py"
SIZES = [(1440, 900), (390, 844)]

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def address():
    """Of a lamp of 64 pixels, which browsers without a GPU draw quickly."""
    process = subprocess.Popen(
        [
            *(sys.executable, TOOL, "--noopen", "--port=0", "--seed=6"),
            "--checkpoint=simulated_64",
        ],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield re.search(r"http://\S+", process.stdout.readline())[0]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def open_page(browser, address):
    """Opens pages; at the end, checks that no errors occurred in them."""
    troubles, contexts = [], []

    def open_(width=800, height=600, **options):
        viewport = {"width": width, "height": height}
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        troubles.append(troubles_of(context))
        page = context.new_page()
        page.sent, page.received = [], []

        def listen(socket):
            socket.on("framesent", lambda text: page.sent.append(json.loads(text)))
            socket.on(
                "framereceived",
                lambda data: (
                    isinstance(data, str) and page.received.append(json.loads(data))
                ),
            )

        page.on("websocket", listen)
        page.goto(address)
        wait_for(page, "document.body.dataset.frames > 3")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not any(troubles), troubles


def bars(page):
    return page.get_by_role("slider")


def values(page):
    """Returns the numbers of all bars."""
    return bars(page).evaluate_all("all => all.map((bar) => Number(bar.ariaValueNow))")


def shown(latents):
    """Returns what bars can show of latents: one in six has a number beyond 3."""
    return np.clip(latents, -3, 3)


def requested(page):
    """Returns the latents that the page has requested."""
    return [message["latent"] for message in page.sent if "latent" in message]


def newest(page, name):
    """Returns the last value of that name that the page has received."""
    return [m[name] for m in page.received if name in m][-1]


def still_picture(page):
    """Returns the picture once it has not changed for two seconds.

    A busy machine may take a second for a picture.
    """
    pictures = [picture(page)]

    def is_still():
        page.wait_for_timeout(500)
        pictures.append(picture(page))
        *earlier, last = pictures[-5:]
        return len(earlier) == 4 and all(np.array_equal(last, p) for p in earlier)

    wait_until(page, is_still)
    return pictures[-1]


def place_of(page, index, value):
    """Returns where on the screen a bar has a value."""
    bars(page).nth(index).scroll_into_view_if_needed()
    box = bars(page).nth(index).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] * (3 - value) / 6


def run_on(page):
    page.get_by_role("button", name="Run on").click()
    wait_until(page, lambda: not newest(page, "held"))


def test_the_bars_follow_the_running_lamp(open_page):
    page = open_page()
    wait_until(page, lambda: bars(page).count() == 64 and any(values(page)))
    first = values(page)
    page.get_by_role("button", name="Hold still").click()
    wait_until(page, lambda: newest(page, "held"))
    wait_until(page, lambda: values(page) != first)
    held = shown(requested(page)[-1])
    wait_until(page, lambda: np.allclose(values(page), held, atol=0.006))
    latents = np.array([m["latent"] for m in page.received if "latent" in m])
    assert np.abs(shown(latents) - held).max(axis=1).min() < 1e-3
    # Heights are those of the numbers, up and down.
    heights = bars(page).evaluate_all(
        "all => all.map((bar) => new DOMMatrix(bar.firstChild.style.transform).d)"
    )
    np.testing.assert_allclose(heights, held / 3, atol=0.006)
    step = newest(page, "step")
    run_on(page)
    wait_until(page, lambda: newest(page, "step") > step + 1)
    wait_until(page, lambda: np.abs(values(page) - held).max() > 0.02)


def test_a_dragged_bar_changes_the_picture_alone(open_page):
    page, other = open_page(), open_page()
    page.get_by_role("button", name="Hold still").click()
    wait_until(page, lambda: newest(page, "held"))
    before, numbers = still_picture(page), requested(page)[-1]
    page.mouse.move(*place_of(page, 20, 0))
    page.mouse.down()
    page.mouse.move(*place_of(page, 20, 2.5), steps=5)
    page.mouse.up()
    wait_until(page, lambda: np.abs(picture(page) - before).mean() > 1)
    expected = [*numbers[:20], 2.5, *numbers[21:]]
    assert requested(page)[-1] == pytest.approx(expected, abs=0.05)
    expect(page.locator("#readout")).to_have_text(re.compile(r"Number 21: 2\.[45]\d"))
    # All who watch see the same, and the lamp stands still.
    wait_until(other, lambda: np.allclose(values(other), shown(expected), atol=0.06))
    expect(other.get_by_role("button", name="Run on")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    wait_until(page, lambda: np.array_equal(picture(page), before))
    assert requested(page)[-1] == pytest.approx(numbers, abs=1e-4)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    run_on(page)


def test_keys_choose_a_bar_and_change_it(open_page):
    page = open_page()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.role") == "slider":
            break
    page.keyboard.press("ArrowRight")
    focused = page.locator(":focus")
    expect(focused).to_have_accessible_name("Number 2")
    for key, expected in (("Home", -3), ("PageUp", -2), ("ArrowUp", -1.9), ("End", 3)):
        page.keyboard.press(key)
        expect(focused).to_have_attribute("aria-valuenow", f"{expected:.2f}")
        wait_until(page, lambda e=expected: abs(requested(page)[-1][1] - e) < 1e-6)
    run_on(page)


def test_a_finger_drags_a_bar_and_a_viewer_who_leaves_lets_the_lamp_run(open_page):
    page, other = open_page(390, 844, has_touch=True, is_mobile=True), open_page()
    page.touchscreen.tap(*place_of(page, 40, -2))
    wait_until(page, lambda: requested(page))
    assert requested(page)[-1][40] == pytest.approx(-2, abs=0.1)
    wait_until(other, lambda: newest(other, "held"))
    page.close()
    wait_until(other, lambda: not newest(other, "held"))


def test_a_lamp_that_is_held_is_touched_and_replaced(open_page):
    page = open_page()
    page.get_by_role("button", name="Hold still").click()
    wait_until(page, lambda: newest(page, "held"))
    numbers = values(page)
    box = page.locator("#lamp").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    wait_until(page, lambda: np.abs(np.subtract(values(page), numbers)).max() > 0.05)
    touched = values(page)
    page.get_by_role("button", name="New lamp").click()
    wait_until(page, lambda: np.abs(np.subtract(values(page), touched)).max() > 1)
    run_on(page)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_fits_and_axe_finds_nothing(open_page, width, height):
    page = open_page(width, height)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    boxes = bars(page).evaluate_all(
        "all => all.map((bar) => bar.getBoundingClientRect().toJSON())"
    )
    assert min(min(box["width"], box["height"]) for box in boxes) >= 22
    assert max(box["bottom"] for box in boxes) <= height
    bars(page).first.focus()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_the_page_and_the_lamp_alone_lead_to_each_other(open_page):
    page = open_page()
    page.get_by_role("link", name="Watch the lamp alone").click()
    wait_for(page, "document.body?.dataset.frames > 0")
    page.keyboard.press("m")
    page.get_by_role("link", name="See the numbers").click()
    wait_for(page, "document.body?.dataset.frames > 0")
    assert bars(page).count() == 64
