"""What the page shows to those who only watch, and to those who are refused."""

import asyncio
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import pytest
from lamp_page import press, wait_for
from live_server import proxied
from playwright.sync_api import expect

TOOL = pathlib.Path(__file__).parents[2] / "tools/live.py"
FRAMES = "document.body.dataset.frames"

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def links():
    """Addresses of a lamp: for those who watch, and for the person who steers."""
    process = subprocess.Popen(
        [
            *(sys.executable, TOOL, "--noopen", "--port=0", "--fps=20", "--seed=6"),
            *("--checkpoint=simulated_64", "--allowed_host=lamp.example"),
        ],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines = [process.stdout.readline() for _ in range(2)]
        yield [re.search(r"http://\S+", line)[0] for line in lines]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def open_page(browser):
    contexts = []

    def open_(where):
        contexts.append(browser.new_context(viewport={"width": 480, "height": 320}))
        page = contexts[-1].new_page()
        page.sent = []
        page.on(
            "websocket",
            lambda ws: ws.on("framesent", lambda text: page.sent.append(text)),
        )
        page.goto(where)
        return page

    yield open_
    for context in contexts:
        context.close()


def sent(page):
    """Names of what the page has requested for all viewers."""
    return {name for text in page.sent for name in json.loads(text)} - {"play"}


def test_who_watches_sees_the_lamp_and_what_only_concerns_the_page(links, open_page):
    page = open_page(f"{links[0]}/?seed=7")
    wait_for(page, f"{FRAMES} > 3")
    message = page.locator("#message")
    expect(message).to_have_text(
        "In a link for viewers, seed and speed have no effect."
    )
    press(page, "open-more")
    for shown in ("play", "screen", "snapshot", "theme", "copy"):
        expect(page.locator(f"#{shown}")).to_be_visible()
    for hidden in ("another", "speed", "seed", "weights"):
        expect(page.locator(f"#{hidden}")).to_be_hidden()
    press(page, "open-more")
    for act in (
        lambda: page.locator("#lamp").click(),
        lambda: page.keyboard.press("n"),
        lambda: page.keyboard.press("+"),
    ):
        page.evaluate("document.getElementById('message').textContent = ''")
        act()
        expect(message).to_contain_text("You are watching.")
    assert sent(page) == set()
    count = page.evaluate(FRAMES)
    wait_for(page, f"{FRAMES} > {count} + 3")


def test_who_has_the_link_steers_on_both_pages(links, open_page):
    watcher = open_page(links[0])
    page = open_page(links[1])
    wait_for(page, f"{FRAMES} > 3")
    press(page, "another")
    wait_for(page, "document.getElementById('seed').value !== '6'")
    seed = page.locator("#seed").input_value()
    expect(watcher.locator("#seed")).to_have_value(seed)
    # The link to the other page has no token.
    page.goto(f"{links[0]}/explain.html")
    wait_for(page, f"{FRAMES} > 3")
    page.locator("#lamp").click()
    page.wait_for_timeout(200)
    assert sent(page) == {"seed", "push"}
    watcher.goto(f"{links[0]}/explain.html")
    wait_for(watcher, f"{FRAMES} > 3")
    expect(watcher.locator("#hold")).to_be_hidden()
    expect(watcher.locator("#bars > *").first).to_be_visible()


@contextlib.contextmanager
def proxy(port, **options):
    """Runs a proxy beside the test; yields its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    served = asyncio.run_coroutine_threadsafe(proxied(port, **options), loop).result()
    try:
        yield f"http://127.0.0.1:{served.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@pytest.mark.parametrize(
    ("dropped", "expected"),
    [
        ([], "start the server with --allowed_host=127.0.0.1. Trying again."),
        (["Upgrade", "Origin"], "must pass on the headers Upgrade and Connection"),
    ],
    ids=["another host", "no websocket"],
)
def test_behind_a_proxy_the_page_says_what_to_change(
    links, open_page, dropped, expected
):
    port = int(links[0].rpartition(":")[2])
    with proxy(port, dropped=dropped) as where:
        page = open_page(where)
        expect(page.locator("#message")).to_contain_text(expected)
        page.close()


def test_a_page_at_a_name_that_is_not_allowed_says_which_flag(links, open_page):
    port = int(links[0].rpartition(":")[2])
    with proxy(port, host="evil.example") as where:
        page = open_page(where)
        expect(page.locator("body")).to_contain_text("--allowed_host=evil.example")
