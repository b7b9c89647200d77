"""ONNX models of a lamp: the step, its parts, and the push of a touch.

Frames have a height and width of `size` pixels, by default those of the training
frames.
"""

import os
from collections.abc import Mapping

import numpy as np
import onnx

from duralava import files, models
from duralava.export import onnx_networks
from duralava.export.onnx_graph import Graph, Shape
from duralava.export.step import DESCRIPTION
from duralava.lamp import Lamp
from duralava.live import player


def step_model(lamp: Lamp, *, size: int | None = None) -> onnx.ModelProto:
    """Returns (latent, noise) -> (frame, next_latent)."""
    graph = Graph()
    frame, _ = _add_generator(graph, lamp, size)
    results = {"frame": frame, "next_latent": _add_transition(graph, lamp)}
    return _to_model(graph, lamp, ("latent", "noise"), results, size)


def generator_model(lamp: Lamp, *, size: int | None = None) -> onnx.ModelProto:
    """Returns latent -> frame, for frames between two steps."""
    graph = Graph()
    results = {"frame": _add_generator(graph, lamp, size)[0]}
    return _to_model(graph, lamp, ("latent",), results, size)


def features_model(lamp: Lamp) -> onnx.ModelProto:
    """Returns latent -> features, for a lamp of the generator `field`."""
    graph = Graph()
    features = onnx_networks.features(
        graph, lamp.params["generator"], "latent", config=lamp.config
    )
    return _to_model(graph, lamp, ("latent",), {"features": features})


def head_model(lamp: Lamp, *, size: int | None = None) -> onnx.ModelProto:
    """Returns features -> frame, for a lamp of the generator `field`."""
    graph = Graph()
    frame = onnx_networks.colour(
        graph,
        lamp.params["generator"],
        "features",
        size=models.check_size(size, config=lamp.config),
        config=lamp.config,
    )
    return _to_model(graph, lamp, ("features",), {"frame": frame}, size)


def transition_model(lamp: Lamp) -> onnx.ModelProto:
    """Returns (latent, noise) -> next_latent."""
    graph = Graph()
    results = {"next_latent": _add_transition(graph, lamp)}
    return _to_model(graph, lamp, ("latent", "noise"), results)


def push_model(lamp: Lamp) -> onnx.ModelProto:
    """Returns (latent, place, angle) -> pushed_latent, the push of `player.push`.

    `place` f32[2] is the touched point as fractions of the frame, from the left edge
    and from the top edge; `angle` f32[] is in radians.
    """
    graph = Graph()
    _, pullback = _add_generator(graph, lamp)
    gradient = pullback(_weights_near_place(graph, lamp.config.resolution))

    def norm(x: str) -> str:
        return graph.add("Sqrt", onnx_networks.square_sum(graph, x))

    length = norm("latent")
    direction = graph.add("Div", "latent", length)
    radial = onnx_networks.row_sum(graph, graph.add("Mul", gradient, direction))
    tangent = graph.add("Sub", gradient, graph.add("Mul", radial, direction))
    smallest = graph.constant(1e-12)
    tangent = graph.add("Div", tangent, graph.add("Max", norm(tangent), smallest))
    rotated = graph.add(
        "Add",
        graph.add("Mul", graph.add("Cos", "angle"), direction),
        graph.add("Mul", graph.add("Sin", "angle"), tangent),
    )
    results = {"pushed_latent": graph.add("Mul", length, rotated)}
    return _to_model(graph, lamp, ("latent", "place", "angle"), results)


def write_onnx(path: str | os.PathLike[str], model: onnx.ModelProto) -> None:
    """Writes a model to one file."""
    with files.written_whole(path) as partial:
        partial.write_bytes(model.SerializeToString())


def _add_generator(
    graph: Graph, lamp: Lamp, size: int | None = None
) -> tuple[str, onnx_networks.Pullback]:
    return onnx_networks.generate(
        graph,
        lamp.params["generator"],
        "latent",
        size=models.check_size(size, config=lamp.config),
        config=lamp.config,
    )


def _add_transition(graph: Graph, lamp: Lamp) -> str:
    return onnx_networks.transition(
        graph, lamp.params["transition"], "latent", "noise", config=lamp.config
    )


def _weights_near_place(graph: Graph, resolution: int) -> str:
    """Adds the weights f32[H, W, 1] of the pixels that a touch at `place` brightens."""
    pixels = (np.arange(resolution) + 0.5) / resolution
    x, y = graph.add_split("Split", "place", axis=0, num_outputs=2)

    def square_distance(pixels: np.ndarray, coordinate: str) -> str:
        distance = graph.add("Sub", graph.constant(pixels), coordinate)
        return graph.add("Mul", distance, distance)

    square = graph.add(
        "Add",
        square_distance(pixels[:, None, None], y),
        square_distance(pixels[:, None], x),
    )
    scale = graph.constant(-1 / (2 * player.PUSH_RADIUS**2))
    return graph.add("Exp", graph.add("Mul", scale, square))


def _to_model(
    graph: Graph,
    lamp: Lamp,
    inputs: tuple[str, ...],
    results: Mapping[str, str],
    size: int | None = None,
) -> onnx.ModelProto:
    size = models.check_size(size, config=lamp.config)
    latent = ("n", lamp.config.latent_size)
    cells, channels = lamp.config.feature_size, lamp.config.feature_channels
    shapes: dict[str, Shape] = {
        "latent": latent,
        "noise": latent,
        "place": (2,),
        "angle": (),
        "features": ("n", cells, cells, channels),
        "frame": ("n", size, size, 3),
        "next_latent": latent,
        "pushed_latent": latent,
    }
    return graph.to_model(
        "duralava",
        {name: shapes[name] for name in inputs},
        {name: (value, shapes[name]) for name, value in results.items()},
        description=DESCRIPTION,
        metadata={"steps_per_second": f"{lamp.steps_per_second:g}"},
    )
