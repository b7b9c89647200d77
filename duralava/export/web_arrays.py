"""The arrays from which the exported page computes a lamp's networks.

`duralava/export/static/networks.js` has the networks. They are made of matrix products
whose second factor has columns in vectors of four (`duralava/export/product.wat`).
"""

from typing import Any

import numpy as np

from duralava import trees
from duralava.lamp import Lamp
from duralava.live import feature_maps, touch
from duralava.live.feature_maps import fill
from duralava.models import convolution, head
from duralava.models.orthogonal import orthonormal_bases

_KNOWN = {"generator": ("field", "convolution"), "transition": ("rotation", "mlp")}
"""The networks of networks.js."""

_EXACT = ("basis", "spline")  # in single precision: the others lose nothing visible


def arrays(lamp: Lamp, size: int) -> dict[str, np.ndarray]:
    """Returns the arrays of a lamp by their names, in half or single precision.

    Args:
      lamp: of `feature_maps.fill_vectors`.
      size: height and width in pixels of the frames of a `field` that the page draws
        without a shader.

    Raises:
      ValueError: the page does not have the lamp's networks.
    """
    for part, known in _KNOWN.items():
        if (name := getattr(lamp.config, part)) not in known:
            raise ValueError(
                f"the page does not have the {part} {name}, only {', '.join(known)}"
            )
    generator = dict(lamp.params["generator"])
    parts = {
        "transition": _with_bases(lamp.params["transition"]),
        "brightening": touch.brightening(lamp),
    }
    if "flow" in generator:
        parts["flow"] = _with_bases(generator.pop("flow"))
    if feature_maps.has_features(lamp):
        centres = head.pixel_centres(0.0, 1 / size, size)
        parts["head"] = generator["head"] | _dense_layers(generator["head"])
        parts["spline"] = head.spline_matrix(centres, lamp.config.feature_size)
        generator = generator["trunk"]
    parts["trunk"] = _trunk(generator)
    return {
        name: np.asarray(leaf, "<f4" if name.endswith(_EXACT) else "<f2")
        for name, leaf in trees.named_leaves(parts).items()
    }


def _trunk(params: Any) -> dict[str, Any]:
    upsampling = {
        name: {"kernel": _blocks(layer["kernel"]), "bias": layer["bias"]}
        for name, layer in params.items()
        if name.startswith("Upsample")
    }
    return dict(params) | _dense_layers(params) | upsampling


def _blocks(kernel: Any) -> np.ndarray:
    """Returns the kernel [2s, 2s, C, D] of `convolution.upsample` as [2, 2 C, s s D].

    These are two matrices, for two rows of pixels: the values of two pixels beside
    each other give those of a block of s x s pixels.
    """
    blocks = convolution.transposed_blocks(np.swapaxes(kernel, 2, 3))
    return np.asarray(blocks).reshape(2, -1, blocks.shape[-1])


def _with_bases(params: Any) -> dict[str, Any]:
    """Returns the parameters of a transition or flow with its bases computed."""
    if "basis" not in params:
        return _dense_layers(params)
    (name,) = params.keys() - {"basis"}
    return {
        name: _dense_layers(params[name]),
        "basis": orthonormal_bases(params["basis"]),
    }


def _dense_layers(params: Any) -> dict[str, Any]:
    """Returns dense layers [..., inputs, outputs]; outputs fill vectors of four."""
    filled = {}
    for name in params:
        if name.startswith("Dense"):
            layer = {part: fill(leaf, -1) for part, leaf in params[name].items()}
            if name != "Dense_0":  # its inputs are outputs that were filled
                layer["kernel"] = fill(layer["kernel"], -2)
            filled[name] = layer
    return filled
