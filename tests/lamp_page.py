"""Helpers for tests of the pages that show a lamp, live or exported, in a browser."""

import base64
import contextlib
import io
import time

import numpy as np
from PIL import Image


def troubles_of(context):
    """Returns a list that collects the errors of its pages and their workers."""
    troubles = []

    def listen(message):
        # Reading a canvas, as the tests do, waits for the graphics processor.
        if message.type in ("error", "warning") and "ReadPixels" not in message.text:
            troubles.append(message.text)

    context.on("console", listen)
    context.on("weberror", lambda failure: troubles.append(str(failure.error)))
    context.on("requestfailed", lambda request: troubles.append(request.url))
    return troubles


@contextlib.contextmanager
def opened_modules(browser, *folders):
    """Opens an empty page that can import the modules of folders; yields a function.

    The function runs the body of a JavaScript function of the argument `given`, and
    returns its result. Nothing may go wrong in the page.
    """
    context = browser.new_context()
    troubles = troubles_of(context)

    def answer(route):
        name = route.request.url.rpartition("/")[2]
        found = [folder / name for folder in folders if (folder / name).is_file()]
        if not name:
            route.fulfill(body="<link rel=icon href=data:,>", content_type="text/html")
        elif found:
            route.fulfill(path=found[0])
        else:
            route.fulfill(status=404)

    context.route("**/*", answer)
    page = context.new_page()
    page.goto("http://modules.test/")
    yield lambda body, given: page.evaluate(f"async (given) => {{ {body} }}", given)
    context.close()
    assert not troubles, troubles


def wait_until(page, holds, *, seconds=60):
    """Waits until `holds()` is true, while the page runs."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        page.wait_for_timeout(50)


def wait_for(page, expression, *, seconds=60):
    """Waits until an expression is true.

    It polls, because the page's security policy forbids playwright's own way, which
    evaluates text inside the page.
    """
    wait_until(page, lambda: page.evaluate(expression), seconds=seconds)


def frames(page):
    """Returns how many frames the page has drawn."""
    return int(page.evaluate("document.body.dataset.frames"))


def picture(page):
    """Returns the canvas as i64[H, W, 3]."""
    data = page.evaluate("document.getElementById('lamp').toDataURL().split(',')[1]")
    png = io.BytesIO(base64.b64decode(data))
    return np.asarray(Image.open(png).convert("RGB")).astype(int)


def press(page, name):
    """Presses the button of this id with the mouse, whether it has faded or not."""
    button = page.locator(f"#{name}")
    box = button.bounding_box()
    # Over a control, the mouse keeps the controls visible.
    for shift in (2, 0):
        page.mouse.move(
            box["x"] + box["width"] / 2 - shift, box["y"] + box["height"] / 2
        )
    button.click()
