import jax
import numpy as np
import pytest
from PIL import Image

from duralava import models
from duralava.config import Config, ModelConfig
from duralava.pretrained import Pretrained
from duralava.rendering import lamps, writers

MODEL = ModelConfig(
    resolution=16,
    latent_size=8,
    generator_hidden=0,
    generator_channels=(8,),
    encoder_channels=(8,),
    encoder_hidden=8,
    transition_layers=2,
    transition_hidden=8,
    refresh=0.1,
)


@pytest.fixture(scope="module")
def weights():
    init = jax.jit(models.init_lamp, static_argnames=("config", "with_encoder"))
    params = init(jax.random.key(0), config=MODEL, with_encoder=True)
    return Pretrained(params, Config(model=MODEL))


def code(weights, frame):
    """The latent that the encoder finds for one picture."""
    pixels = models.from_uint8(np.asarray(frame)[None])
    return models.encode(weights.params["encoder"], pixels, config=MODEL)


def test_lamps_of_a_seed_are_normal_and_its_own():
    many = lamps.fresh_lamps(3, config=MODEL, count=4_000)
    assert many.latents.shape == (4_000, 8)
    assert many.step == 0
    # Five standard errors of 32,000 values.
    np.testing.assert_allclose(np.mean(many.latents), 0, atol=0.03)
    np.testing.assert_allclose(np.var(many.latents), 1, atol=0.04)
    again, other = (lamps.fresh_lamps(seed, config=MODEL) for seed in (3, 4))
    np.testing.assert_array_equal(again.latents[0], many.latents[0])
    assert np.abs(other.latents - again.latents).max() > 0.5


def test_a_lamp_run_on_is_the_rollout(weights):
    start = lamps.fresh_lamps(1, config=MODEL, count=3)
    transition = weights.params["transition"]
    made = []
    later = lamps.run_on(transition, start, 2_345, config=MODEL, advance=made.append)
    assert later.step == 2_345
    assert sum(made) == 2_345
    final, _ = jax.jit(models.rollout, static_argnames=("num_steps", "config"))(
        transition, start.latents, start.key, 0, num_steps=2_345, config=MODEL
    )
    np.testing.assert_allclose(later.latents, final, atol=1e-3)
    # From there on with the noise of the steps that follow.
    further = lamps.run_on(transition, later, 10, config=MODEL)
    whole = lamps.run_on(transition, start, 2_355, config=MODEL)
    np.testing.assert_allclose(further.latents, whole.latents, atol=1e-3)


def test_a_lamp_goes_on_from_a_picture(weights, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "lamp.png")
    lamp = lamps.lamp_of_film(tmp_path / "lamp.png", weights, seed=5)
    np.testing.assert_allclose(lamp.latents, code(weights, picture), atol=1e-5)
    fresh = lamps.fresh_lamps(5, config=MODEL)
    assert lamp.step == 0
    np.testing.assert_array_equal(
        jax.random.key_data(lamp.key), jax.random.key_data(fresh.key)
    )


def test_a_lamp_goes_on_from_the_last_frame_of_a_film(weights, tmp_path):
    film = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    writers.write_frames(tmp_path / "film.png", iter(film), fps=10)
    lamp = lamps.lamp_of_film(tmp_path / "film.png", weights, seed=0)
    np.testing.assert_allclose(lamp.latents, code(weights, film[-1]), atol=1e-5)


def test_a_start_that_cannot_be_is_refused(weights, tmp_path):
    without = {name: weights.params[name] for name in ("generator", "transition")}
    Image.new("RGB", (16, 16)).save(tmp_path / "lamp.png")
    with pytest.raises(ValueError, match="no encoder"):
        lamps.lamp_of_film(
            tmp_path / "lamp.png", weights._replace(params=without), seed=0
        )
    (tmp_path / "text.txt").write_text("not a picture")
    with pytest.raises(ValueError, match="is not a video"):
        lamps.lamp_of_film(tmp_path / "text.txt", weights, seed=0)
    with pytest.raises(FileNotFoundError):
        lamps.lamp_of_film(tmp_path / "nothing.png", weights, seed=0)
