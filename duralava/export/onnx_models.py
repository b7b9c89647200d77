"""A lamp as ONNX models: a whole step, its two parts, and a touch."""

import os
from collections.abc import Mapping

import numpy as np
import onnx

from duralava import files
from duralava.export import onnx_networks
from duralava.export.onnx_graph import Graph, Shape
from duralava.export.step import DESCRIPTION
from duralava.live import player
from duralava.pretrained import Pretrained


def step_model(lamp: Pretrained) -> onnx.ModelProto:
    """Returns (latent, noise) -> (frame, next_latent)."""
    graph = Graph()
    frame, _ = _generate(graph, lamp)
    results = {"frame": frame, "next_latent": _move(graph, lamp)}
    return _to_model(graph, lamp, ("latent", "noise"), results)


def generator_model(lamp: Pretrained) -> onnx.ModelProto:
    """Returns latent -> frame: between two steps, only frames are made."""
    graph = Graph()
    return _to_model(graph, lamp, ("latent",), {"frame": _generate(graph, lamp)[0]})


def transition_model(lamp: Pretrained) -> onnx.ModelProto:
    """Returns (latent, noise) -> next_latent."""
    graph = Graph()
    results = {"next_latent": _move(graph, lamp)}
    return _to_model(graph, lamp, ("latent", "noise"), results)


def push_model(lamp: Pretrained) -> onnx.ModelProto:
    """Returns (latent, place, angle) -> pushed_latent: a touch, as in `player.push`.

    `place` is f32[2], from the left edge and from the top, 0 to 1; `angle` is f32[] in
    radians.
    """
    graph = Graph()
    _, pullback = _generate(graph, lamp)
    gradient = pullback(_weights_around(graph, lamp.config.model.resolution))

    def norm(x: str) -> str:
        return graph.add("Sqrt", onnx_networks.square_sum(graph, x))

    length = norm("latent")
    upright = graph.add("Div", "latent", length)
    along = onnx_networks.row_sum(graph, graph.add("Mul", gradient, upright))
    aside = graph.add("Sub", gradient, graph.add("Mul", along, upright))
    least = graph.constant(1e-12)
    aside = graph.add("Div", aside, graph.add("Max", norm(aside), least))
    turned = graph.add(
        "Add",
        graph.add("Mul", graph.add("Cos", "angle"), upright),
        graph.add("Mul", graph.add("Sin", "angle"), aside),
    )
    results = {"pushed_latent": graph.add("Mul", length, turned)}
    return _to_model(graph, lamp, ("latent", "place", "angle"), results)


def write_onnx(path: str | os.PathLike[str], model: onnx.ModelProto) -> None:
    """Writes a model to one file."""
    with files.written_whole(path) as partial:
        partial.write_bytes(model.SerializeToString())


def _generate(graph: Graph, lamp: Pretrained) -> tuple[str, onnx_networks.Pullback]:
    return onnx_networks.generate(
        graph, lamp.params["generator"], "latent", config=lamp.config.model
    )


def _move(graph: Graph, lamp: Pretrained) -> str:
    return onnx_networks.transition(
        graph,
        lamp.params["transition"],
        "latent",
        "noise",
        config=lamp.config.model,
    )


def _weights_around(graph: Graph, resolution: int) -> str:
    """Adds the weights f32[H, W, 1] of the pixels that a touch at `place` pulls at."""
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
    graph: Graph, lamp: Pretrained, inputs: tuple[str, ...], results: Mapping[str, str]
) -> onnx.ModelProto:
    model = lamp.config.model
    latent = ("n", model.latent_size)
    shapes: dict[str, Shape] = {
        "latent": latent,
        "noise": latent,
        "place": (2,),
        "angle": (),
        "frame": ("n", model.resolution, model.resolution, 3),
        "next_latent": latent,
        "pushed_latent": latent,
    }
    return graph.to_model(
        "duralava",
        {name: shapes[name] for name in inputs},
        {name: (value, shapes[name]) for name, value in results.items()},
        description=DESCRIPTION,
        metadata={"steps_per_second": f"{lamp.config.data.steps_per_second:g}"},
    )
