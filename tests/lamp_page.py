"""What tests ask of a page that shows a lamp, `tools/live.py`'s or an exported one."""

import base64
import io
import time

import numpy as np
from PIL import Image


def troubles_of(context):
    """Returns a list that fills with what goes wrong in its pages and their workers."""
    troubles = []

    def listen(message):
        if message.type in ("error", "warning"):
            troubles.append(message.text)

    context.on("console", listen)
    context.on("weberror", lambda failure: troubles.append(str(failure.error)))
    context.on("requestfailed", lambda request: troubles.append(request.url))
    return troubles


def wait_until(page, holds, *, seconds=60):
    """Waits until `holds()` is true, while the page goes on."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        page.wait_for_timeout(50)


def wait_for(page, expression, *, seconds=60):
    """Waits until it is true; by asking, as the page's policy lets no text be run."""
    wait_until(page, lambda: page.evaluate(expression), seconds=seconds)


def frames(page):
    """Returns how many frames the page has drawn."""
    return int(page.evaluate("document.body.dataset.frames"))


def picture(page):
    """Returns the canvas as i64[H, W, 3]."""
    data = page.evaluate("document.getElementById('lamp').toDataURL().split(',')[1]")
    png = io.BytesIO(base64.b64decode(data))
    return np.asarray(Image.open(png).convert("RGB")).astype(int)
