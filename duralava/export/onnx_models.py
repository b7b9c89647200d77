"""ONNX models of a lamp: the step, and its parts.

Frames have a height and width of `size` pixels, by default those of the training
frames.
"""

import os
from collections.abc import Mapping

import onnx

from duralava import files
from duralava.export import onnx_networks
from duralava.export.onnx_graph import Graph, Shape
from duralava.export.step import DESCRIPTION
from duralava.lamp import Lamp


def step_model(lamp: Lamp, *, size: int | None = None) -> onnx.ModelProto:
    """Returns (latent, noise) -> (frame, next_latent)."""
    graph = Graph()
    frame = _add_generator(graph, lamp, size)
    results = {"frame": frame, "next_latent": _add_transition(graph, lamp)}
    return _to_model(graph, lamp, ("latent", "noise"), results, size)


def write_onnx(path: str | os.PathLike[str], model: onnx.ModelProto) -> None:
    """Writes a model to one file."""
    with files.written_whole(path) as partial:
        partial.write_bytes(model.SerializeToString())


def _add_generator(graph: Graph, lamp: Lamp, size: int | None = None) -> str:
    return onnx_networks.generate(
        graph,
        lamp.params["generator"],
        "latent",
        size=lamp.config.picture_size(size),
        config=lamp.config,
    )


def _add_transition(graph: Graph, lamp: Lamp) -> str:
    return onnx_networks.transition(
        graph, lamp.params["transition"], "latent", "noise", config=lamp.config
    )


def _to_model(
    graph: Graph,
    lamp: Lamp,
    inputs: tuple[str, ...],
    results: Mapping[str, str],
    size: int | None = None,
) -> onnx.ModelProto:
    size = lamp.config.picture_size(size)
    latent = ("n", lamp.config.latent_size)
    cells, channels = lamp.config.feature_size, lamp.config.feature_channels
    shapes: dict[str, Shape] = {
        "latent": latent,
        "noise": latent,
        "features": ("n", cells, cells, channels),
        "frame": ("n", size, size, 3),
        "next_latent": latent,
    }
    return graph.to_model(
        "duralava",
        {name: shapes[name] for name in inputs},
        {name: (value, shapes[name]) for name, value in results.items()},
        description=DESCRIPTION,
        metadata={"steps_per_second": f"{lamp.steps_per_second:g}"},
    )
