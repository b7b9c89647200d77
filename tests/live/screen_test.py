import asyncio
import base64
import contextlib
import io
import pathlib
import shutil
import struct
import threading
from urllib.parse import urlsplit

import numpy as np
import pytest
from lamp_page import opened_modules, picture, troubles_of, wait_for
from PIL import Image

from duralava import live, models, weights
from duralava.live import server
from duralava.live.show import Show

STATIC = pathlib.Path(live.__file__).parent / "static"
PAUSED = "document.getElementById('play').textContent.includes('Play')"


@contextlib.contextmanager
def served(show):
    """Serves a show from a thread of this process; yields the address of its page."""
    started, result = threading.Event(), {}

    async def serve():
        stopped = asyncio.Event()
        running = asyncio.create_task(show.run())
        loop = asyncio.get_running_loop()
        result["stop"] = lambda: loop.call_soon_threadsafe(stopped.set)
        async with server.serving(show, "127.0.0.1", 0) as (host, port):
            result["address"] = f"http://{host}:{port}"
            started.set()
            await stopped.wait()
        running.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(60)
    try:
        yield result["address"]
    finally:
        result["stop"]()
        thread.join()


@pytest.fixture(scope="module")
def lamps():
    return {name: weights.load(name) for name in ("simulated", "simulated_64")}


@pytest.fixture(scope="module")
def address(lamps):
    with served(Show(lamps, fps=15, seed=6)) as where:
        yield where


@contextlib.contextmanager
def opened(browser, address, **options):
    """Opens the page of a lamp; yields it, with its messages in `page.received`."""
    context = browser.new_context(**options)
    troubles = troubles_of(context)
    page = context.new_page()
    page.received, page.sockets = [], []

    def listen(socket):
        page.sockets.append(socket.url)
        socket.on("framereceived", lambda message: page.received.append(message))

    page.on("websocket", listen)
    page.goto(address)
    wait_for(page, "document.body.dataset.frames > 0")
    yield page
    context.close()
    assert not troubles, troubles


def coloured(lamp, message, side):
    """Returns what JAX makes of a map of features that a page has received."""
    _, width, height, _, _ = struct.unpack_from("<?xHHHd", message)
    values = np.frombuffer(message, "<f2", offset=16).reshape(height, width, -1)
    frame = models.colour(
        lamp.params["generator"], np.float32(values), size=side, config=lamp.config
    )
    return np.int16(models.to_uint8(frame))


def is_black(part):
    return part.size == 0 or part.max() == 0


