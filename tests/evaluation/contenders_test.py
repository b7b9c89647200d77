import numpy as np
import pytest
import tiny

from duralava import models
from duralava.evaluation import contenders
from duralava.evaluation.samples import NUM_LAMPS, PICTURE_SIZE, SampleSize

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_each_lamp_gives_several_clips_if_lamps_are_fewer_than_clips():
    lamp = tiny.lamp(with_encoder=False)
    latents = tiny.normal(3, 150, 32, tiny.LATENT_SIZE)
    size = SampleSize(num_clips=70, clip_length=4, film_length=9)
    selected = contenders.select_latents(np.asarray(latents), size)
    sample = contenders.generate_sample(lamp, selected)
    clips, film = sample.clips, sample.film
    assert sample.windows is None  # this generator draws frames of its own size only
    assert clips.shape[:2] == (4, 70) and film.shape[:2] == (9, NUM_LAMPS)
    for clip, (start, index) in {
        0: (0, 0),
        1: (64, 0),
        2: (128, 0),
        69: (0, 23),
    }.items():
        expected = models.to_uint8(
            models.generate(
                lamp.params["generator"],
                latents[start : start + 4, index],
                config=lamp.config,
            )
        )
        np.testing.assert_allclose(clips[:, clip], np.asarray(expected), atol=1)


def test_windows_are_parts_of_large_pictures_of_the_same_latents():
    lamp = tiny.lamp(with_encoder=False, of=tiny.FIELD)
    clips = np.array(tiny.normal(4, 2, 65, tiny.LATENT_SIZE))
    selected = contenders.SampleLatents(clips, clips[:, :NUM_LAMPS])
    windows = contenders.generate_sample(lamp, selected).windows
    assert windows.shape == (2, 65, tiny.SIZE, tiny.SIZE, 3)
    places = set()
    for index in ((0, 0), (1, 3), (1, 64)):
        picture = np.asarray(lamp.generate(clips[index], size=PICTURE_SIZE))
        views = np.lib.stride_tricks.sliding_window_view(
            picture, windows.shape[2:], (0, 1, 2)
        )[..., 0, :, :, :]
        differences = np.abs(views.astype(int) - windows[index]).max(axis=(2, 3, 4))
        assert differences.min() <= 1
        places.add(np.unravel_index(differences.argmin(), differences.shape))
    assert len(places) == 3


def test_textures_are_fitted_to_every_nth_segment_of_a_long_film(monkeypatch):
    monkeypatch.setattr(contenders, "_TEXTURE_STEPS", 45)
    rng = np.random.default_rng(0)
    film = rng.integers(0, 256, (9, 30, 4, 4, 3), np.uint8)
    film[..., 0] = np.arange(9)[:, None, None, None]  # of which segment a frame is
    size = SampleSize(num_clips=100, clip_length=4, film_length=9)
    *_, video = contenders.film_contenders(list(film), size, stride=2, seed=0)
    found = set(video.sample().clips[..., 0].ravel())
    assert found <= {0, 3, 6} and len(found) > 1
