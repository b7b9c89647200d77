import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from duralava import config
from duralava.models import layers


@pytest.mark.parametrize(
    ("resolution", "num_layers", "expected"),
    [
        (64, 3, (4, 2, 2)),
        (64, 4, (2, 2, 2, 2)),
        (128, 3, (8, 2, 2)),
        (8, 1, (2,)),
        (48, 2, (6, 2)),
    ],
)
def test_strides_lead_to_four_pixels(resolution, num_layers, expected):
    strides = config.strides(resolution, num_layers)
    assert strides == expected
    assert resolution == 4 * np.prod(strides)


@pytest.mark.parametrize(
    ("resolution", "num_layers"),
    [
        (64, 5),  # stride 1 remains for the finest layer
        (48, 3),  # stride 3
        (18, 1),  # stride 4.5
        (4, 1),  # nothing to do
    ],
)
def test_layers_without_an_even_stride_are_an_error(resolution, num_layers):
    with pytest.raises(ValueError, match=f"{num_layers} layers .* {resolution}"):
        config.strides(resolution, num_layers)


@pytest.mark.parametrize("steps", [1, 3, -1, -3])
@pytest.mark.parametrize("length", [2, 5])
def test_shift_pads_with_zeros(steps, length):
    x = tiny.normal(0, length, 2)
    shifted = layers.shift(x, steps)
    assert shifted.shape == x.shape
    for t in range(length):
        inside = 0 <= t - steps < length
        np.testing.assert_array_equal(shifted[t], x[t - steps] if inside else [0, 0])


def test_shift_in_time_equals_a_loop_over_steps_and_channels():
    x = np.asarray(tiny.normal(0, 5, 2, 3, 16))
    expected = np.zeros_like(x)
    for t in range(5):
        for channel in range(16):
            # Of 16 channels, 2 are from the step before and 2 from the step after.
            source = t - 1 if channel < 2 else t + 1 if channel < 4 else t
            if 0 <= source < 5:
                expected[t, ..., channel] = x[source, ..., channel]
    np.testing.assert_array_equal(layers.shift_in_time(jnp.asarray(x)), expected)


def test_pixel_norm_gives_unit_mean_square_and_keeps_directions():
    x = 7 * tiny.normal(0, 2, 3, 3, 8)
    normed = layers.pixel_norm(x)
    np.testing.assert_allclose(jnp.mean(normed**2, axis=-1), 1.0, rtol=1e-4)
    ratio = normed / x
    np.testing.assert_allclose(ratio, ratio[..., :1] + 0 * ratio, rtol=1e-4)


def test_pixel_norm_of_zeros_is_zero():
    np.testing.assert_array_equal(layers.pixel_norm(jnp.zeros((1, 8))), 0.0)


@pytest.mark.parametrize("kind", [layers.Downsample, layers.Upsample])
def test_bfloat16_rounds_a_convolution_but_not_its_parameters(kind):
    x = tiny.normal(0, 2, 8, 8, 16)
    params = kind(4, 2).init(jax.random.key(1), x)
    exact = kind(4, 2).apply(params, x)
    module = kind(4, 2, dtype="bfloat16")
    rounded = module.apply(params, x)
    assert rounded.dtype == jnp.bfloat16
    scale = jnp.sqrt(jnp.mean(exact**2))
    error = jnp.max(jnp.abs(rounded - exact)) / scale
    assert 1e-5 < error < 0.03  # 8 bits, rounded a few times
    gradient = jax.grad(lambda p: jnp.sum(module.apply(p, x).astype(jnp.float32)))
    assert all(g.dtype == jnp.float32 for g in jax.tree.leaves(gradient(params)))


def test_fresh_parameters_have_the_standard_deviation_of_their_layer():
    module = layers.Downsample(features=64, stride=2)
    images = jnp.zeros((1, 8, 8, 32))
    params = layers.sample_params(jax.random.key(0), layers.deviations(module, images))
    kernel = np.asarray(params["kernel"])
    assert kernel.shape == (4, 4, 32, 64)
    # sqrt(2 / inputs), He et al. 2015; 5 standard errors of so many values.
    assert kernel.std() == pytest.approx((2 / (4 * 4 * 32)) ** 0.5, rel=0.02)
    assert abs(kernel.mean()) < 5 * kernel.std() / kernel.size**0.5
    np.testing.assert_array_equal(params["bias"], np.zeros(64))


def test_fresh_parameters_of_one_shape_differ():
    ones = {"a": jnp.ones(1000), "b": jnp.ones(1000)}
    params = layers.sample_params(jax.random.key(0), ones)
    assert abs(np.corrcoef(params["a"], params["b"])[0, 1]) < 5 / 1000**0.5
    other = layers.sample_params(jax.random.key(1), ones)
    assert abs(np.corrcoef(params["a"], other["a"])[0, 1]) < 5 / 1000**0.5
