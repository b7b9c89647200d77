import base64
import contextlib
import functools
import gzip
import io
import json
import re
import subprocess
import sys
from urllib.parse import urlsplit

import jax
import lamp_page
import numpy as np
import pytest
from lamp_page import frames, picture, press, troubles_of
from live_cases import CASES
from PIL import Image
from playwright.sync_api import expect

from duralava import models, themes, weights
from duralava.export import web
from duralava.export.step import make_step
from duralava.live import player, touch

expect.set_options(timeout=60_000)
# The page compiles its networks before it shows a frame.
wait_for = functools.partial(lamp_page.wait_for, seconds=120)

LAMP = weights.load()
SIZE = player.FRAME_SIZE


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the page."""
    root = tmp_path_factory.mktemp("root")
    (root / "some").mkdir()
    web.write_site(root / "some/lamp", LAMP, name=weights.DEFAULT)
    return root / "some/lamp"


@pytest.fixture(scope="module")
def address(site):
    """The address of the page, in a folder of a plain file server."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        cwd=site.parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        port = re.search(r"port (\d+)", process.stdout.readline())[1]
        yield f"http://127.0.0.1:{port}/some/lamp/"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_compressed_copies_hold_the_files(site):
    sizes = {}
    for path in (path for path in site.rglob("*") if path.is_file()):
        sizes[path.relative_to(site).as_posix()] = path.stat().st_size
        if path.suffix != ".gz":
            copy = gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes())
            assert copy == path.read_bytes()
    about = json.loads((site / "lamp.json").read_text())
    assert set(about["compressed_bytes"]) == {"product.wasm", "weights.bin"}
    for name, size in about["compressed_bytes"].items():
        assert sizes[f"{name}.gz"] == size < sizes[name]
    assert json.loads((site / "themes.json").read_text()) == themes.tables()


