"""The networks of a lamp as nodes of an ONNX graph.

These are the networks of `duralava.models`, for runtimes without JAX.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from duralava.config import SMALLEST, ModelConfig
from duralava.export.onnx_graph import Graph
from duralava.models import head
from duralava.models.orthogonal import orthonormal_bases
from duralava.models.transition import longest_latent

Writer = Callable[[Graph, Any, str, ModelConfig], str]
"""(Graph, parameters, latents f32[N, Z], config) -> moved latents f32[N, Z]."""

_SLOPE = 0.2  # of layers.activate for negative inputs


class _Chain:
    """Layers one after the other, and their output."""

    def __init__(self, graph: Graph, x: str) -> None:
        self.graph = graph
        self.x = x

    def apply(self, layer: Callable[..., str], *args: Any) -> None:
        self.x = layer(self.graph, self.x, *args)


def generate(
    graph: Graph, params: Any, latents: str, *, size: int, config: ModelConfig
) -> str:
    """Adds `models.generate`: f32[N, Z] -> f32[N, size, size, 3].

    Raises:
      ValueError: `config.generator` is not a key of `GENERATORS`.
    """
    if config.generator not in GENERATORS:
        raise ValueError(
            f"generator {config.generator} cannot be exported to ONNX; "
            f"{', '.join(GENERATORS)} can"
        )
    chain = _Chain(graph, _codes(graph, params, latents, config))
    GENERATORS[config.generator](chain, params, size, config)
    return chain.x


def _codes(graph: Graph, params: Any, latents: str, config: ModelConfig) -> str:
    """Adds `duralava.models.flow.to_codes`, where the generator has a flow."""
    if not config.flow_layers:
        return latents
    x = latents
    for layer, basis in enumerate(_bases(params["flow"])):
        coupling = jax.tree.map(
            lambda leaf, layer=layer: leaf[layer], params["flow"]["coupling"]
        )
        basis = graph.constant(basis)
        a, b = _halves(graph, graph.add("MatMul", x, basis))
        a = _coupled(graph, a, coupling, 0, b)
        b = _coupled(graph, b, coupling, 1, a)
        joined = graph.add("Concat", a, b, axis=-1)
        x = graph.add("Gemm", joined, basis, transB=1)
    return x


def _bases(params: Any) -> np.ndarray:
    """Returns the orthonormal basis of each layer of a flow or rotation."""
    return np.asarray(orthonormal_bases(params["basis"]))


def _coupled(graph: Graph, x: str, coupling: Any, half: int, other: str) -> str:
    """Adds the affine coupling of one half: x exp(scale) + shift."""
    params = jax.tree.map(lambda leaf: leaf[half], coupling)
    scale, shift = _halves(graph, _perceptron(graph, params, other))
    factor = graph.add("Exp", graph.add("Tanh", scale))
    return graph.add("Add", graph.add("Mul", x, factor), shift)


def _field(chain: _Chain, params: Any, size: int, config: ModelConfig) -> None:
    _trunk(chain, params["trunk"], config)
    _head(chain, params["head"], size, config)


def _head(chain: _Chain, params: Any, size: int, config: ModelConfig) -> None:
    """Adds `models.head.colour` for whole frames, of features with channels first."""
    centres = head.pixel_centres(0.0, 1 / size, size)
    matrix = np.asarray(head.spline_matrix(centres, config.feature_size))
    chain.apply(_interpolate_rows, matrix)
    chain.apply(_interpolate_columns, matrix)
    octaves = math.log2(config.resolution / size)
    chain.apply(_add, octaves * np.asarray(params["pixel_size"])[:, None, None])
    chain.apply(_activate)
    chain.apply(_dense_of_pixels, params["Dense_0"])
    chain.apply(_activate)
    chain.apply(_dense_of_pixels, params["Dense_1"])
    chain.apply(_transpose, (0, 2, 3, 1))
    chain.apply(_tanh)


def _convolution(chain: _Chain, params: Any, _: int, config: ModelConfig) -> None:
    _trunk(chain, params, config)
    chain.apply(_transpose, (0, 2, 3, 1))
    chain.apply(_tanh)


def _trunk(chain: _Chain, params: Any, config: ModelConfig) -> None:
    """Adds `models.generator.Trunk`, but with channels before rows, as ONNX has."""

    def normalise_and_activate() -> None:
        if config.pixel_norm:
            chain.apply(_pixel_norm)
        chain.apply(_activate)

    size, channels = SMALLEST, config.generator_channels
    dense = [params[name] for name in ("Dense_0", "Dense_1") if name in params]
    for layer in dense[:-1]:
        chain.apply(_dense, layer)
        chain.apply(_activate)
    chain.apply(_dense, dense[-1])
    chain.apply(_reshape, [-1, size, size, channels[0]])
    chain.apply(_transpose, (0, 3, 1, 2))
    normalise_and_activate()
    for index in range(len(channels) - 1):
        chain.apply(_upsample, params[f"Upsample_{index}"])
        normalise_and_activate()
    chain.apply(_upsample, params[f"Upsample_{len(channels) - 1}"])
    if config.generator_background:
        chain.apply(_add, np.transpose(params["background"], (2, 0, 1)))


GENERATORS: dict[str, Callable[[_Chain, Any, int, ModelConfig], None]] = {
    "field": _field,
    "convolution": _convolution,
}
"""The writer of each generator of `models.GENERATORS` that ONNX models can have."""


def transition(
    graph: Graph, params: Any, latents: str, noise: str, *, config: ModelConfig
) -> str:
    """Adds `models.transition`: f32[N, Z] and noise f32[N, Z] -> f32[N, Z].

    Raises:
      ValueError: `config.transition` is not a key of `TRANSITIONS`.
    """
    if config.transition not in TRANSITIONS:
        raise ValueError(
            f"transition {config.transition} cannot be exported to ONNX; "
            f"{', '.join(TRANSITIONS)} can"
        )
    moved = TRANSITIONS[config.transition](graph, params, latents, config)
    if config.refresh == 0:
        return moved
    keep = graph.constant((1 - config.refresh**2) ** 0.5)
    return graph.add(
        "Add",
        graph.add("Mul", keep, moved),
        graph.add("Mul", graph.constant(config.refresh), noise),
    )


def square_sum(graph: Graph, x: str) -> str:
    """Adds sums of squares: f32[N, Z] -> f32[N, 1]."""
    return row_sum(graph, graph.add("Mul", x, x))


def row_sum(graph: Graph, x: str) -> str:
    """Adds sums: f32[N, Z] -> f32[N, 1]."""
    return graph.add("ReduceSum", x, graph.constant([-1]))


def _residual_mlp(graph: Graph, params: Any, latents: str, config: ModelConfig) -> str:
    """Adds `duralava.models.transition.residual_mlp`."""
    z = graph.add("Add", latents, _perceptron(graph, params, latents))
    longest = graph.constant(longest_latent(config.latent_size))
    share = graph.add("Div", longest, graph.add("Sqrt", square_sum(graph, z)))
    return graph.add("Mul", z, graph.add("Min", graph.constant(1.0), share))


def _rotation(graph: Graph, params: Any, latents: str, _: ModelConfig) -> str:
    """Adds `duralava.models.transition.rotation`, with the same order of operations."""
    z = latents
    for layer, basis in enumerate(_bases(params)):
        turn = jax.tree.map(lambda leaf, layer=layer: leaf[layer], params["turn"])
        basis = graph.constant(basis)
        a, b = _halves(graph, graph.add("MatMul", z, basis))
        change_a = _pair_changes(graph, a, _angles(graph, turn, 0, b))
        new_a = graph.add("Add", a, change_a)
        change_b = _pair_changes(graph, b, _angles(graph, turn, 1, new_a))
        change = graph.add("Concat", change_a, change_b, axis=-1)
        z = graph.add("Add", z, graph.add("Gemm", change, basis, transB=1))
    difference, total = graph.add("Sub", latents, z), graph.add("Add", latents, z)
    lost = row_sum(graph, graph.add("Mul", difference, total))
    smallest = graph.constant(1e-30)
    twice = graph.add(
        "Mul", graph.constant(2.0), graph.add("Max", square_sum(graph, z), smallest)
    )
    share = graph.add("Div", lost, twice)
    return graph.add("Add", z, graph.add("Mul", z, share))


TRANSITIONS: dict[str, Writer] = {"rotation": _rotation, "mlp": _residual_mlp}
"""The writer of each transition of `models.TRANSITIONS` that ONNX models can have."""


def _angles(graph: Graph, turn: Any, half: int, x: str) -> str:
    turn = jax.tree.map(lambda leaf: leaf[half], turn)
    return graph.add("Tanh", _perceptron(graph, turn, x))


def _pair_changes(graph: Graph, x: str, angles: str) -> str:
    """Adds `duralava.models.transition.pair_changes`."""
    first, second = _halves(graph, x)
    half = graph.add("Mul", graph.constant(0.5), angles)
    sine, cosine = graph.add("Sin", half), graph.add("Cos", half)

    def product(a: str, b: str) -> str:
        return graph.add("Mul", a, b)

    minus_sine = graph.add("Neg", sine)
    changes = [
        graph.add("Sub", product(minus_sine, first), product(cosine, second)),
        graph.add("Sub", product(cosine, first), product(sine, second)),
    ]
    twice = product(graph.constant(2.0), sine)
    return graph.add("Concat", *(product(twice, c) for c in changes), axis=-1)


def _perceptron(graph: Graph, params: Any, x: str) -> str:
    *hidden, last = (params[f"Dense_{index}"] for index in range(len(params)))
    for layer in hidden:
        x = graph.add("LeakyRelu", _dense(graph, x, layer), alpha=_SLOPE)
    return _dense(graph, x, last)


def _dense(graph: Graph, x: str, params: Any) -> str:
    kernel, bias = (graph.constant(params[name]) for name in ("kernel", "bias"))
    return graph.add("Gemm", x, kernel, bias)


def _upsample(graph: Graph, x: str, params: Any) -> str:
    """Adds `convolution.upsample`."""
    kernel = np.transpose(params["kernel"], (2, 3, 0, 1))
    stride = kernel.shape[-1] // 2
    weights, bias = graph.constant(kernel), graph.constant(params["bias"])
    shape = {"strides": (stride, stride), "pads": 4 * (stride // 2,)}
    return graph.add("ConvTranspose", x, weights, bias, **shape)


def _dense_of_pixels(graph: Graph, x: str, params: Any) -> str:
    """Adds a dense layer of the channels: f32[N, C, H, W] -> f32[N, D, H, W]."""
    kernel = np.transpose(params["kernel"])[..., None, None]
    return graph.add("Conv", x, graph.constant(kernel), graph.constant(params["bias"]))


def _interpolate_rows(graph: Graph, x: str, matrix: np.ndarray) -> str:
    """Adds a product with f32[n, S]: f32[N, C, S, W] -> f32[N, C, n, W]."""
    return graph.add("MatMul", graph.constant(matrix), x)


def _interpolate_columns(graph: Graph, x: str, matrix: np.ndarray) -> str:
    """Adds a product with f32[n, S]: f32[N, C, H, S] -> f32[N, C, H, n]."""
    return graph.add("MatMul", x, graph.constant(matrix.T))


def _add(graph: Graph, x: str, value: np.ndarray) -> str:
    return graph.add("Add", x, graph.constant(value))


def _pixel_norm(graph: Graph, x: str) -> str:
    square = graph.add("ReduceMean", graph.add("Mul", x, x), graph.constant([1]))
    return graph.add(
        "Div", x, graph.add("Sqrt", graph.add("Add", square, graph.constant(1e-6)))
    )


def _activate(graph: Graph, x: str) -> str:
    return graph.add("LeakyRelu", x, alpha=_SLOPE)


def _tanh(graph: Graph, x: str) -> str:
    return graph.add("Tanh", x)


def _reshape(graph: Graph, x: str, shape: list[int]) -> str:
    return graph.add("Reshape", x, graph.constant(shape))


def _transpose(graph: Graph, x: str, order: tuple[int, ...]) -> str:
    return graph.add("Transpose", x, perm=order)


def _halves(graph: Graph, x: str) -> list[str]:
    return graph.add_split("Split", x, axis=-1, num_outputs=2)
