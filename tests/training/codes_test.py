import numpy as np
import pytest
import tiny

from duralava.datasets import clips
from duralava.training import codes

pytestmark = pytest.mark.usefixtures("quick_compilation")

SIZE = tiny.SIZE


@pytest.fixture(scope="module")
def lamp():
    return tiny.lamp(of=tiny.FIELD, steps_per_second=10.0)


def film(num_frames, segment_frames=None):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (num_frames, SIZE, SIZE, 3), np.uint8)
    return clips.Film(frames, fps=30.0, segment_frames=segment_frames)


@pytest.mark.parametrize("mirrored", [False, True])
def test_codes_of_a_step_are_those_of_frames_three_apart(lamp, mirrored):
    found = codes.encode_film(lamp, film(50, segment_frames=25), mirrored=mirrored)
    assert found.shape == (12 if mirrored else 6, 8, tiny.LATENT_SIZE)
    frames = film(50).frames
    for segment, start in ((0, 0), (0, 2), (1, 1)):
        shown = frames[25 * segment + start :: 3][:8]
        np.testing.assert_allclose(
            found[3 * segment + start], lamp.encode(shown), atol=1e-5
        )
        if mirrored:
            expected = lamp.encode(shown[:, :, ::-1])
            np.testing.assert_allclose(
                found[6 + 3 * segment + start], expected, atol=1e-5
            )


def test_of_a_very_long_film_fewer_starts_are_encoded(lamp, monkeypatch):
    every = codes.encode_film(lamp, film(50), mirrored=False)
    assert len(every) == 3
    monkeypatch.setattr(codes, "_MOST_ENCODED", 40)  # two of three starts
    some = codes.encode_film(lamp, film(50), mirrored=False)
    np.testing.assert_allclose(some, every[:2], atol=1e-5)


def test_a_long_film_is_encoded_in_parts(lamp, monkeypatch):
    monkeypatch.setattr(codes, "_ENCODED", 7)
    some = codes.encode_film(lamp, film(50), mirrored=False)
    monkeypatch.undo()
    whole = codes.encode_film(lamp, film(50), mirrored=False)
    np.testing.assert_allclose(some, whole, atol=1e-5)


def test_a_film_that_is_too_short_is_refused(lamp):
    with pytest.raises(ValueError, match="segments have 8 steps; 9 are needed"):
        codes.encode_film(lamp, film(50, segment_frames=25), mirrored=False, least=9)


def test_the_metric_gives_the_change_of_small_frames(lamp):
    """To first order, and on average over codes: here it is that of few codes."""
    rng = np.random.default_rng(0)
    some = np.float32(rng.normal(size=(1, 200, tiny.LATENT_SIZE)))
    roots = np.asarray(codes.picture_metric(lamp, some))
    moves = rng.normal(size=(200, tiny.LATENT_SIZE))
    moves *= 0.1 / np.linalg.norm(moves, axis=-1, keepdims=True)
    # Frames of 16 pixels are those that are compared.
    changes = np.float32(lamp.generate(some[0] + moves)) - lamp.generate(some[0])
    found = np.sqrt(np.square(moves @ roots).sum(axis=-1).mean())
    assert found == pytest.approx(np.sqrt(np.square(changes).mean()), rel=0.2)


def test_batches_hold_consecutive_codes():
    numbered = np.arange(3 * 40, dtype=np.float32).reshape(3, 40, 1)
    batch = next(codes.batches(numbered, seed=0, scale=8))
    assert batch.clips.shape[0] == 21
    assert (np.diff(batch.clips, axis=0) == 1).all()
    starts = batch.clips[0] % 40
    assert starts.min() == 0 and starts.max() == 19
    assert np.isin(batch.codes, numbered).all()
