"""ONNX graphs, written node by node."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Old enough for runtimes of 2023, new enough for all that is used here.
_OPSET = 18
_IR_VERSION = 9

Shape = Sequence[int | str]  # a text names a size that is free


class Graph:
    """A graph in the making.

    Values go by their names: `constant` and `add` return that of what they added.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: Any) -> str:
        """Adds a constant: a list of integers as i64, all else as f32."""
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
          inputs: shapes by the names that the nodes know.
          outputs: by the names they are to have, a value of the graph and its shape.
          description: for those who open the model.
          metadata: the same for programs.
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
