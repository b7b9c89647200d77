"""Strided convolutions as one matrix product each.

XLA's gradients of strided convolutions are many times slower on a CPU than the
forward pass. A convolution whose kernel is twice its stride s, however, is a 2x2
convolution of blocks of s x s pixels: rearranged so (space to depth), it is one
matrix product, and so are both its gradients. Its transpose is a matrix product
whose 2x2 blocks are added where they overlap. Matrix products are fast everywhere.
"""

import jax
import jax.numpy as jnp


def downsample(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolves with stride s and a kernel of 2s, padding s/2 on every side.

    Equals `lax.conv_general_dilated(images, kernel, (s, s), [(s/2, s/2)] * 2)` in
    layout NHWC, HWIO.

    Args:
      images: f32[N, H, W, C], H and W multiples of s.
      kernel: f32[2s, 2s, C, D], s even.

    Returns:
      f32[N, H/s, W/s, D].
    """
    stride = kernel.shape[0] // 2
    edge = stride // 2
    padded = jnp.pad(images, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    blocks = _space_to_depth(padded, stride)
    patches = jnp.concatenate(
        [
            blocks[:, :-1, :-1],
            blocks[:, :-1, 1:],
            blocks[:, 1:, :-1],
            blocks[:, 1:, 1:],
        ],
        axis=-1,
    )
    return patches @ _block_kernel(kernel).reshape(patches.shape[-1], -1)


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
    stride = kernel.shape[0] // 2
    edge = stride // 2
    channels = images.shape[-1]
    columns = jnp.moveaxis(_block_kernel(kernel), 4, 0).reshape(channels, -1)
    blocks = images @ columns
    top_left, top_right, bottom_left, bottom_right = jnp.split(blocks, 4, axis=-1)
    summed = sum(
        jnp.pad(part, ((0, 0), (row, 1 - row), (column, 1 - column), (0, 0)))
        for part, row, column in (
            (top_left, 0, 0),
            (top_right, 0, 1),
            (bottom_left, 1, 0),
            (bottom_right, 1, 1),
        )
    )
    return _depth_to_space(summed, stride)[:, edge:-edge, edge:-edge]


def _block_kernel(kernel: jax.Array) -> jax.Array:
    """[2s, 2s, C, D] -> [2, 2, s, s, C, D]: the kernel of the blocks."""
    stride = kernel.shape[0] // 2
    split = kernel.reshape(2, stride, 2, stride, *kernel.shape[2:])
    return split.transpose(0, 2, 1, 3, 4, 5)


def _space_to_depth(images: jax.Array, size: int) -> jax.Array:
    n, h, w, c = images.shape
    split = images.reshape(n, h // size, size, w // size, size, c)
    return split.transpose(0, 1, 3, 2, 4, 5).reshape(n, h // size, w // size, -1)


def _depth_to_space(images: jax.Array, size: int) -> jax.Array:
    n, h, w, c = images.shape
    split = images.reshape(n, h, w, size, size, c // size**2)
    return split.transpose(0, 1, 3, 2, 4, 5).reshape(n, h * size, w * size, -1)
