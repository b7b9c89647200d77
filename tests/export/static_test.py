import dataclasses
import gzip
import math
import pathlib

import jax
import numpy as np
import pytest
import tiny
from lamp_page import opened_modules
from live_cases import CASES

from duralava import export, models
from duralava.export import web
from duralava.live import touch

STATIC = pathlib.Path(export.__file__).parent / "static"


@pytest.fixture(scope="module")
def run_script(browser):
    with opened_modules(browser, STATIC) as run:
        yield run


@pytest.mark.parametrize(
    "case", CASES["steering"]["cases"], ids=lambda case: case["name"]
)
def test_requests_change_what_the_lamp_does(run_script, case):
    ticks = run_script(
        """
          const { steer } = await import("./steering.js");
          const [ticks, pushSeconds] = given;
          let settings = { seed: 0, speed: 1, touch: null, held: false };
          return ticks.map(({ requests, seconds }) => {
            const tick = steer(settings, requests, seconds, pushSeconds);
            settings = tick.settings;
            return tick;
          });
        """,
        [case["ticks"], CASES["touch"]["seconds"]],
    )
    for tick, expected in zip(ticks, case["ticks"], strict=True):
        push = tick["push"] and [*tick["push"]["place"], tick["push"]["seconds"]]
        assert tick["lampSeconds"] == pytest.approx(expected["lamp_seconds"])
        assert tick["restart"] == expected["restart"]
        assert push == (expected["push"] and pytest.approx(expected["push"]))
        assert tick["settings"]["seed"] == expected["seed"]
        assert tick["settings"]["speed"] == expected["speed"]
        assert tick["settings"]["held"] == expected.get("held", False)
        assert tick["latent"] == expected.get("latent")


@pytest.mark.parametrize("case", CASES["catching_up"]["cases"])
def test_a_late_lamp_catches_up(run_script, case):
    seconds = run_script(
        """
          const { elapsedSeconds } = await import("./steering.js");
          return elapsedSeconds(100, 100 + 1 / given.fps + given.late, given.fps);
        """,
        case,
    )
    assert seconds - 1 / case["fps"] == pytest.approx(case["made_up"])


@pytest.fixture
def turned(run_script):
    """Returns the function `turn` of push.js."""

    def turned_(latent, gradients, place, angle):
        options = {
            "radius": CASES["touch"]["radius"],
            "nearest": touch.nearest_angle(len(latent)),
        }
        gradients = np.ravel(gradients).tolist()
        return run_script(
            """
              const { turn } = await import("./push.js");
              const [latent, gradients, place, angle, options] = given;
              const floats = [latent, gradients].map((v) => new Float32Array(v));
              return Array.from(turn(...floats, place, angle, options));
            """,
            [latent, gradients, place, angle, options],
        )

    return turned_


@pytest.mark.parametrize("case", CASES["touch"]["turns"])
def test_a_turn_ends_before_the_latent_is_unlikely(turned, case):
    gradients = np.zeros((3, 3, case["size"]))
    gradients[..., 1] = 2.0
    rest = [0.0] * (case["size"] - 2)
    latent = [7 * math.sin(case["before"]), 7 * math.cos(case["before"]), *rest]
    expected = [7 * math.sin(case["after"]), 7 * math.cos(case["after"]), *rest]
    found = turned(latent, gradients, [0.2, 0.9], case["angle"])
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("case", CASES["touch"]["places"])
def test_cells_near_the_touch_decide_where_it_turns(turned, case):
    found = turned([1, 0, 0, 0], np.eye(4), case["place"], 0.1)
    assert found == pytest.approx(case["latent"], abs=1e-6)


def test_a_latent_that_changes_nothing_stays(turned):
    assert turned([1, 2], np.zeros(8), [0, 0], 1) == [1, 2]


@pytest.mark.parametrize("case", CASES["interpolation"]["cases"])
def test_a_latent_between_two_steps(run_script, case):
    latent = run_script(
        """
          const { interpolate } = await import("./player.js");
          const first = new Float32Array(given.first);
          const second = new Float32Array(given.second);
          return Array.from(interpolate(first, second, given.share));
        """,
        case,
    )
    assert latent == pytest.approx(case["latent"], abs=1e-6)


@pytest.mark.parametrize("case", CASES["health"]["cases"])
def test_health_of_a_latent(run_script, case):
    found = run_script(
        """
          const { latentHealth } = await import("./player.js");
          return latentHealth(new Float32Array(given[0]), given[1]);
        """,
        [case["latent"], CASES["health"]["bounds"]],
    )
    expected = {name: case[name] for name in ("mean", "std", "normal")}
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("is_decoded", [False, True], ids=["packed", "decoded"])
def test_a_compressed_file_is_loaded_and_counted(browser, tmp_path, is_decoded):
    """Some servers declare it as encoded; the browser has decoded it then."""
    contents = bytes(range(256)) * 400
    packed = contents if is_decoded else gzip.compress(contents)
    (tmp_path / "part.bin.gz").write_bytes(packed)
    with opened_modules(browser, STATIC, tmp_path) as run:
        loaded, count = run(
            """
              const { loadCompressed } = await import("./loading.js");
              let count = 0;
              const add = (bytes) => { count += bytes; };
              const loaded = await loadCompressed("/part.bin", add);
              return [Array.from(loaded), count];
            """,
            None,
        )
    assert bytes(loaded) == contents
    assert count == len(packed)


@pytest.mark.parametrize("size", [16, 24])
def test_the_networks_of_the_page_equal_jax(browser, lamp, arrays, tmp_path, size):
    if size != lamp.config.resolution and not lamp.config.any_size:
        pytest.skip("it draws one size")
    halves = jax.tree.map(lambda leaf: np.float32(np.float16(leaf)), lamp.params)
    lamp = dataclasses.replace(lamp, params=halves)
    web.write_site(tmp_path / "site", lamp, name="tiny", size=size)
    latent, noise = arrays(1, 8)
    with opened_modules(browser, tmp_path / "site") as run:
        found = run(
            """
              const { openNetwork } = await import("./network.js");
              const [latent, noise] = given.map((values) => Float32Array.from(values));
              const network = await openNetwork();
              const results = [network.generate(latent), network.next(latent, noise)];
              return results.map((values) => Array.from(values));
            """,
            [latent[0].tolist(), noise[0].tolist()],
        )
    config, generator = lamp.config, lamp.params["generator"]
    frame = models.generate(generator, latent, size=size, config=config)
    moved = models.transition(lamp.params["transition"], latent, noise, config=config)
    assert np.std(frame) > 0.05
    np.testing.assert_allclose(found[0], np.ravel(frame), atol=1e-4)
    np.testing.assert_allclose(found[1], np.ravel(moved), atol=1e-4)


def test_a_lamp_whose_networks_the_page_does_not_have_is_an_error(tmp_path):
    lamp = dataclasses.replace(
        tiny.lamp(), config=dataclasses.replace(tiny.MODEL, transition="decay")
    )
    with pytest.raises(ValueError, match="the page does not have the transition decay"):
        web.write_site(tmp_path / "site", lamp, name="tiny")
    assert not list(tmp_path.iterdir())


def test_the_products_are_those_of_their_text():
    wasmtime = pytest.importorskip("wasmtime")
    text = pathlib.Path(export.__file__).with_name("product.wat").read_text()
    assert wasmtime.wat2wasm(text) == (STATIC / "product.wasm").read_bytes()