@pytest.fixture
def open_page(browser, address):
    """Opens the page; checks that no errors occur and that it stays in its folder."""
    troubles, requests, contexts = [], [], []

    def open_(name="", **options):
        context = browser.new_context(viewport={"width": 600, "height": 400}, **options)
        contexts.append(context)
        troubles.append(troubles_of(context))
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        page.goto(f"{address}{name}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not any(troubles), troubles
    assert any(
        url.endswith(".wasm.gz") for url in requests
    )  # requests of the worker count too
    site = urlsplit(address)
    for url in map(urlsplit, requests):
        if url.scheme not in ("blob", "data"):
            assert url.netloc == site.netloc
            assert url.path.startswith(site.path)


@pytest.fixture
def run_script(open_page):
    """Runs a script in the page while its own lamp is paused."""

    def run(script, *arguments):
        page = open_page(reduced_motion="reduce")
        expect(page.locator("#message")).to_contain_text("Paused")
        bytes_ = "Array.from(new Uint8Array(a.buffer), (b) => String.fromCharCode(b))"
        pack = f"(a) => btoa({bytes_}.join(''))"
        script = f"async (given) => {{ const pack = {pack}; {script} }}"
        return page.evaluate(script, arguments)

    return run


@pytest.fixture
def play(open_page):
    """Opens the page and waits until the lamp runs."""

    def play_():
        page = open_page()
        wait_for(page, "document.body.dataset.step > 0")
        return page

    return play_


def test_only_the_lamp_of_the_live_page_is_replaced():
    names = [{path.name for path in folder.iterdir()} for folder in web.STATIC]
    assert set.intersection(*names) == {"lamp.js"}


def unpacked(text, dtype, *shape):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


def grey_levels(one, other):
    return np.abs(np.int16(one) - np.int16(other)).max()


def test_two_hundred_steps_in_the_browser_equal_jax(run_script):
    first, *noise = np.random.default_rng(0).standard_normal((201, 64))
    noise = np.float32(noise)
    results = run_script(
        """
          const [latent, noise] = given;
          const { openNetwork } = await import('./network.js');
          const network = await openNetwork();
          const results = [];
          let z = Float32Array.from(latent);
          for (const values of noise) {
            const frame = await network.generate(z);
            z = await network.next(z, Float32Array.from(values));
            const isShown = results.length % 20 === 19;
            results.push([pack(z), isShown ? pack(frame) : ""]);
          }
          return results;
        """,
        np.float32(first).tolist(),
        noise.tolist(),
    )
    step = jax.jit(make_step(LAMP, size=SIZE))
    latent = np.float32(first)[None]
    for index, (actual, actual_frame) in enumerate(results):
        frame, latent = step(latent, noise[index : index + 1])
        np.testing.assert_allclose(unpacked(actual, "f4", 1, 64), latent, atol=1e-3)
        if actual_frame:
            actual_frame = unpacked(actual_frame, "f4", 1, SIZE, SIZE, 3)
            assert np.std(actual_frame) > 0.1
            pictures = (models.to_uint8(one) for one in (frame, actual_frame))
            assert grey_levels(*pictures) <= 2
    assert len(results) == 200


@pytest.mark.parametrize("side", [90, 250])
def test_the_shader_of_the_page_draws_as_jax_does(run_script, side):
    latents = LAMP.start(8).latents
    png = run_script(
        """
          const { openNetwork } = await import("./network.js");
          const { ShaderPainter } = await import("./head.js");
          const network = await openNetwork();
          const data = await network.features(Float32Array.from(given[0]));
          const [first, side] = [{ data, head: network.config.head }, given[1]];
          const canvas = document.createElement("canvas");
          canvas.width = canvas.height = side;
          const layout = { side, left: 0, top: 0 };
          const painter = new ShaderPainter(canvas);
          painter.paint({ first, second: first, share: 0, theme: null, layout });
          return canvas.toDataURL().split(",")[1];
        """,
        np.asarray(latents[0]).tolist(),
        side,
    )
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        drawn = np.asarray(image.convert("RGB"))
    assert np.std(drawn) > 30
    assert grey_levels(drawn, LAMP.generate(latents, size=side)[0]) <= 2


def test_the_page_colours_features_in_the_pixels_of_the_screen(browser, address):
    with colouring(browser, address) as page:
        wait_for(page, "document.body.dataset.frames > 4")
        shown = picture(page)
        page.keyboard.press("n")
        wait_for(page, "document.body.dataset.step < 3")
        wait_for(page, "document.body.dataset.step > 3")
        other = picture(page)
    assert shown.shape == (120, 150, 3)
    assert shown.std() > 30
    assert np.abs(other - shown).mean() > 2


@contextlib.contextmanager
def colouring(browser, address):
    """Opens a page that uses WebGL, here computed in software."""
    context = browser.new_context(viewport={"width": 150, "height": 120})
    troubles = troubles_of(context)
    page = context.new_page()
    page.goto(f"{address}?webgl=1")
    yield page
    context.close()
    assert not troubles, troubles


def test_the_page_says_how_much_is_loaded(browser, address, site):
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(
        """
          window.messages = [];
          addEventListener("DOMContentLoaded", () => {
            const message = document.getElementById("message");
            const note = () => window.messages.push(message.textContent);
            new MutationObserver(note).observe(message, { childList: true });
          });
        """
    )
    page.goto(address)
    wait_for(page, "document.body.dataset.frames > 0")
    messages = page.evaluate("window.messages")
    context.close()
    parts = [re.fullmatch(r"Loading the lamp: (.+) of (.+) MB\.", m) for m in messages]
    progress = [[float(value) for value in part.groups()] for part in parts if part]
    loaded, totals = zip(*progress, strict=True)
    assert list(loaded) == sorted(loaded)
    assert loaded[-1] == totals[-1]
    names = ("product.wasm.gz", "weights.bin.gz")
    total = sum((site / name).stat().st_size for name in names)
    assert set(totals) == {float(f"{total / 1e6:.1f}")}
    assert not messages[-1].startswith("Loading")


def test_a_page_that_is_opened_as_a_file_says_what_it_needs(browser, site):
    context = browser.new_context()
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    expect(page.locator("#message")).to_contain_text("opened as a file")
    expect(page.locator("#message")).to_contain_text("python -m http.server")
    context.close()


def test_a_seed_gives_the_lamp_of_the_live_page(run_script):
    results = run_script(
        """
          const { openNetwork } = await import('./network.js');
          const { latentHealth, Player } = await import('./player.js');
          const network = await openNetwork();
          const player = await Player.begin(network, 2147483647);
          const results = [];
          const record = async () => {
            const health = latentHealth(player.latent, network.config.normal_bounds);
            results.push([pack(await player.renderFrame()), player.step, health]);
          };
          await record();
          await player.advance(11.5);
          await player.advance(0.75);
          await record();
          await player.push([0.4, 0.3], 0.25);
          await player.advance(1.5);
          await record();
          return results;
        """
    )
    start = player.begin(LAMP, LAMP.start(2147483647))
    later = player.advance(LAMP, start, 12.25)
    gradients = np.asarray(touch.brightening(LAMP))
    touched = player.push(LAMP, later, gradients, 0.4, 0.3, 0.25)
    moments = [start, later, player.advance(LAMP, touched, 1.5)]
    for (rgba, step, health), moment in zip(results, moments, strict=True):
        rgba = unpacked(rgba, "u1", SIZE, SIZE, 4)
        assert (rgba[..., 3] == 255).all()
        drawn = player.render_frame(LAMP, moment)
        assert grey_levels(rgba[..., :3], drawn) <= 2
        assert step == moment.step
        expected = player.latent_health(moment.before[0])._asdict()
        assert health == pytest.approx(expected, abs=1e-5)


def test_steps_and_share_add_up(run_script):
    ticks = CASES["advance"]["ticks"]
    results = run_script(
        """
          const { openNetwork } = await import('./network.js');
          const { Player } = await import('./player.js');
          const player = await Player.begin(await openNetwork(), 0);
          const results = [];
          for (const numSteps of given) {
            await player.advance(numSteps);
            results.push([player.step, player.share]);
          }
          return results;
        """,
        *[tick["num_steps"] for tick in ticks],
    )
    assert results == [[tick["step"], tick["share"]] for tick in ticks]


def test_noise_equals_jax_for_any_seed_and_step(run_script):
    cases = [[0, 0], [1, 1], [7, 3_000_000_000], [2**31 - 1, 12]]
    results = run_script(
        """
          const { foldIn, normal, seedKey } = await import('./random.js');
          const draw = ([seed, step]) => normal(foldIn(seedKey(seed), step), 20_000);
          return given.map((one) => Array.from(draw(one)));
        """,
        *cases,
    )
    for (seed, step), values in zip(cases, results, strict=True):
        key = jax.random.fold_in(jax.random.key(seed), np.uint32(step))
        expected = jax.random.normal(key, (20_000,))
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_the_page_runs_and_counts_its_steps(play):
    page = play()
    first = picture(page)
    lit = (first.max(axis=-1) > 40).any(axis=1)
    assert lit[40:360].all()
    assert first[:, 200:400].std() > 20
    step = int(page.evaluate("document.body.dataset.step"))
    wait_for(page, f"document.body.dataset.step > {step + 5}")
    assert np.abs(picture(page) - first).mean() > 0.5
    sentence = page.inner_text("#status")
    pattern = r"running for \d+ (s|min \d+ s), ([\d,]+) steps, still N\(0, 1\)"
    assert int(re.fullmatch(pattern, sentence)[2].replace(",", "")) > step
    expect(page.locator("#message")).to_be_hidden()


def test_play_pause_speed_and_seed(play):
    page = play()
    press(page, "play")
    page.wait_for_timeout(500)
    count = frames(page)
    page.wait_for_timeout(500)
    assert frames(page) == count
    press(page, "play")
    wait_for(page, f"document.body.dataset.frames > {count + 3}")
    page.keyboard.press("m")
    page.locator("#speed").fill("1")
    expect(page.locator("#pace")).to_have_text("10\N{MULTIPLICATION SIGN}")
    step = int(page.evaluate("document.body.dataset.step"))
    wait_for(page, f"document.body.dataset.step > {step + 100}")
    page.locator("#speed").fill("-1")
    page.locator("#seed").fill("41")
    page.keyboard.press("Tab")
    wait_for(page, "document.body.dataset.step < 20")
    page.wait_for_timeout(2_000)  # by then, the status has the seed as well
    expect(page.locator("#seed")).to_have_value("41")


def test_a_touch_gathers_wax_at_its_place(play):
    page = play()
    page.keyboard.press("m")
    page.locator("#speed").fill("-1")
    page.keyboard.press("Escape")
    page.wait_for_timeout(500)

    def brightness():
        """Returns it for squares in the middle, around rows 60, 100 and 140."""
        middle = picture(page)[40:160, 280:320]
        return middle.reshape(3, 40 * 40 * 3).mean(axis=1)

    before = brightness()
    darkest = before.argmin()
    for _ in range(3):
        page.mouse.click(300, 60 + 40 * int(darkest))
        page.wait_for_timeout(700)
    gain = brightness() - before
    assert gain[darkest] > 20


def test_a_page_can_be_installed_and_works_without_a_network(play):
    page = play()
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    page.context.set_offline(True)
    page.goto(f"{page.url}?seed=5")
    wait_for(page, "document.body.dataset.step > 0")
    expect(page.locator("#seed")).to_have_value("5")
    cdp = page.context.new_cdp_session(page)
    errors = cdp.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # The pages of a test are private ones.
    assert {error["errorId"] for error in errors} <= {"in-incognito"}


def test_the_numbers_of_the_lamp_can_be_changed(open_page):
    page = open_page("explain.html")
    step = "Number(document.body.dataset.step)"
    wait_for(page, f"{step} > 0")
    bar = page.get_by_role("slider", name="Number 9", exact=True)
    before = picture(page)
    bar.focus()
    page.keyboard.press("End")
    expect(bar).to_have_attribute("aria-valuenow", "3.00")
    page.wait_for_timeout(1_500)  # the lamp stands still, and its picture is drawn
    expect(bar).to_have_attribute("aria-valuenow", "3.00")
    changed, held = picture(page), page.evaluate(step)
    assert np.abs(changed - before).mean() > 1
    page.wait_for_timeout(800)
    assert np.array_equal(picture(page), changed)
    assert page.evaluate(step) == held
    page.get_by_role("button", name="Run on").click()
    wait_for(page, f"{step} > {held + 1}")


def test_a_page_shows_several_lamps(browser, address):
    page = browser.new_page(viewport={"width": 600, "height": 300})
    page.goto(f"{address}?lamps=2&seed=8")
    wait_for(page, "document.body.dataset.step > 0")
    canvases = page.locator("canvas.lamp").all()
    first, second = (canvas.bounding_box() for canvas in canvases)
    assert first["width"] == second["width"] == 300 == second["x"]

    def shown():
        image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        return [
            np.asarray(image.crop((x, 0, x + 220, 300))).astype(int) for x in (0, 300)
        ]

    lamp_page.wait_until(page, lambda: min(one.std() for one in shown()) > 20)
    one, other = shown()
    assert np.abs(one - other).mean() > 5
    page.close()


def test_a_page_reports_a_missing_file(browser, address):
    context = browser.new_context()
    context.route("**/weights.bin.gz", lambda route: route.abort())
    page = context.new_page()
    page.goto(address)
    expect(page.locator("#message")).to_contain_text("The lamp cannot run here")
    context.close()
