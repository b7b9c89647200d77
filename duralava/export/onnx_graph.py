"""Writes ONNX graphs node by node."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Runtimes of 2023 support these versions, and they have all operators used here.
_OPSET = 18
_IR_VERSION = 9

Shape = Sequence[int | str]  # a string names a size that is not fixed


class Graph:
    """A graph that nodes and constants are added to.

    Values are referred to by name: `constant` and `add` return the name of the value
    that they add.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: Any) -> str:
        """Adds a constant: i64 for a list of integers, f32 otherwise."""
        array = np.asarray(value)
        kind = np.int64 if array.dtype == np.int64 and array.ndim else np.float32
        name = f"constant_{len(self._constants)}"
        array = np.ascontiguousarray(array, kind).reshape(array.shape)
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node with one output."""
        return self.add_split(operator, *inputs, num_results=1, **attributes)[0]

    def add_split(
        self, operator: str, *inputs: str, num_results: int = 2, **attributes: Any
    ) -> list[str]:
        """Adds a node with several outputs."""
        number = len(self._nodes)
        names = [f"{operator}_{number}_{index}" for index in range(num_results)]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def to_model(
        self,
        name: str,
        inputs: Mapping[str, Shape],
        outputs: Mapping[str, tuple[str, Shape]],
        *,
        description: str,
        metadata: Mapping[str, str],
    ) -> onnx.ModelProto:
        """Returns the graph as a model.

        Args:
          name: of the graph.
          inputs: shape of each input, by the name that the nodes use for it.
          outputs: name of a value in the graph and its shape, by the output's name.
          description: documentation for people.
          metadata: properties for programs.
        """
        for output, (value, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [output]))
        graph = helper.make_graph(
            self._nodes,
            name,
            [_value(name, shape) for name, shape in inputs.items()],
            [_value(name, shape) for name, (_, shape) in outputs.items()],
            self._constants,
        )
        model = helper.make_model(
            graph,
            producer_name="duralava",
            doc_string=description,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
        )
        helper.set_model_props(model, dict(metadata))
        return model


def _value(name: str, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
