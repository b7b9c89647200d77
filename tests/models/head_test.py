import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import tiny
from random_params import random_params

from duralava import models
from duralava.models import head
from duralava.models.head import Window

CONFIG = tiny.FIELD
CELLS = CONFIG.feature_size

colour = jax.jit(models.colour, static_argnames=("size", "config"))
colour_uint8 = jax.jit(head.colour_uint8, static_argnums=(3, 4))
spline_matrix = jax.jit(head.spline_matrix, static_argnums=1)


def generator_params():
    return random_params(
        functools.partial(models.init_generator, config=CONFIG), scale=0.5
    )


def features_of(*batch):
    return tiny.normal(3, *batch, CELLS, CELLS, CONFIG.feature_channels)


PARAMS = generator_params()
PLACES = np.linspace(0, 1, 101)


# The spline.


def test_the_weights_of_a_place_are_positive_and_sum_to_one():
    matrix = np.asarray(spline_matrix(PLACES, CELLS))
    assert matrix.min() >= 0
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)


def test_the_weights_at_the_centre_of_a_cell_are_those_of_a_cubic_spline():
    matrix = np.asarray(spline_matrix((np.arange(8) + 0.5) / 8, 8))
    np.testing.assert_allclose(matrix[3, 2:5], [1 / 6, 4 / 6, 1 / 6], atol=1e-6)
    # Beyond the border, the last cell repeats.
    np.testing.assert_allclose(matrix[0, :2], [5 / 6, 1 / 6], atol=1e-6)
    np.testing.assert_allclose(matrix[7, 6:], [1 / 6, 5 / 6], atol=1e-6)


def test_a_spline_reproduces_linear_functions_away_from_the_border():
    inner = PLACES[(PLACES > 1.5 / CELLS) & (PLACES < 1 - 1.5 / CELLS)]
    linear = 3 - 5 * (np.arange(CELLS) + 0.5) / CELLS
    interpolated = spline_matrix(inner, CELLS) @ linear
    np.testing.assert_allclose(interpolated, 3 - 5 * inner, atol=1e-5)


def test_a_place_takes_four_cells_around_it():
    cells, weights = head.spline_taps(jnp.asarray([0.0, 0.4, 1.0]), 10)
    assert cells.tolist() == [[0, 0, 0, 1], [2, 3, 4, 5], [8, 9, 9, 9]]
    np.testing.assert_allclose(weights[0], weights[2][::-1], atol=1e-6)


def test_interpolation_equals_that_of_scipy():
    """SciPy's cubic spline through given coefficients, the border repeated."""
    feature = np.random.default_rng(0).normal(size=(CELLS, CELLS))
    places = np.linspace(0.01, 0.99, 37)
    matrix = np.asarray(spline_matrix(places, CELLS))
    at = np.meshgrid(places * CELLS - 0.5, places * CELLS - 0.5, indexing="ij")
    expected = scipy.ndimage.map_coordinates(
        feature, at, order=3, prefilter=False, mode="nearest"
    )
    np.testing.assert_allclose(matrix @ feature @ matrix.T, expected, atol=1e-5)


# Windows.


@pytest.mark.parametrize(("row", "column"), [(0, 0), (8, 20), (24, 24)])
def test_a_window_is_a_crop_of_the_frame(row, column):
    features, large, size = features_of(), 40, 16
    frame = colour(PARAMS, features, size=large, config=CONFIG)
    window = Window(column / large, row / large, 1 / large)
    picture = colour(PARAMS, features, size=size, window=window, config=CONFIG)
    crop = frame[row : row + size, column : column + size]
    np.testing.assert_allclose(picture, crop, atol=1e-5)
    assert jnp.std(picture) > 0.1


def test_each_frame_of_a_batch_has_its_own_window():
    features = features_of(2, 3)
    rng = np.random.default_rng(0)
    windows = Window(*np.float32(rng.uniform(0.0, 0.1, (3, 2, 3))))
    together = colour(PARAMS, features, size=12, window=windows, config=CONFIG)
    assert together.shape == (2, 3, 12, 12, 3)
    for index in np.ndindex(2, 3):
        window = Window(*(value[index] for value in windows))
        alone = colour(PARAMS, features[index], size=12, window=window, config=CONFIG)
        np.testing.assert_allclose(together[index], alone, atol=1e-5)


def test_the_whole_frame_is_the_window_of_all_pixels():
    features = features_of()
    frame = colour(PARAMS, features, size=24, config=CONFIG)
    whole = Window(0.0, 0.0, 1 / 24)
    same = colour(PARAMS, features, size=24, window=whole, config=CONFIG)
    np.testing.assert_allclose(frame, same, atol=1e-6)


# Size.


def smooth(size):
    """The frame of slowly varying features, by a head that ignores pixel sizes."""
    y, x = np.mgrid[:CELLS, :CELLS] * (np.pi / CELLS)
    waves = [np.sin((c + 1) / 3 * x + c) * np.cos(y + c) for c in range(6)]
    params = PARAMS["head"] | {"pixel_size": jnp.zeros(CONFIG.feature_channels)}
    features = jnp.asarray(np.stack(waves, axis=-1), jnp.float32)
    return colour({"head": params}, features, size=size, config=CONFIG)


def halved(frame):
    size = len(frame) // 2
    return frame.reshape(size, 2, size, 2, 3).mean(axis=(1, 3))


def test_a_frame_is_the_mean_of_the_pixels_of_one_of_twice_the_size():
    errors = [jnp.abs(halved(smooth(2 * n)) - smooth(n)).mean() for n in (16, 32)]
    assert errors[0] < 5e-3
    # Of higher than first order in the size of a pixel.
    assert errors[1] < errors[0] / 2


def test_the_size_of_a_pixel_has_no_effect_at_the_resolution_alone():
    features = features_of()
    without = PARAMS["head"] | {"pixel_size": jnp.zeros(CONFIG.feature_channels)}

    def effect(size):
        frames = [
            colour({"head": params}, features, size=size, config=CONFIG)
            for params in (PARAMS["head"], without)
        ]
        return jnp.abs(frames[0] - frames[1]).max()

    assert effect(CONFIG.resolution) < 1e-6
    assert effect(2 * CONFIG.resolution) > 0.1


@pytest.mark.parametrize("size", [1, 7, 16, 130])
def test_a_picture_for_display_is_that_of_the_head(size, monkeypatch):
    monkeypatch.setattr(head, "_MOST_COLOURED", 1000)  # some rows of the largest
    features, window = features_of(), Window(0.1, 0.3, 0.6 / size)
    shown = colour_uint8(PARAMS["head"], features, window, size, CONFIG)
    frame = colour(PARAMS, features, size=size, window=window, config=CONFIG)
    assert (shown.shape, shown.dtype) == ((size, size, 3), np.uint8)
    expected = np.int16(models.to_uint8(frame))
    assert np.abs(expected - shown).max() <= 1


# Training.


def test_gradients_reach_all_parameters_and_are_finite():
    features = features_of(4)
    windows = Window(*np.float32([[0.0, 0.25, 0.5, 0.1]] * 2), 1 / 32)

    @jax.jit
    def gradients(params, features):
        def loss(params, features):
            pictures = models.colour(
                params, features, size=16, window=windows, config=CONFIG
            )
            return jnp.mean(jnp.square(pictures - 0.5))

        return jax.grad(loss, argnums=(0, 1))(params, features)

    found = gradients({"head": PARAMS["head"]}, features)
    for leaf in jax.tree.leaves(found):
        assert jnp.all(jnp.isfinite(leaf))
        assert jnp.any(leaf != 0)
