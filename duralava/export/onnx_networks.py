"""The networks of a lamp as nodes of an ONNX graph.

These are the networks of `duralava.models`, for runtimes without JAX. A layer of the
generator returns its output and its pullback: a function that adds the nodes of the
vector-Jacobian product, as `jax.vjp` does. The push of a touch needs this gradient.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from duralava.config import SMALLEST, ModelConfig
from duralava.export.onnx_graph import Graph
from duralava.models.transition import rotation_bases

Pullback = Callable[[str], str]
"""Gradient of a layer's output -> gradient of its input."""

Writer = Callable[[Graph, Any, str, ModelConfig], str]
"""(Graph, parameters, latents f32[N, Z], config) -> moved latents f32[N, Z]."""

_SLOPE = 0.2  # of layers.activate for negative inputs


def generate(
    graph: Graph, params: Any, latents: str, *, config: ModelConfig
) -> tuple[str, Pullback]:
    """Adds `models.generate`: f32[N, Z] -> f32[N, H, W, 3], and its pullback."""
    pullbacks: list[Pullback] = []

    def apply(layer: Callable[..., tuple[str, Pullback]], x: str, *args: Any) -> str:
        x, pullback = layer(graph, x, *args)
        pullbacks.append(pullback)
        return x

    def normalise(x: str) -> str:
        return apply(_pixel_norm, x) if config.pixel_norm else x

    size, channels = SMALLEST, config.generator_channels
    dense = [params[name] for name in ("Dense_0", "Dense_1") if name in params]
    x = latents
    for layer in dense[:-1]:
        x = apply(_activate, apply(_dense, x, layer))
    x = apply(_dense, x, dense[-1])
    x = apply(_reshape, x, [-1, size, size, channels[0]], [-1, size**2 * channels[0]])
    x = apply(_transpose, x, (0, 3, 1, 2))  # ONNX has channels before rows
    x = apply(_activate, normalise(x))
    for index in range(len(channels) - 1):
        x = apply(_upsample, x, params[f"Upsample_{index}"])
        x = apply(_activate, normalise(x))
    x = apply(_upsample, x, params[f"Upsample_{len(channels) - 1}"])
    x = apply(_transpose, x, (0, 2, 3, 1))
    if config.generator_background:
        x = graph.add("Add", x, graph.constant(params["background"]))
    frames = apply(_tanh, x)

    def pullback(gradient: str) -> str:
        for back in reversed(pullbacks):
            gradient = back(gradient)
        return gradient

    return frames, pullback


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


def _residual_mlp(graph: Graph, params: Any, latents: str, _: ModelConfig) -> str:
    """Adds `duralava.models.transition.residual_mlp`."""
    return graph.add("Add", latents, _perceptron(graph, params, latents))


def _rotation(graph: Graph, params: Any, latents: str, _: ModelConfig) -> str:
    """Adds `duralava.models.transition.rotation`, with the same order of operations."""
    z = latents
    for layer, basis in enumerate(np.asarray(rotation_bases(params))):
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
        x = graph.add("LeakyRelu", _dense(graph, x, layer)[0], alpha=_SLOPE)
    return _dense(graph, x, last)[0]


def _dense(graph: Graph, x: str, params: Any) -> tuple[str, Pullback]:
    kernel = graph.constant(params["kernel"])
    y = graph.add("Gemm", x, kernel, graph.constant(params["bias"]))
    return y, lambda gradient: graph.add("Gemm", gradient, kernel, transB=1)


def _upsample(graph: Graph, x: str, params: Any) -> tuple[str, Pullback]:
    """Adds `convolution.upsample`; its pullback is `convolution.downsample`."""
    kernel = np.transpose(params["kernel"], (2, 3, 0, 1))
    stride = kernel.shape[-1] // 2
    weights = graph.constant(kernel)
    shape = {"strides": (stride, stride), "pads": 4 * (stride // 2,)}
    bias = graph.constant(params["bias"])
    y = graph.add("ConvTranspose", x, weights, bias, **shape)
    return y, lambda gradient: graph.add("Conv", gradient, weights, **shape)


def _pixel_norm(graph: Graph, x: str) -> tuple[str, Pullback]:
    axes = graph.constant([1])

    def mean(x: str) -> str:
        return graph.add("ReduceMean", x, axes)

    square = mean(graph.add("Mul", x, x))
    root = graph.add("Sqrt", graph.add("Add", square, graph.constant(1e-6)))
    y = graph.add("Div", x, root)

    def pullback(gradient: str) -> str:
        # y has unit mean square, so the component of the gradient along y vanishes.
        along = graph.add("Mul", y, mean(graph.add("Mul", gradient, y)))
        return graph.add("Div", graph.add("Sub", gradient, along), root)

    return y, pullback


def _activate(graph: Graph, x: str) -> tuple[str, Pullback]:
    y = graph.add("LeakyRelu", x, alpha=_SLOPE)

    def pullback(gradient: str) -> str:
        positive = graph.add("GreaterOrEqual", x, graph.constant(0.0))
        slope = graph.add(
            "Where", positive, graph.constant(1.0), graph.constant(_SLOPE)
        )
        return graph.add("Mul", gradient, slope)

    return y, pullback


def _tanh(graph: Graph, x: str) -> tuple[str, Pullback]:
    y = graph.add("Tanh", x)

    def pullback(gradient: str) -> str:
        square = graph.add("Mul", y, y)
        slope = graph.add("Sub", graph.constant(1.0), square)
        return graph.add("Mul", gradient, slope)

    return y, pullback


def _reshape(
    graph: Graph, x: str, shape: list[int], input_shape: list[int]
) -> tuple[str, Pullback]:
    y = graph.add("Reshape", x, graph.constant(shape))
    return y, lambda gradient: graph.add(
        "Reshape", gradient, graph.constant(input_shape)
    )


def _transpose(graph: Graph, x: str, order: tuple[int, ...]) -> tuple[str, Pullback]:
    back = tuple(int(axis) for axis in np.argsort(order))
    y = graph.add("Transpose", x, perm=order)
    return y, lambda gradient: graph.add("Transpose", gradient, perm=back)


def _halves(graph: Graph, x: str) -> list[str]:
    return graph.add_split("Split", x, axis=-1, num_outputs=2)
