import jax
import numpy as np
import pytest
import scipy.signal

from duralava import draws
from duralava.evaluation import features

T, N, SIZE = 8, 5, 32


@pytest.fixture(scope="module")
def clips(film_discs):
    (segment,) = film_discs(0, num_segments=1, num_frames=60 * N)
    return np.stack([segment[60 * i : 60 * i + 2 * T : 2] for i in range(N)], axis=1)


def extract(name, clips):
    return features.extract(clips, {name: features.EXTRACTORS[name]})[name]


@pytest.mark.parametrize("name", features.EXTRACTORS)
def test_the_features_of_a_clip_do_not_depend_on_other_clips(clips, name):
    """In any order, for more clips than are processed together."""
    order = np.arange(19) % N
    found = extract(name, clips)
    assert len(found) == N and np.isfinite(found).all()
    assert len(np.unique(found, axis=0)) > 1
    np.testing.assert_allclose(
        extract(name, clips[:, order]), found[order], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", ["colour_histogram", "radial_spectrum"])
def test_features_of_frames_do_not_depend_on_their_order(clips, name):
    order = np.random.default_rng(0).permutation(T)
    np.testing.assert_allclose(
        extract(name, clips[order]), extract(name, clips), rtol=1e-4, atol=1e-5
    )


def test_features_of_first_frames_do_not_depend_on_later_frames(clips):
    later = np.concatenate([clips[:1], 255 - clips[1:]])
    name = "random_conv_frames"
    np.testing.assert_array_equal(extract(name, later), extract(name, clips))


def test_a_histogram_is_the_share_of_each_colour(clips):
    found = np.square(extract("colour_histogram", clips))
    for index in range(N):
        pixels = clips[:, index].reshape(-1, 3)
        each = [np.histogram(p, np.arange(0, 257, 16))[0] for p in pixels.T]
        joint, _ = np.histogramdd(pixels, [np.arange(0, 257, 64)] * 3)
        counts = np.concatenate([np.ravel(each) / 3, joint.ravel()])
        np.testing.assert_allclose(found[index], counts / len(pixels), atol=1e-5)


def test_the_spectrum_of_a_wave_is_in_its_ring():
    """A wave under a Hann window keeps 1/4 of its power in its own frequency."""
    y, x = np.mgrid[:SIZE, :SIZE]
    waves = [(0, 5), (5, 0), (3, 4), (0, 9)]  # of 5, 5, 5 and 9 cycles
    frames = [128 + 100 * np.cos(2 * np.pi * (a * y + b * x) / SIZE) for a, b in waves]
    clips = np.round(np.stack(frames)).astype(np.uint8)[None, ..., None].repeat(3, -1)
    power = np.exp(extract("radial_spectrum", clips))
    assert power.shape == (4, SIZE // 2)
    np.testing.assert_array_equal(power.argmax(axis=1) + 1, [5, 5, 5, 9])
    # The window spreads power to frequencies 1 cycle away, and not further.
    assert power[3, 12:].max() < 1e-4 * power[3, 8]


def moving(shift):
    """A smooth texture that moves `shift` pixels (down, right) in each step."""
    noise = np.random.default_rng(0).standard_normal((N, SIZE + 64, SIZE + 64))
    kernel = np.outer(*[scipy.signal.windows.gaussian(9, 1.5)] * 2)
    wide = np.stack([scipy.signal.convolve(n, kernel, "same") for n in noise])
    wide = np.clip(128 + 50 * wide / wide.std(), 0, 255).astype(np.uint8)
    down, right = shift
    frames = [
        wide[:, 32 - down * t :, 32 - right * t :][:, :SIZE, :SIZE] for t in range(T)
    ]
    return np.stack(frames)[..., None].repeat(3, -1)


@pytest.mark.parametrize(
    ("shift", "bin_"),
    [
        ((0, 0), 0),
        # 3 pixels in three steps: the bin of 2 to 4, after those of 3 slower speeds.
        ((0, 1), 1 + 3 * 8 + 0),
        ((1, 0), 1 + 3 * 8 + 2),
        ((0, -1), 1 + 3 * 8 + 4),
        ((-1, 0), 1 + 3 * 8 + 6),
        # 3 sqrt(2) pixels on the diagonal: the bin of 4 and more.
        ((1, 1), 1 + 4 * 8 + 1),
        ((-1, -1), 1 + 4 * 8 + 5),
    ],
)
def test_motion_is_in_the_bin_of_its_direction_and_speed(shift, bin_):
    shares = np.square(extract("motion_histogram", moving(shift)))
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert shares.shape == (N, 1 + 5 * 8)
    assert shares[:, bin_].mean() > 0.9


def test_film_without_texture_has_no_motion():
    flat = np.full((T, 1, SIZE, SIZE, 3), 90, np.uint8)
    np.testing.assert_array_equal(extract("motion_histogram", flat), 0)


def test_half_of_the_first_kernels_detect_change_only(clips):
    """For still film they are 0, and the others are not."""
    still = np.repeat(clips[:1], T, axis=0)
    first = extract("random_conv_clips", still)[:, :32]
    assert np.abs(first[:, ::2]).max() < 1e-5
    assert first[:, 1::2].max(axis=0).mean() > 0.1
    assert extract("random_conv_clips", clips)[:, :32:2].min() > 1e-4


def test_random_features_equal_a_convolution_over_space_and_time(clips):
    """The first layer, compared with a convolution in three dimensions."""
    key = jax.random.fold_in(jax.random.key(20), 0)
    kernel = np.array(draws.normal(key, (3, 4, 4, 3, 32)))
    kernel[..., ::2] -= kernel[..., ::2].mean(axis=0)
    kernel *= np.sqrt(2 / (3 * 4 * 4 * 3))
    x = clips.swapaxes(0, 1).astype(np.float32) / 127.5 - 1
    layer = jax.lax.conv_general_dilated(
        x,
        kernel,
        (1, 2, 2),
        ((0, 0), (1, 1), (1, 1)),
        dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
    )
    expected = np.maximum(layer, 0).mean(axis=(1, 2, 3))
    found = extract("random_conv_clips", clips)
    np.testing.assert_allclose(found[:, :32], expected, rtol=1e-3, atol=1e-5)
