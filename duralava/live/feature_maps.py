"""Maps of features for a shader, and the head that colours them there.

A viewer's graphics processor colours a map of features in as many pixels as its screen
has (`duralava/live/static/head.js`). It computes with vectors of four values.
"""

import base64
import dataclasses
from typing import Any

import jax
import numpy as np

from duralava.lamp import Lamp

_VECTOR = 4  # values


def has_features(lamp: Lamp) -> bool:
    """Whether the lamp's generator has a head that a shader can compute."""
    return lamp.config.generator == "field"


def fill_vectors(lamp: Lamp) -> Lamp:
    """Returns a lamp of the same frames whose features fill vectors of four.

    Features and hidden units of the head that are missing are added, with parameters
    of zero.
    """
    config = lamp.config
    features, hidden = _filled(config.feature_channels), _filled(config.head_hidden)
    same = (features, hidden) == (config.feature_channels, config.head_hidden)
    if same or not has_features(lamp):
        return lamp
    generator = jax.tree.map(np.asarray, lamp.params["generator"])
    trunk, head = dict(generator["trunk"]), dict(generator["head"])
    last = f"Upsample_{len(config.generator_channels) - 1}"
    trunk[last] = {name: fill(leaf, -1) for name, leaf in trunk[last].items()}
    if config.generator_background:
        trunk["background"] = fill(trunk["background"], -1)
    head["pixel_size"] = fill(head["pixel_size"], -1)
    head["Dense_0"] = {
        "kernel": fill(fill(head["Dense_0"]["kernel"], 0), 1),
        "bias": fill(head["Dense_0"]["bias"], 0),
    }
    head["Dense_1"] = head["Dense_1"] | {"kernel": fill(head["Dense_1"]["kernel"], 0)}
    return dataclasses.replace(
        lamp,
        params=lamp.params | {"generator": generator | {"trunk": trunk, "head": head}},
        config=dataclasses.replace(
            config, feature_channels=features, head_hidden=hidden
        ),
    )


def pack_map(features: np.ndarray) -> bytes:
    """Returns a map of features f32[S, S, C] in half precision, little endian.

    The error of a colour is 1 grey level at most for the shipped weights.
    """
    return features.astype("<f2").tobytes()


def describe_head(lamp: Lamp) -> dict[str, Any]:
    """Returns what a shader needs to colour maps of `fill_vectors(lamp)`, for JSON.

    Returns:
      `size`, `channels` and `hidden`: height and width of a map, its features and the
      head's hidden units; `resolution`: size of a frame in which the size of a pixel
      has no effect; `weights`: f32 in base64, little endian. These are the weights of
      the pixel's size, and kernel and bias of both layers, in vectors of four. Four
      vectors in turn are a matrix, column by column, that maps four inputs to four
      outputs. The matrices of a layer are sorted by inputs, then outputs. The last
      layer has an output that is always 0.
    """
    head = lamp.params["generator"]["head"]
    first, last = head["Dense_0"], head["Dense_1"]
    weights = [
        head["pixel_size"],
        _matrices(first["kernel"]),
        first["bias"],
        _matrices(fill(last["kernel"], 1)),
        fill(last["bias"], 0),
    ]
    flat = np.concatenate([np.ravel(leaf) for leaf in weights]).astype("<f4")
    return {
        "size": lamp.config.feature_size,
        "channels": lamp.config.feature_channels,
        "hidden": lamp.config.head_hidden,
        "resolution": lamp.config.resolution,
        "weights": base64.b64encode(flat.tobytes()).decode(),
    }


def fill(leaf: Any, axis: int) -> np.ndarray:
    """Appends zeros until the length of an axis is a multiple of four."""
    leaf = np.asarray(leaf)
    widths = np.zeros((leaf.ndim, 2), int)
    widths[axis, 1] = _filled(leaf.shape[axis]) - leaf.shape[axis]
    return np.pad(leaf, widths)


def _matrices(kernel: Any) -> np.ndarray:
    """Splits a kernel f32[I, O] into blocks f32[I / 4, O / 4, 4, 4]."""
    kernel = np.asarray(kernel)
    blocks = (kernel.shape[0] // _VECTOR, _VECTOR, kernel.shape[1] // _VECTOR, _VECTOR)
    return kernel.reshape(blocks).transpose(0, 2, 1, 3)


def _filled(size: int) -> int:
    return -(-size // _VECTOR) * _VECTOR
