import itertools

import jax
import numpy as np
import pytest

from duralava import models
from duralava.config import Config, ModelConfig
from duralava.pretrained import Pretrained
from duralava.rendering import frames, lamps
from duralava.rendering.film import Shot, film_lamps
from duralava.rendering.seam import SeamMeter

MODEL = ModelConfig(
    resolution=16,
    latent_size=8,
    generator_hidden=16,
    generator_channels=(8,),
    transition_layers=2,
    transition_hidden=8,
    refresh=0.02,
)


@pytest.fixture(scope="module")
def weights():
    init = jax.jit(models.init_lamp, static_argnames=("config", "with_encoder"))
    params = init(jax.random.key(0), config=MODEL, with_encoder=False)
    # Larger than fresh ones, which hardly move a picture in a step.
    params["transition"]["turn"] = jax.tree.map(
        lambda leaf: 2.5 * leaf, params["transition"]["turn"]
    )
    return Pretrained(params, Config(model=MODEL))


def take(weights, count, *, lamp=None, **options):
    shot = Shot(**options)
    if lamp is None:
        lamp = lamps.fresh_lamps(1, config=MODEL, count=shot.num_lamps)
    return np.stack(list(itertools.islice(film_lamps(weights, lamp, shot), count)))


def test_one_lamp_is_the_lamp_of_its_seed(weights):
    film = take(weights, 12)
    expected = frames.lamp_frames(
        weights.params, config=weights.config, seed=1, fps=30.0
    )
    np.testing.assert_array_equal(film, list(itertools.islice(expected, 12)))


def test_lamps_of_a_grid_are_different_and_the_first_is_the_seed_s(weights):
    film = take(weights, 3, rows=2, columns=3)
    assert film.shape == (3, 32, 48, 3)
    alone = take(weights, 3)
    assert np.abs(np.int16(film[:, :16, :16]) - alone).max() <= 1
    assert np.abs(np.int16(film[:, 16:, :16]) - alone).max() > 2


def test_twice_the_speed_shows_every_second_frame(weights):
    film = take(weights, 20, fps=10.0)
    quick = take(weights, 10, fps=10.0, speed=2.0)
    assert np.abs(np.int16(quick) - film[::2]).max() <= 1
    assert np.abs(np.int16(quick[1:]) - film[1:10]).max() > 2


def test_a_loop_closes_and_a_cut_film_does_not(weights):
    def seam(loop):
        meter = SeamMeter()
        for frame in take(weights, 150, num_frames=150, fps=10.0, loop=loop):
            meter.add(frame)
        return meter.measure()

    change, turn = seam(True)
    assert 0.5 < change < 2
    assert turn < 3
    change, _ = seam(False)
    assert change > 4


def test_a_grid_goes_on_from_one_lamp(weights):
    lamp = lamps.fresh_lamps(2, config=MODEL)
    film = take(weights, 1, lamp=lamp, rows=1, columns=2)
    np.testing.assert_array_equal(film[0, :, :16], film[0, :, 16:])


def test_size(weights):
    shot = Shot(rows=2, columns=3, scale=1.5)
    assert shot.size(weights.config) == (48, 72)
    assert take(weights, 1, rows=2, columns=3, scale=1.5).shape == (1, 48, 72, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fps": 0.0}, "fps must be above 0, not 0"),
        ({"speed": -1.0}, "speed must be above 0, not -1"),
        ({"scale": float("inf")}, "scale must be above 0, not inf"),
        ({"rows": 0}, "no grid has 0x1 lamps"),
        ({"num_frames": 0}, "1 frame at least"),
        ({"loop": True}, "an end"),
        ({"loop": True, "num_frames": 3}, "four frames"),
    ],
)
def test_impossible_shots_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Shot(**options)
