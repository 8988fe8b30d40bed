"""The nodes and constants of an ONNX graph as they are added, in the order in which they are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from nephrograde.export.onnx.check import IR_VERSION, OPSET

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


class Nodes:
    """A graph under construction; values are named after what computed them, so that equal networks are equal bytes.

    >>> nodes = Nodes()
    >>> nodes.add("Relu", "pictures")
    'Relu-0'
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and return the name of its value.

        Args:
            operator: Of ONNX.
            inputs: The names of its inputs.
            attributes: Those of the operator.
        """
        name = f"{operator}-{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, array: npt.NDArray[Any]) -> str:
        """Add a constant, and return its name.

        Args:
            name: What it is, unique in the graph.
            array: Its values.
        """
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def numbers(self, numbers: Sequence[float] | float) -> str:
        """Add double-precision numbers, and return their name.

        Args:
            numbers: One number, or a vector of them.
        """
        return self.constant(f"numbers-{len(self._constants)}", np.array(numbers, np.float64))

    def integers(self, *integers: int) -> str:
        """Add a vector of integers, such as axes, and return its name.

        Args:
            integers: The numbers.
        """
        return self.constant(f"integers-{len(self._constants)}", np.array(integers, np.int64))

    def as_double(self, value: str) -> str:
        """Add a conversion to double precision.

        Args:
            value: What is converted.
        """
        return self.add("Cast", value, to=onnx.TensorProto.DOUBLE)

    def output(self, value: str, name: str) -> None:
        """Give a value a name of its own, as an output of the graph.

        Args:
            value: The name so far.
            name: The further name.
        """
        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))

    def model(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto], *, about: str
    ) -> bytes:
        """Check the graph, and return the bytes of the ONNX file.

        Args:
            name: Of the graph.
            inputs: Name, type and shape of each input.
            outputs: Likewise, by the names of values in the graph.
            about: What it is, for people.
        """
        graph = helper.make_graph(self._nodes, name, inputs, outputs, self._constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="nephrograde"
        )
        model.doc_string = about
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))
