"""Layers that several networks use."""

import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import flatten_util

from duralava.config import strides
from duralava.models import convolution


def deviations(module: nn.Module, *inputs: jax.Array) -> Any:
    """Returns the standard deviations of a module's fresh parameters.

    The initialisers of this package give these instead of drawing parameters.
    """
    return module.init(jax.random.key(0), *inputs)["params"]


def sample_params(key: jax.Array, deviations: Any) -> Any:
    """Samples normal parameters of mean zero with the given standard deviations.

    One call samples all of them: a program with a call for each parameter takes three
    times as long to compile.
    """
    flat, unravel = flatten_util.ravel_pytree(deviations)
    standard = unravel(jax.random.normal(key, flat.shape))
    return jax.tree.map(jnp.multiply, deviations, standard)


def coupling_deviations(
    module: nn.Module, *, size: int, count: int
) -> tuple[Any, jax.Array]:
    """Returns the standard deviations of the fresh parameters of coupling layers.

    Each layer has a basis of its own, and a module for each half of the values in it.

    Args:
      module: takes one half, f32[N, size / 2].
      size: number of values.
      count: number of layers.

    Returns:
      Those of the modules, each leaf [count, 2, ...], and those of the free parameters
      of the bases f32[count, size, size].
    """
    half = deviations(module, jnp.zeros((1, size // 2)))
    modules = jax.tree.map(lambda d: jnp.broadcast_to(d, (count, 2, *d.shape)), half)
    return modules, jnp.full((count, size, size), 0.1)


def by_fan_in(gain: float) -> nn.initializers.Initializer:
    """Returns an initialiser: a kernel's deviation that keeps the activations' scale.

    It is sqrt(gain / n) for units with n inputs. `gain` is 2 where a rectifier follows,
    which removes half of the outputs (He et al. 2015).
    """

    def deviation(
        _: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32
    ) -> jax.Array:
        return jnp.full(shape, math.sqrt(gain / math.prod(shape[:-1])), dtype)

    return deviation


class Dense(nn.Dense):
    """Flax's dense layer; `sample_params` makes its parameters."""

    kernel_init: nn.initializers.Initializer = by_fan_in(1.0)


def activate(x: jax.Array) -> jax.Array:
    """Leaky rectifier with slope 0.2, as in the original and in most GANs."""
    return nn.leaky_relu(x, 0.2)


class Perceptron(nn.Module):
    """A dense network with two hidden layers and a small output."""

    hidden: int
    features: int
    num_hidden: int = 2

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """f32[..., C] -> f32[..., features]."""
        for _ in range(self.num_hidden):
            x = activate(Dense(self.hidden)(x))
        # Small at the start, so that the latents of a transition first move as slowly
        # as wax does. Latent directions that frames hardly depend on keep that speed;
        # if it were high, they would flicker. A wide network would also diverge before
        # the penalty acts.
        scale = 0.0566 / self.hidden**0.5
        kernel, bias = nn.initializers.constant(scale), nn.initializers.constant(0.02)
        return Dense(self.features, kernel_init=kernel, bias_init=bias)(x)


def pixel_norm(x: jax.Array) -> jax.Array:
    """Scales the channels of each pixel to unit mean square (Karras et al. 2018).

    The mean is taken in float32, whatever the type of x.
    """
    square = jnp.mean(jnp.square(x), axis=-1, keepdims=True, dtype=jnp.float32)
    return x * jax.lax.rsqrt(square + 1e-6).astype(x.dtype)


class Downsample(nn.Module):
    """Strided convolution with bias, `convolution.downsample`."""

    features: int
    stride: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[N, H, W, C] -> dtype[N, H/s, W/s, features]."""
        size = 2 * self.stride
        shape = (size, size, x.shape[-1], self.features)
        kernel = self.param("kernel", by_fan_in(2.0), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        # The bias is added in float32: its gradient is a sum over all pixels.
        return (convolution.downsample(x, kernel) + bias).astype(self.dtype)


class Upsample(nn.Module):
    """Strided transposed convolution with bias, `convolution.upsample`."""

    features: int
    stride: int
    scale: float = 2.0
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[N, H, W, C] -> dtype[N, sH, sW, features]."""
        size = 2 * self.stride
        # Each output pixel sums the four input pixels that its kernel reaches.
        deviation = (self.scale / (4 * x.shape[-1])) ** 0.5
        shape = (size, size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.constant(deviation), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        # The bias is added in float32: its gradient is a sum over all pixels.
        return (convolution.upsample(x, kernel) + bias).astype(self.dtype)


class Residual(nn.Module):
    """Adds two 3x3 convolutions of the input to it, the first to half of the channels.

    The second begins at zero, so that a fresh block changes nothing, and the scale of
    activations does not grow with the number of blocks (Zhang et al. 2019, Fixup).
    """

    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[N, H, W, C] -> dtype[N, H, W, C]."""
        features = x.shape[-1]
        hidden = max(1, features // 2)
        y = activate(self._convolve("first", activate(x), hidden, by_fan_in(2.0)))
        y = self._convolve("second", y, features, nn.initializers.zeros)
        return x + y

    def _convolve(
        self, name: str, x: jax.Array, features: int, init: nn.initializers.Initializer
    ) -> jax.Array:
        kernel = self.param(f"{name}_kernel", init, (3, 3, x.shape[-1], features))
        bias = self.param(f"{name}_bias", nn.initializers.zeros, (features,))
        x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        # The bias is added in float32: its gradient is a sum over all pixels.
        return (convolution.same(x, kernel) + bias).astype(self.dtype)


class FrameCode(nn.Module):
    """Strided convolutions from a frame down to 4x4, flattened.

    With `shift_time`, each layer exchanges an eighth of its channels with the step
    before, and an eighth with the step after: it detects local motion at no cost
    (temporal shift, Lin et al. 2019). Frames are then [T, B, ...].
    """

    channels: Sequence[int]
    shift_time: bool = False
    dtype: str = "float32"

    @nn.compact
    def __call__(self, frames: jax.Array) -> jax.Array:
        """f32[..., H, W, 3] -> f32[..., 16 * channels[-1]]."""
        batch = frames.shape[:-3]
        x = frames.reshape(-1, *frames.shape[-3:])
        for features, stride in zip(
            self.channels, strides(frames.shape[-2], len(self.channels)), strict=True
        ):
            x = activate(Downsample(features, stride, self.dtype)(x))
            if self.shift_time:
                x = shift_in_time(x.reshape(*batch, *x.shape[1:])).reshape(x.shape)
        return x.reshape(*batch, -1).astype(jnp.float32)


def shift_in_time(x: jax.Array) -> jax.Array:
    """Moves an eighth of the channels a step later and an eighth a step earlier.

    Args:
      x: f32[T, ..., C].

    Returns:
      f32[T, ..., C]; zero where the step lies outside the clip.
    """
    eighth = x.shape[-1] // 8
    later, earlier, here = jnp.split(x, (eighth, 2 * eighth), axis=-1)
    return jnp.concatenate([shift(later, 1), shift(earlier, -1), here], axis=-1)


def shift(x: jax.Array, steps: int) -> jax.Array:
    """Returns x[t - steps] at every t of the first axis, zero beyond its ends."""
    zeros = jnp.zeros_like(x[: abs(steps)])
    if steps > 0:
        return jnp.concatenate([zeros, x[:-steps]])
    return jnp.concatenate([x[-steps:], zeros])
