import base64
import functools
import re
import shutil
import subprocess
import sys
from urllib.parse import urlsplit

import jax
import lamp_page
import numpy as np
import pytest
from lamp_page import frames, picture, troubles_of
from playwright.sync_api import expect

from duralava import models, pretrained
from duralava.export import web
from duralava.export.step import make_step
from duralava.live import player
from duralava.rendering.lamps import fresh_lamps

expect.set_options(timeout=60_000)
# The page compiles its networks first.
wait_for = functools.partial(lamp_page.wait_for, seconds=120)

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")

LAMP = pretrained.load("simulated_64")
MODEL = LAMP.config.model


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page in a folder of a plain file server."""
    root = tmp_path_factory.mktemp("root")
    (root / "some").mkdir()
    web.write_site(root / "some/lamp", LAMP, name="simulated_64")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        cwd=root,
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


@pytest.fixture
def open_page(browser, address):
    """Opens a page of the site; nothing goes wrong in it, nor goes elsewhere."""
    troubles, requests, contexts = [], [], []

    def open_(**options):
        context = browser.new_context(viewport={"width": 600, "height": 400}, **options)
        contexts.append(context)
        troubles.append(troubles_of(context))
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not any(troubles), troubles
    assert any(url.endswith(".wasm") for url in requests)  # the worker's are seen too
    mine = urlsplit(address)
    for url in map(urlsplit, requests):
        if url.scheme not in ("blob", "data"):
            assert url.netloc == mine.netloc
            assert url.path.startswith(mine.path)


@pytest.fixture
def run_beside(open_page):
    """Runs a script in the page, whose own lamp rests meanwhile."""

    def run(script, *arguments):
        page = open_page(reduced_motion="reduce")
        expect(page.locator("#message")).to_contain_text("Paused")
        pack = "(a) => btoa(String.fromCharCode(...new Uint8Array(a.buffer)))"
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


def unpacked(text, dtype, *shape):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


def grey_levels(one, other):
    return np.abs(np.int16(one) - np.int16(other)).max()


def test_two_hundred_steps_in_the_browser_are_jax_s(run_beside):
    first, *noise = np.random.default_rng(0).standard_normal((201, 64))
    noise = np.float32(noise)
    told = run_beside(
        """
          const [latent, noise] = given;
          const { openNetwork } = await import('./network.js');
          const network = await openNetwork();
          const told = [];
          let z = Float32Array.from(latent);
          for (const values of noise) {
            const frame = await network.frame(z);
            z = await network.next(z, Float32Array.from(values));
            told.push([pack(z), told.length % 20 === 19 ? pack(frame) : ""]);
          }
          return told;
        """,
        np.float32(first).tolist(),
        noise.tolist(),
    )
    step = jax.jit(make_step(LAMP))
    latent = np.float32(first)[None]
    for index, (there, picture_there) in enumerate(told):
        frame, latent = step(latent, noise[index : index + 1])
        np.testing.assert_allclose(unpacked(there, "f4", 1, 64), latent, atol=1e-3)
        if picture_there:
            picture_there = unpacked(picture_there, "f4", 1, 64, 64, 3)
            assert np.std(picture_there) > 0.1
            pictures = (models.to_uint8(one) for one in (frame, picture_there))
            assert grey_levels(*pictures) <= 2
    assert len(told) == 200


def test_a_seed_is_the_lamp_of_the_live_page(run_beside):
    told = run_beside(
        """
          const { openNetwork } = await import('./network.js');
          const { Lamp } = await import('./lamp.js');
          const lamp = await Lamp.begin(await openNetwork(), 2147483647);
          const told = [];
          const tell = async () =>
            told.push([pack(await lamp.draw()), lamp.step, lamp.health()]);
          await tell();
          await lamp.advance(11.5);
          await lamp.advance(0.75);
          await tell();
          await lamp.push([0.4, 0.3], 0.25);
          await lamp.advance(1.5);
          await tell();
          return told;
        """
    )
    lamps = fresh_lamps(2147483647, config=MODEL)
    one = player.begin(LAMP.params, lamps, config=MODEL)
    moments = [one]
    moments.append(player.advance(LAMP.params, one, 12.25, config=MODEL))
    one = player.push(LAMP.params, moments[-1], 0.4, 0.3, 0.25, config=MODEL)
    moments.append(player.advance(LAMP.params, one, 1.5, config=MODEL))
    for (rgba, step, health), moment in zip(told, moments, strict=True):
        rgba = unpacked(rgba, "u1", 64, 64, 4)
        assert (rgba[..., 3] == 255).all()
        drawn = player.draw(LAMP.params, moment, config=MODEL)
        assert grey_levels(rgba[..., :3], drawn) <= 2
        assert step == moment.step
        expected = player.health(moment)._asdict()
        assert health == pytest.approx(expected, abs=1e-5)


def test_noise_is_jax_s_for_any_seed_and_step(run_beside):
    cases = [[0, 0], [1, 1], [7, 3_000_000_000], [2**31 - 1, 12]]
    told = run_beside(
        """
          const { foldIn, normal, seedKey } = await import('./random.js');
          const draw = ([seed, step]) => normal(foldIn(seedKey(seed), step), 20_000);
          return given.map((one) => Array.from(draw(one)));
        """,
        *cases,
    )
    for (seed, step), values in zip(cases, told, strict=True):
        key = jax.random.fold_in(jax.random.key(seed), np.uint32(step))
        expected = jax.random.normal(key, (20_000,))
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_the_page_plays_on_and_counts_its_steps(play):
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


def test_play_pause_speed_and_another_lamp(play):
    page = play()
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(500)
    count = frames(page)
    page.wait_for_timeout(500)
    assert frames(page) == count
    page.get_by_role("button", name="Play").click()
    wait_for(page, f"document.body.dataset.frames > {count + 3}")
    page.locator("#speed").fill("1")
    expect(page.locator("#pace")).to_have_text("10\N{MULTIPLICATION SIGN}")
    step = int(page.evaluate("document.body.dataset.step"))
    wait_for(page, f"document.body.dataset.step > {step + 100}")
    page.locator("#speed").fill("-1")
    page.locator("#seed").fill("41")
    page.keyboard.press("Tab")
    wait_for(page, "document.body.dataset.step < 20")
    page.wait_for_timeout(2_000)  # it is told of by the lamp by then
    expect(page.locator("#seed")).to_have_value("41")


def test_a_touch_gathers_wax_where_it_is(play):
    page = play()
    page.locator("#speed").fill("-1")
    page.wait_for_timeout(500)

    def brightness():
        """Of squares around rows 60, 100 and 140, in the middle, above the controls."""
        middle = picture(page)[40:160, 280:320]
        return middle.reshape(3, 40 * 40 * 3).mean(axis=1)

    before = brightness()
    darkest = before.argmin()
    for _ in range(3):
        page.mouse.click(300, 60 + 40 * int(darkest))
        page.wait_for_timeout(700)
    gain = brightness() - before
    assert gain[darkest] > 20


def test_a_page_that_lacks_a_file_says_so(browser, address):
    context = browser.new_context()
    context.route("**/transition.onnx", lambda route: route.abort())
    page = context.new_page()
    page.goto(address)
    expect(page.locator("#message")).to_contain_text("The lamp cannot run here")
    context.close()
