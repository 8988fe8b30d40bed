"""Checks the graph of a grader file before ONNX Runtime is given it; needs neither onnx nor ONNX Runtime.

ONNX Runtime would run whatever a graph says: read files of the folder it is in, count without end, or ask for more
memory than there is. So a graph may hold the operators that ``onnx_ensemble`` writes and nothing else, and its numbers
must be as small as those of a real one.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nephrograde.export.onnx.sizes import LONGEST_SHAPE, OPERATORS, check_sizes
from nephrograde.export.onnx.wire import DOUBLE, FLOAT, INT64, Message, WireError, read_model, text_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

OPSET, IR_VERSION = 18, 8
"""The versions of the operators and of the file format: read by ONNX Runtime 1.14 and later."""
_BYTES = {FLOAT: 4, INT64: 8, DOUBLE: 8}
_LARGEST_ATTRIBUTE = 16
"""Kernels, strides, margins and axes are smaller."""
_MOST_GROUPS = 2048
"""Of a convolution that filters every channel by itself; more groups make it smaller."""
_LARGEST_CONSTANT = 2**24
"""Of the product of a vector of whole numbers, such as a shape: the voxels of the largest picture."""
_MOST_NODES = 250
"""Of one network; a ResNet-18 with fusion and pooling has about half as many."""


@dataclass(frozen=True, slots=True)
class Graph:
    """What was found in a graph that this project can have written.

    Attributes:
        content: The message of the graph.
        inputs: Type and shape by name; −1 is any length.
        outputs: Type and shape by name.
    """

    content: Message = field(repr=False)
    inputs: dict[str, tuple[int, list[int]]]
    outputs: dict[str, tuple[int, list[int]]]

    def folds(self) -> int:
        """How many networks the graph holds: the length of ``p_high_of_folds``."""
        return self.outputs["p_high_of_folds"][1][0]


def read_graph(content: memoryview) -> Graph:
    """Read a graph, and refuse one that this project cannot have written, whatever its inputs are.

    Args:
        content: The bytes of the ONNX file.

    Raises:
        WireError: The bytes are damaged, or the graph holds something else.
    """
    model = read_model(content)
    opsets = [(text_of(one, "domain"), one.get("version")) for one in model.get("opset_import", [])]
    if model.get("ir_version") != [IR_VERSION] or opsets != [("", [OPSET])] or "graph" not in model:
        raise WireError("another version of ONNX")
    graph: Message = model["graph"][0]
    inputs = {text_of(one, "name"): _tensor_type(one) for one in graph.get("input", [])}
    if len(graph.get("input", [])) != len(inputs):
        raise WireError("other inputs")
    given = {text_of(one, "name"): _tensor_type(one) for one in graph.get("output", [])}
    if len(graph.get("output", [])) != len(given) or given.get("p_high") != (DOUBLE, [1]):
        raise WireError("other outputs")
    if len(given.get("p_high_of_folds", (DOUBLE, []))[1]) != 1:
        raise WireError("other outputs")
    found = Graph(graph, inputs, given)
    nodes = graph.get("node", [])
    if len(nodes) > _MOST_NODES * max(found.folds(), 1):
        raise WireError("too many nodes")
    for node in nodes:
        _check_node(node)
    shapes = _shapes(nodes)
    for tensor in graph.get("initializer", []):
        _check_tensor(tensor, is_shape=text_of(tensor, "name") in shapes)
    return found


def compare_graph(
    found: Graph, inputs: dict[str, tuple[int, list[int]]], outputs: Sequence[str], *, folds: int, images: int = 0
) -> None:
    """Refuse a graph with other inputs or outputs than the other members say, or with larger values than it needs.

    Args:
        found: The graph.
        inputs: Type and shape by name, as they must be; −1 is any length.
        outputs: Their names, in any order.
        folds: How many networks it must hold.
        images: How many images a frozen encoder is shown of a picture.

    Raises:
        WireError: They differ.
    """
    if found.inputs != inputs:
        raise WireError("other inputs")
    if sorted(found.outputs) != sorted(outputs) or found.folds() != folds:
        raise WireError("other outputs")
    check_sizes(found.content, inputs, folds=folds, images=images)


def _shapes(nodes: Sequence[Message]) -> set[str]:
    """The values that may become a length: all that are used for more than the positions that Gather takes."""
    used: set[str] = set()
    for node in nodes:
        names = texts_of(node, "input")
        used.update(names[:1] if text_of(node, "op_type") == "Gather" else names)
    return used


def _check_node(node: Message) -> None:
    operator = text_of(node, "op_type")
    if operator not in OPERATORS or text_of(node, "domain"):
        raise WireError(f"the ONNX operator {operator}")
    for attribute in node.get("attribute", []):
        numbers = [*attribute.get("i", []), *attribute.get("ints", [])]
        is_group = operator == "Conv" and text_of(attribute, "name") == "group"
        if any(abs(one) > (_MOST_GROUPS if is_group else _LARGEST_ATTRIBUTE) for one in numbers):
            raise WireError(f"a large number in the ONNX operator {operator}")


def _check_tensor(tensor: Message, *, is_shape: bool) -> None:
    kind, dims = tensor.get("data_type", [0])[0], tensor.get("dims", [])
    raw = tensor.get("raw_data", [b""])[0]
    is_whole = (
        kind in _BYTES
        and all(one >= 0 for one in dims)
        and len(dims) <= LONGEST_SHAPE
        and math.prod(dims) * _BYTES[kind] == len(raw)
    )
    if not is_whole:
        raise WireError("a constant that is not whole")
    if kind != INT64 or not is_shape:
        return
    if len(raw) > 8 * LONGEST_SHAPE:
        raise WireError("a large number in a constant")
    numbers = struct.unpack(f"<{len(raw) // 8}q", raw)
    if math.prod(max(abs(one), 1) for one in numbers) > _LARGEST_CONSTANT:
        raise WireError("a large number in a constant")


def _tensor_type(value: Message) -> tuple[int, list[int]]:
    """Type and shape of an input or output; −1 is a length with a name."""
    try:
        tensor = value["type"][0]["tensor_type"][0]
        dims = tensor["shape"][0].get("dim", [])
        return tensor["elem_type"][0], [one["dim_value"][0] if "dim_value" in one else -1 for one in dims]
    except KeyError:
        raise WireError("a value without a type") from None
