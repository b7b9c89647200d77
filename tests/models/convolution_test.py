import collections
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from tiny import normal

from duralava.models import convolution

# Stride, and height and width of the small picture. It is not square, so that swapped
# axes are noticed.
CASES = pytest.mark.parametrize(("stride", "height", "width"), [(2, 3, 5), (4, 3, 2)])


def library_downsample(images, kernel):
    stride = kernel.shape[0] // 2
    return jax.lax.conv_general_dilated(
        images,
        kernel,
        (stride, stride),
        [(stride // 2, stride // 2)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def library_same(images, kernel):
    return jax.lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def library_upsample(images, kernel):
    stride = kernel.shape[0] // 2
    n, h, w, _ = images.shape
    # The convolution to transpose maps D channels to C.
    shape = (n, h * stride, w * stride, kernel.shape[3])
    _, transpose = jax.vjp(
        lambda x: library_downsample(x, kernel.swapaxes(2, 3)), jnp.zeros(shape)
    )
    return transpose(images)[0]


@functools.partial(jax.jit, static_argnums=0)
def value_and_gradients(convolve, images, kernel, cotangent):
    value, pullback = jax.vjp(convolve, images, kernel)
    return value, *pullback(cotangent)


def assert_same(ours, library, images, kernel, cotangent):
    actual = value_and_gradients(ours, images, kernel, cotangent)
    expected = value_and_gradients(library, images, kernel, cotangent)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@CASES
def test_downsample_is_a_strided_convolution_and_so_are_its_gradients(
    stride, height, width
):
    images = normal(0, 2, height * stride, width * stride, 3)
    kernel = normal(1, 2 * stride, 2 * stride, 3, 4)
    cotangent = normal(2, 2, height, width, 4)
    assert_same(convolution.downsample, library_downsample, images, kernel, cotangent)


def test_same_is_a_convolution_and_so_are_its_gradients():
    images, kernel = normal(0, 2, 5, 7, 3), normal(1, 3, 3, 3, 4)
    cotangent = normal(2, 2, 5, 7, 4)
    assert_same(convolution.same, library_same, images, kernel, cotangent)


@CASES
def test_upsample_is_a_transposed_convolution_and_so_are_its_gradients(
    stride, height, width
):
    images = normal(0, 2, height, width, 3)
    kernel = normal(1, 2 * stride, 2 * stride, 3, 4)
    cotangent = normal(2, 2, height * stride, width * stride, 4)
    assert_same(convolution.upsample, library_upsample, images, kernel, cotangent)


@CASES
def test_upsample_is_the_adjoint_of_downsample(stride, height, width):
    x = normal(0, 2, height * stride, width * stride, 3)
    y = normal(1, 2, height, width, 4)
    kernel = normal(2, 2 * stride, 2 * stride, 3, 4)
    smaller = convolution.downsample(x, kernel)
    larger = convolution.upsample(y, kernel.swapaxes(2, 3))
    np.testing.assert_allclose(jnp.vdot(smaller, y), jnp.vdot(x, larger), rtol=1e-4)


def test_upsampling_one_pixel_gives_the_kernel_around_it():
    kernel = normal(0, 4, 4, 1, 1)
    image = jnp.zeros((1, 3, 3, 1)).at[0, 1, 2].set(1.0)
    enlarged = convolution.upsample(image, kernel)[0, :, :, 0]
    # Pixel (1, 2) affects rows 2 * 1 + {0..3} - 1 and columns 2 * 2 + {0..3} - 1, of
    # which the last is outside the picture.
    expected = np.zeros((6, 6))
    expected[1:5, 3:6] = kernel[:, :3, 0, 0]
    np.testing.assert_array_equal(enlarged, expected)


@pytest.mark.parametrize(
    ("ours", "library", "size"),
    [
        (convolution.downsample, library_downsample, 4),
        (convolution.same, library_same, 3),
    ],
    ids=["downsample", "same"],
)
def test_gradients_of_gradients_equal_those_of_the_library(ours, library, size):
    images, kernel = normal(0, 2, 6, 6, 3), normal(1, size, size, 3, 4)

    def penalty(convolve, images, kernel):
        # A gradient penalty: the square of a gradient is differentiated.
        gradient = jax.grad(lambda x: jnp.sum(jnp.tanh(convolve(x, kernel))))(images)
        return jnp.sum(jnp.square(gradient))

    for argument in (1, 2):
        gradient = jax.grad(penalty, argument)
        np.testing.assert_allclose(
            gradient(ours, images, kernel),
            gradient(library, images, kernel),
            rtol=1e-4,
            atol=1e-4,
        )


def test_all_backends_compute_the_same():
    # XLA's own transposes run on a CPU too, but slowly.
    x, y = normal(0, 2, 8, 12, 3), normal(1, 2, 2, 3, 5)
    kernel = normal(2, 8, 8, 3, 5)
    for ours, others, arguments in (
        (convolution._transpose_of_blocks, convolution._xla_transpose, (y, kernel)),
        (
            convolution._kernel_gradient_of_blocks,
            convolution._xla_kernel_gradient,
            (x, y),
        ),
        (
            convolution._kernel_gradient_of_shifts,
            convolution._xla_same_kernel_gradient,
            (x, normal(3, 2, 8, 12, 5)),
        ),
    ):
        np.testing.assert_allclose(
            ours(*arguments), others(*arguments), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("platform", ["cuda", "rocm", "tpu", "mps"])
@pytest.mark.parametrize(
    ("ours", "shapes"),
    [
        (convolution.downsample, ((2, 8, 12, 3), (8, 8, 3, 5), (2, 2, 3, 5))),
        (convolution.upsample, ((2, 2, 3, 5), (8, 8, 5, 3), (2, 8, 12, 3))),
        (convolution.same, ((2, 8, 12, 3), (3, 3, 3, 5), (2, 8, 12, 5))),
    ],
    ids=["downsample", "upsample", "same"],
)
def test_an_accelerator_gets_three_plain_convolutions(ours, shapes, platform):
    def operations(platform):
        arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
        exported = export.export(value_and_gradients, platforms=(platform,))(
            ours, *arguments
        )
        return collections.Counter(
            re.findall(r"stablehlo\.(\w+)", exported.mlir_module())
        )

    found = operations(platform)
    assert found["convolution"] == 3
    # Apart from these, there are only the kernel's turns, and branches already chosen.
    assert found.keys() <= {
        *("convolution", "reverse", "transpose"),
        *("constant", "case", "return"),
    }
    assert operations("cpu")["dot_general"] > 0
