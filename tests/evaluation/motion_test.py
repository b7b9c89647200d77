import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from duralava.evaluation.motion import block_motion

INNER = np.s_[:, 1:-1, 1:-1]


def texture(seed=0, size=64):
    """Smooth periodic noise, f64[size, size, 3]."""
    noise = np.random.default_rng(seed).standard_normal((size, size, 3))
    smooth = scipy.ndimage.gaussian_filter(noise, (1.5, 1.5, 0), mode="wrap")
    return 128 + 40 * smooth / smooth.std()


def moved(picture, shift):
    """Moved by a phase shift of each wave, which is exact between pixels too."""
    waves = np.fft.fft2(picture, axes=(0, 1))
    waves = scipy.ndimage.fourier_shift(waves, (*shift, 0))
    return np.fft.ifft2(waves, axes=(0, 1)).real


def frames(*pictures):
    return np.clip(np.round(np.stack(pictures)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "shift", [(0.4, -1.3), (2.7, 0.5), (-1.25, 3.1), (-2.6, -2.75)]
)
def test_the_displacement_of_a_texture_is_found_to_a_tenth_of_a_pixel(shift):
    pair = frames(texture(), moved(texture(), shift))
    displacement, reliable = map(np.asarray, block_motion(pair[:1], pair[1:]))
    assert displacement.shape == (1, 8, 8, 2) and reliable.shape == (1, 8, 8)
    # Parts of blocks at the border may move out of the frame.
    assert reliable[INNER].mean() > 0.95
    error = displacement[INNER][reliable[INNER]] - shift
    assert np.sqrt((error**2).mean()) < 0.06
    assert np.quantile(np.abs(error), 0.95) < 0.1


def test_still_film_has_no_motion_up_to_its_border():
    still = frames(texture())
    displacement, reliable = block_motion(still, still)
    assert reliable.all()
    np.testing.assert_array_equal(displacement, 0)


def test_exchanging_the_frames_reverses_the_motion():
    pair = frames(texture(), moved(texture(), (1, -2)))
    there, _ = block_motion(pair[:1], pair[1:])
    back, _ = block_motion(pair[1:], pair[:1])
    np.testing.assert_allclose(there[INNER], -back[INNER], atol=0.2)
    np.testing.assert_allclose(there[INNER].mean((0, 1, 2)), (1, -2), atol=0.02)


def test_ambiguous_motion_is_unreliable():
    rows, columns, _ = np.indices((64, 64, 3))
    flat = frames(100 + 0 * rows, 100 + 0 * rows)
    # An edge that moves right may have moved along itself too, which is invisible.
    upright, slanted = (
        frames(*(255 / (1 + np.exp(moment - edge)) for moment in (0, 1)))
        for edge in (columns - 30, columns - rows)
    )
    for pair in (flat, upright, slanted):
        # At the border the padding bends the slanted edge.
        assert not block_motion(pair[:1], pair[1:])[1][INNER].any()


@pytest.mark.parametrize(("shift", "within"), [((0, 3), True), ((0, 4), False)])
def test_motion_to_the_border_of_the_search_is_unreliable(shift, within):
    pair = frames(texture(), moved(texture(), shift))
    _, reliable = block_motion(pair[:1], pair[1:])
    assert (np.asarray(reliable)[INNER] == within).all()


def test_frames_that_cannot_be_cut_into_blocks_are_refused():
    picture = jnp.zeros((1, 60, 64, 3), jnp.uint8)
    with pytest.raises(ValueError, match="blocks of 8"):
        block_motion(picture, picture)
    with pytest.raises(ValueError, match="cannot be compared"):
        block_motion(picture[:, :56], picture[:, :48])
