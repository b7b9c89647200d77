"""Convolutions that are fast on every backend, gradients included.

Strided ones have kernels of twice the stride, those of stride 1 have kernels of 3x3.
A convolution of images x with a kernel k defines a form that is linear in x, in k and
in an image y of the size of its output: f(x, k, y) = sum(y * convolve(x, k)). The
gradients of f are the convolution, its transpose (which enlarges) and the kernel's
gradient; each is a gradient of the others, to any order.

On accelerators XLA compiles all three as convolutions. On a CPU, XLA is fast for plain
convolutions only. There the other two are written for kernels of twice the stride s,
which are 2x2 convolutions of blocks of s x s pixels: the transpose is a plain
convolution whose output channels are the pixels of a block, and the kernel's gradient
is four matrix products. At stride 1 the transpose is a convolution with the mirrored
kernel, and the kernel's gradient is nine matrix products.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def downsample(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolves with stride s and a kernel of 2s, padding s/2 on every side.

    Args:
      images: f32[N, sH, sW, C].
      kernel: f32[2s, 2s, C, D], s even.

    Returns:
      f32[N, H, W, D].
    """
    return _convolve(images, kernel)


def upsample(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Enlarges s times: the transpose of a convolution with a kernel of 2s.

    Pixel (i, j) of the input adds `images[i, j] @ kernel[a, b]` to pixel
    (s i + a - s/2, s j + b - s/2) of the output.

    Args:
      images: f32[N, H, W, C].
      kernel: f32[2s, 2s, C, D], s even.

    Returns:
      f32[N, sH, sW, D].
    """
    return _transpose(images, jnp.swapaxes(kernel, 2, 3))


def same(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolves with stride 1 and a kernel of 3x3, padding 1 on every side.

    Args:
      images: f32[N, H, W, C].
      kernel: f32[3, 3, C, D].

    Returns:
      f32[N, H, W, D].
    """
    return _same(images, kernel)


@jax.custom_vjp
def _convolve(x: jax.Array, k: jax.Array) -> jax.Array:
    """x[N, sH, sW, C], k[2s, 2s, C, D] -> y[N, H, W, D]."""
    stride = k.shape[0] // 2
    edge = (stride // 2, stride // 2)
    return lax.conv_general_dilated(
        x, k, (stride, stride), (edge, edge), dimension_numbers=_LAYOUT
    )


@jax.custom_vjp
def _transpose(y: jax.Array, k: jax.Array) -> jax.Array:
    """y[N, H, W, D], k[2s, 2s, C, D] -> x[N, sH, sW, C]."""
    return lax.platform_dependent(
        y, k, cpu=_transpose_of_blocks, default=_xla_transpose
    )


@jax.custom_vjp
def _kernel_gradient(x: jax.Array, y: jax.Array) -> jax.Array:
    """x[N, sH, sW, C], y[N, H, W, D] -> k[2s, 2s, C, D]."""
    return lax.platform_dependent(
        x, y, cpu=_kernel_gradient_of_blocks, default=_xla_kernel_gradient
    )


@jax.custom_vjp
def _same(x: jax.Array, k: jax.Array) -> jax.Array:
    """x[N, H, W, C], k[3, 3, C, D] -> y[N, H, W, D]."""
    return lax.conv_general_dilated(
        x, k, (1, 1), ((1, 1), (1, 1)), dimension_numbers=_LAYOUT
    )


@jax.custom_vjp
def _same_kernel_gradient(x: jax.Array, y: jax.Array) -> jax.Array:
    """x[N, H, W, C], y[N, H, W, D] -> k[3, 3, C, D]."""
    return lax.platform_dependent(
        x, y, cpu=_kernel_gradient_of_shifts, default=_xla_same_kernel_gradient
    )


def _mirrored(k: jax.Array) -> jax.Array:
    """k[3, 3, C, D] -> [3, 3, D, C], the kernel of the transpose of `_same`."""
    return jnp.swapaxes(k[::-1, ::-1], 2, 3)


def _define_gradients(
    function: jax.custom_vjp, *gradients: Callable[..., jax.Array]
) -> None:
    """Sets the gradients for both arguments, functions of (arguments, cotangent)."""

    def forward(a: jax.Array, b: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        return function(a, b), (a, b)

    def backward(
        arguments: tuple[jax.Array, ...], cotangent: jax.Array
    ) -> tuple[jax.Array, ...]:
        return tuple(gradient(*arguments, cotangent) for gradient in gradients)

    function.defvjp(forward, backward)


_define_gradients(
    _convolve,
    lambda x, k, y: _transpose(y, k),
    lambda x, k, y: _kernel_gradient(x, y),
)
_define_gradients(
    _transpose,
    lambda y, k, x: _convolve(x, k),
    lambda y, k, x: _kernel_gradient(x, y),
)
_define_gradients(
    _kernel_gradient,
    lambda x, y, k: _transpose(y, k),
    lambda x, y, k: _convolve(x, k),
)
_define_gradients(
    _same,
    lambda x, k, y: _same(y, _mirrored(k)),
    lambda x, k, y: _same_kernel_gradient(x, y),
)
_define_gradients(
    _same_kernel_gradient,
    lambda x, y, k: _same(y, _mirrored(k)),
    lambda x, y, k: _same(x, k),
)


def _xla_transpose(y: jax.Array, k: jax.Array) -> jax.Array:
    stride = k.shape[0] // 2
    shape = (y.shape[0], y.shape[1] * stride, y.shape[2] * stride, k.shape[2])
    x = jax.ShapeDtypeStruct(shape, y.dtype)
    return jax.linear_transpose(lambda x: _convolve.fun(x, k), x)(y)[0]


def _xla_kernel_gradient(x: jax.Array, y: jax.Array) -> jax.Array:
    size = 2 * x.shape[1] // y.shape[1]
    k = jax.ShapeDtypeStruct((size, size, x.shape[3], y.shape[3]), x.dtype)
    return jax.linear_transpose(lambda k: _convolve.fun(x, k), k)(y)[0]


def _xla_same_kernel_gradient(x: jax.Array, y: jax.Array) -> jax.Array:
    k = jax.ShapeDtypeStruct((3, 3, x.shape[3], y.shape[3]), x.dtype)
    return jax.linear_transpose(lambda k: _same.fun(x, k), k)(y)[0]


def _kernel_gradient_of_shifts(x: jax.Array, y: jax.Array) -> jax.Array:
    height, width, features = y.shape[1:]
    flat = y.reshape(-1, features)
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifts = [
        padded[:, row : row + height, column : column + width].reshape(-1, x.shape[3]).T
        @ flat
        for row in range(3)
        for column in range(3)
    ]
    return jnp.stack(shifts).reshape(3, 3, x.shape[3], features)


def _transpose_of_blocks(y: jax.Array, k: jax.Array) -> jax.Array:
    stride = k.shape[0] // 2
    edge = stride // 2
    # Blocks are shifted by half a block from the pixels of y: each depends on four.
    blocks, around = transposed_blocks(k), ((1, 1), (1, 1))
    out = lax.conv_general_dilated(y, blocks, (1, 1), around, dimension_numbers=_LAYOUT)
    return _depth_to_space(out, stride)[:, edge:-edge, edge:-edge]


def _kernel_gradient_of_blocks(x: jax.Array, y: jax.Array) -> jax.Array:
    height, width, features = y.shape[1:]
    stride, channels = x.shape[1] // height, x.shape[3]
    edge = (stride // 2, stride // 2)
    blocks = _space_to_depth(jnp.pad(x, ((0, 0), edge, edge, (0, 0))), stride)
    flat = y.reshape(-1, features).T  # transposed once: it is the smaller factor
    corners = [
        flat
        @ blocks[:, row : row + height, column : column + width].reshape(
            flat.shape[1], -1
        )
        for row in (0, 1)
        for column in (0, 1)
    ]
    split = jnp.stack(corners).reshape(2, 2, features, stride, stride, channels)
    return split.transpose(0, 3, 1, 4, 5, 2).reshape(
        2 * stride, 2 * stride, channels, features
    )


def transposed_blocks(kernel: jax.Array) -> jax.Array:
    """[2s, 2s, C, D] -> [2, 2, D, s s C]: the transpose's kernel, for s x s blocks."""
    stride = kernel.shape[0] // 2
    split = kernel.reshape(2, stride, 2, stride, *kernel.shape[2:])
    blocks = split[::-1, :, ::-1].transpose(0, 2, 5, 1, 3, 4)
    return blocks.reshape(2, 2, kernel.shape[3], -1)


def _space_to_depth(images: jax.Array, size: int) -> jax.Array:
    n, h, w, c = images.shape
    split = images.reshape(n, h // size, size, w // size, size, c)
    return split.transpose(0, 1, 3, 2, 4, 5).reshape(n, h // size, w // size, -1)


def _depth_to_space(images: jax.Array, size: int) -> jax.Array:
    n, h, w, c = images.shape
    split = images.reshape(n, h, w, size, size, c // size**2)
    return split.transpose(0, 1, 3, 2, 4, 5).reshape(n, h * size, w * size, -1)
