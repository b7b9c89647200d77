import gzip
import pathlib

import pytest
from lamp_page import opened_modules
from live_cases import CASES

from duralava import export

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
          let settings = { seed: 0, speed: 1, touch: null };
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
    (tmp_path / "part.onnx.gz").write_bytes(packed)
    with opened_modules(browser, STATIC, tmp_path) as run:
        loaded, count = run(
            """
              const { loadCompressed } = await import("./loading.js");
              let count = 0;
              const add = (bytes) => { count += bytes; };
              const loaded = await loadCompressed("/part.onnx", add);
              return [Array.from(loaded), count];
            """,
            None,
        )
    assert bytes(loaded) == contents
    assert count == len(packed)
