import jax
import numpy as np
import pytest
import tiny

from duralava import models
from duralava.evaluation import contenders
from duralava.evaluation.samples import NUM_LAMPS, SampleSize

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_each_lamp_gives_several_clips_if_lamps_are_fewer_than_clips():
    lamp = tiny.lamp(with_encoder=False)
    latents = jax.random.normal(jax.random.key(3), (150, 32, tiny.LATENT_SIZE))
    size = SampleSize(num_clips=70, clip_length=4, film_length=9)
    selected = contenders.select_latents(np.asarray(latents), size)
    clips, film, windows = contenders.generate_sample(lamp, selected)
    assert windows is None  # of a lamp that draws frames of its own size only
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
