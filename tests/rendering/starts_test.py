import dataclasses

import jax
import numpy as np
import pytest
import tiny
from PIL import Image

from duralava.rendering import starts, writers


@pytest.fixture(scope="module")
def lamp():
    return tiny.lamp(transition_layers=2, refresh=0.1)


def test_a_lamp_after_many_steps_is_that_of_the_rollout(lamp):
    start = lamp.start(1, count=3)
    made = []
    later = starts.skip_steps(lamp, start, 2_345, steps_made=made.append)
    assert later.step == 2_345
    assert sum(made) == 2_345
    final, _ = lamp.rollout(start.latents, start.key, num_steps=2_345)
    np.testing.assert_allclose(later.latents, final, atol=1e-3)
    # Later steps have the noise of their own number.
    further = starts.skip_steps(lamp, later, 10)
    whole = starts.skip_steps(lamp, start, 2_355)
    np.testing.assert_allclose(further.latents, whole.latents, atol=1e-3)


def test_a_lamp_continues_a_picture(lamp, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "lamp.png")
    state = starts.start_from_film(lamp, tmp_path / "lamp.png", seed=5)
    np.testing.assert_allclose(state.latents, lamp.encode(picture[None]), atol=1e-5)
    assert state.step == 0
    np.testing.assert_array_equal(
        jax.random.key_data(state.key), jax.random.key_data(lamp.start(5).key)
    )


def test_a_lamp_continues_the_last_frame_of_a_film(lamp, tmp_path):
    film = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    writers.write_frames(tmp_path / "film.png", iter(film), fps=10)
    state = starts.start_from_film(lamp, tmp_path / "film.png", seed=0)
    np.testing.assert_allclose(state.latents, lamp.encode(film[-1:]), atol=1e-5)


def test_a_start_that_is_not_possible_is_an_error(lamp, tmp_path):
    params = {name: lamp.params[name] for name in ("generator", "transition")}
    without_encoder = dataclasses.replace(lamp, params=params)
    Image.new("RGB", (16, 16)).save(tmp_path / "lamp.png")
    with pytest.raises(ValueError, match="no encoder"):
        starts.start_from_film(without_encoder, tmp_path / "lamp.png", seed=0)
    (tmp_path / "text.txt").write_text("not a picture")
    with pytest.raises(ValueError, match="is not a video"):
        starts.start_from_film(lamp, tmp_path / "text.txt", seed=0)
    with pytest.raises(FileNotFoundError):
        starts.start_from_film(lamp, tmp_path / "nothing.png", seed=0)
