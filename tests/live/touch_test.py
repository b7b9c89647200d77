import functools

import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from live_cases import CASES

from duralava import models, weights
from duralava.lamp import Lamp
from duralava.live import player, touch

PLACES = ((0.5, 0.25), (0.4, 0.5), (0.6, 0.4))


@pytest.mark.parametrize("case", CASES["touch"]["turns"])
def test_a_turn_ends_before_the_latent_is_unlikely(case):
    gradients = np.zeros((3, 3, case["size"]), np.float32)
    gradients[..., 1] = 2.0
    latent = np.zeros(case["size"], np.float32)
    latent[:2] = 7 * np.sin(case["before"]), 7 * np.cos(case["before"])
    turned = touch.turn(latent, gradients, 0.2, 0.9, case["angle"])
    expected = np.zeros_like(latent)
    expected[:2] = 7 * np.sin(case["after"]), 7 * np.cos(case["after"])
    np.testing.assert_allclose(turned, expected, atol=1e-5)


@pytest.mark.parametrize("case", CASES["touch"]["places"])
def test_cells_near_the_touch_decide_where_it_turns(case):
    gradients = np.eye(4, dtype=np.float32).reshape(2, 2, 4)
    turned = touch.turn(np.float32([1, 0, 0, 0]), gradients, *case["place"], 0.1)
    np.testing.assert_allclose(turned, case["latent"], atol=1e-6)
    assert CASES["touch"]["radius"] == touch.RADIUS


def test_a_latent_that_changes_nothing_stays():
    latent = np.float32([1, 2])
    gradients = np.zeros((2, 2, 2), np.float32)
    np.testing.assert_array_equal(touch.turn(latent, gradients, 0, 0, 1), latent)


def test_gradients_are_exact_where_the_brightness_is_linear(monkeypatch):
    cells, size = touch.CELLS, 8
    planes = np.random.default_rng(0).normal(size=(cells, cells, 3, size))
    linear = models.GENERATORS["convolution"]._replace(
        features=lambda params, latents, _: (
            jnp.einsum("yxcz,nz->nyxc", params, latents)
            + 0.3 * jnp.square(latents[:, :1, None, None])
        ),  # even: no mean gradient
        colour=lambda params, features, *_: features,
    )
    monkeypatch.setitem(models.GENERATORS, "linear", linear)
    config = tiny.model(generator="linear", latent_size=size)
    assert config.resolution == cells  # so that each cell is a pixel
    lamp = Lamp({"generator": jnp.asarray(planes)}, config, steps_per_second=1.0)
    found = touch.brightening(lamp)
    np.testing.assert_allclose(found, planes.mean(axis=2), atol=1e-5)


@functools.cache
def held(name):
    """Returns frames u8[seconds, places, seeds, H, W, 3] of lamps that are touched."""
    lamp = weights.load(name)
    gradients = np.asarray(touch.brightening(lamp))
    fps, seconds = 5, (0, 0.4, 5)
    shown = {round(second * fps): [] for second in seconds}
    for place in PLACES:
        for seed in range(3):
            state = player.begin(lamp, lamp.start(seed))
            for tick in range(max(shown) + 1):
                if tick in shown:
                    shown[tick].append(player.render_frame(lamp, state))
                state = player.push(lamp, state, gradients, *place, 1 / fps)
                state = player.advance(lamp, state, lamp.steps_per_second / fps)
    frames = np.array(list(shown.values()))
    return frames.reshape(len(seconds), len(PLACES), -1, *frames.shape[2:])


@pytest.mark.parametrize("name", ["simulated", "simulated_64"])
def test_wax_gathers_at_once_and_stays_while_the_touch_lasts(name):
    frames = held(name)
    size = frames.shape[-2]
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    for index, place in enumerate(PLACES):
        around = np.hypot(x - place[0], y - place[1]) < 0.08
        red = frames[:, index, ..., 0][..., around].mean(axis=(1, 2))  # wax is red
        assert (red[1:] > red[0] + 30).all(), place


@pytest.mark.parametrize("name", ["simulated", "simulated_64"])
def test_a_touched_lamp_holds_no_more_wax_than_others_do(name):
    lamp = weights.load(name)
    size = lamp.drawn_size(None, default=player.FRAME_SIZE)
    free = np.asarray(lamp.generate(lamp.start(9, count=64).latents, size=size))

    def wax(frames):
        return np.mean(frames[..., 0] > 180, axis=(-2, -1))

    assert wax(held(name)).mean(axis=-1).max() < wax(free).max()