@pytest.mark.parametrize(
    ("width", "height", "ratio", "side"), [(200, 120, 1, 120), (80, 150, 1.5, 204)]
)
def test_a_page_shows_features_in_the_pixels_of_the_screen(
    browser, address, lamps, width, height, ratio, side
):
    with opened(
        browser,
        f"{address}/?webgl=1",
        viewport={"width": width, "height": height},
        device_scale_factor=ratio,
        reduced_motion="reduce",  # so that the page pauses at its first picture
    ) as page:
        wait_for(page, PAUSED)
        page.wait_for_timeout(500)
        shown = picture(page)
    assert all("features" in urlsplit(url).query for url in page.sockets)
    first = next(message for message in page.received if isinstance(message, bytes))
    expected = coloured(lamps["simulated"], first, side)
    size = round(height * ratio), round(width * ratio)
    assert shown.shape == (*size, 3)
    assert side == min(size[0], round(1.7 * size[1]))
    top, left = ((length - side) // 2 for length in size)
    if left < 0:
        expected = expected[:, -left : size[1] - left]
    inside = shown[top : top + side, max(left, 0) : max(left, 0) + side]
    assert np.std(expected) > 30
    assert np.abs(inside - expected).max() <= 2
    for beside in (shown[:top], shown[top + side :], shown[:, : max(left, 0)]):
        assert is_black(beside)


def test_the_picture_moves_with_each_repaint(browser, address):
    with opened(
        browser, f"{address}/?webgl=1", viewport={"width": 60, "height": 60}
    ) as page:
        wait_for(page, "document.body.dataset.frames > 5")
        pictures = page.evaluate(
            """async () => {
              const seen = new Set();
              for (let repaint = 0; repaint < 6; repaint += 1) {
                await new Promise(requestAnimationFrame);
                seen.add(document.getElementById("lamp").toDataURL());
              }
              return seen.size;
            }"""
        )
    assert pictures >= 5  # the first repaint may follow one that it is equal to


def test_weights_without_features_are_shown_as_frames(browser, lamps):
    """Also by a page that colours features."""
    show = Show({"simulated_64": lamps["simulated_64"]}, fps=10, seed=6)
    with (
        served(show) as where,
        opened(
            browser, f"{where}/?webgl=1", viewport={"width": 128, "height": 128}
        ) as page,
    ):
        wait_for(page, "document.body.dataset.frames > 2")
        assert picture(page).std() > 20


def assert_shows_frames(browser, address):
    with opened(browser, address, viewport={"width": 128, "height": 128}) as page:
        wait_for(page, "document.body.dataset.frames > 2")
        assert picture(page).std() > 20
        assert all(url.endswith("/lamp") for url in page.sockets)


@pytest.mark.parametrize("query", ["?webgl=0", ""], ids=["off", "software"])
def test_a_page_without_a_graphics_processor_shows_frames(browser, address, query):
    assert_shows_frames(browser, f"{address}/{query}")


def test_a_browser_without_webgl_shows_frames(browser, address):
    """Even if the page asks for it."""
    without = browser.browser_type.launch(
        executable_path=shutil.which("chromium"),
        args=["--no-sandbox", "--disable-3d-apis"],
    )
    assert_shows_frames(without, f"{address}/?webgl=1")
    without.close()


def test_a_lost_context_is_restored(browser, address):
    context = browser.new_context(
        viewport={"width": 100, "height": 100}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(f"{address}/?webgl=1")
    wait_for(page, PAUSED)
    page.wait_for_timeout(500)
    before = picture(page)
    assert before.std() > 20
    page.evaluate(
        """async () => {
          const canvas = document.getElementById("lamp");
          const gl = canvas.getContext("webgl2");
          const loss = gl.getExtension("WEBGL_lose_context");
          const event = (name) => new Promise((done) => {
            canvas.addEventListener(name, done, { once: true });
          });
          loss.loseContext();
          await event("webglcontextlost");
          await new Promise((done) => setTimeout(done, 100));
          loss.restoreContext();
          await event("webglcontextrestored");
        }"""
    )
    page.wait_for_timeout(500)
    np.testing.assert_array_equal(picture(page), before)
    context.close()


# A canvas of 200x100 that shows a frame of four quarters.
SCREEN = """
  const { Screen } = await import("./screen.js");
  const canvas = document.createElement("canvas");
  canvas.style = "position: fixed; left: 30px; top: 10px; width: 200px; height: 100px";
  canvas.tabIndex = 0;
  document.body.replaceChildren(canvas);
  const screen = new Screen(canvas);
  const frame = new ImageData(2, 2);
  new Uint32Array(frame.data.buffer).set([
    0xff0000ff, 0xff00ff00, 0xffff0000, 0xffffffff, // red, green; blue, white
  ]);
  screen.showFrame(frame);
  const painted = async () => {
    for (let n = 0; n < 3; n += 1) await new Promise(requestAnimationFrame);
    return canvas.toDataURL().split(",")[1];
  };
  const locate = (x, y) => screen.locate({ clientX: x, clientY: y });
"""


@pytest.fixture(scope="module")
def run_script(browser):
    with opened_modules(browser, STATIC) as run:
        yield lambda body: run(SCREEN + body, None)


def decoded(text):
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return np.asarray(image.convert("RGBA"))


def test_a_picture_is_contained_or_covers(run_script):
    contained, covered = map(
        decoded,
        run_script(
            """
              const first = await painted();
              screen.setFit("cover");
              return [first, await painted()];
            """
        ),
    )
    assert contained.shape == covered.shape == (100, 200, 4)
    assert not contained[:, :49].any() and not contained[:, 151:].any()
    assert (contained[:, 52:148, 3] == 255).all() and (covered[..., 3] == 255).all()
    for image, left, right in ((contained, 52, 147), (covered, 2, 197)):
        colours = [image[y, x, :3].argmax() for y in (2, 97) for x in (left, right)]
        assert colours[:3] == [0, 1, 2]
        assert image[97, right].min() > 200


def test_a_place_is_found_wherever_the_canvas_lies(run_script):
    found = run_script(
        """
          await painted();
          const contained = [locate(80, 10), locate(155, 35), locate(70, 50)];
          screen.setFit("cover");
          await painted();
          return [contained, [locate(30, 60), locate(130, 35)]];
        """
    )
    contained, covered = found
    assert contained == [[0, 0], [0.75, 0.25], None]
    assert covered == [pytest.approx([0, 0.5]), pytest.approx([0.5, 0.375])]


def test_a_marker_is_not_part_of_the_picture(run_script):
    plain, marked, box, blurred = run_script(
        """
          const plain = await painted();
          screen.setMarker([0.5, 0.25]);
          canvas.focus();
          const marked = await painted();
          const box = canvas.nextElementSibling.getBoundingClientRect();
          canvas.blur();
          await painted();
          const { hidden } = canvas.nextElementSibling;
          return [plain, marked, [box.x, box.y, box.width], hidden];
        """
    )
    assert plain == marked
    x, y, width = box
    assert width > 4
    assert (x + width / 2, y + width / 2) == pytest.approx((130, 35))
    assert blurred
