"""How large the values of a graph become, before ONNX Runtime is given it: a few small nodes can ask for any memory.

A chain of ten ``Concat`` of a value with itself makes it a thousand times as large. So the shape of every value is
computed as ONNX Runtime would, for as many pictures as a patient can have, and all of them together may be no larger
than twice what a ResNet-18 on pictures of this size makes.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from nephrograde.export.onnx.wire import INT64, Message, WireError, text_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Dims: TypeAlias = tuple[int, ...]

_ROWS = 1024
"""Pictures of a patient for which shapes are computed: those of two phases with 512 slices each."""
_PER_VOXEL, _PER_CHANNEL, _PER_PICTURE = 256, 8, 2**18
"""Numbers that one network may make of a picture: by voxel, by voxel and channel, and whatever its size.

A ResNet-18 makes about 120 by voxel, and 2 by voxel and channel as it scales the picture.
"""
_OF_IMAGE = 512 * 224 * 224
"""Numbers that a frozen encoder may make of an image, which is resized for it."""
_FURTHER = 2**20
"""Numbers besides those of pictures."""
LONGEST_SHAPE = 16
"""Whole numbers of a vector whose values are followed, because they may become a shape or margins along each axis."""


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of the graph: its shape, and the numbers in it where they are known and may become a shape."""

    dims: Dims
    numbers: tuple[int, ...] | None = None

    def known(self) -> tuple[int, ...]:
        if self.numbers is None:
            raise WireError("a shape that cannot be computed")
        return self.numbers


@dataclass(frozen=True, slots=True)
class _Node:
    """A node with its inputs and attributes; those of one number have a list of one."""

    operator: str
    inputs: Sequence[_Value]
    attributes: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def number(self, name: str, default: int) -> int:
        return self.attributes.get(name, [default])[0]

    def axis(self, default: int) -> int:
        return _axis(self.number("axis", default), self.inputs[0].dims)


def check_sizes(graph: Message, inputs: Mapping[str, tuple[int, list[int]]], *, folds: int, images: int = 0) -> None:
    """Refuse a graph whose values would be larger than those of the networks that it should hold.

    Args:
        graph: The message of the graph, with known operators only.
        inputs: Type and shape by name; −1 is any length.
        folds: How many networks it should hold.
        images: How many images a frozen encoder is shown of a picture.

    Raises:
        WireError: They would, or a shape cannot be computed.
    """
    values = {name: _Value(tuple(_ROWS if one < 0 else one for one in dims)) for name, (_, dims) in inputs.items()}
    _, channels, *edges = (*values.get("pictures", _Value(())).dims, 1, 1)[: max(len(inputs["pictures"][1]), 2)]
    voxels = math.prod(edges)
    of_picture = _PER_VOXEL * voxels + _PER_CHANNEL * channels * voxels + _PER_PICTURE
    budget = _ROWS * (max(folds, 1) * of_picture + images * _OF_IMAGE) + _FURTHER
    for tensor in graph.get("initializer", []):
        values[text_of(tensor, "name")] = _constant(tensor)
    made = 0
    for message in graph.get("node", []):
        found = _computed(message, values)
        made += math.prod(found.dims)
        if made > budget:
            raise WireError("values that are too large")
        outputs = texts_of(message, "output")
        if len(outputs) != 1:
            raise WireError("a node with another number of outputs")
        values[outputs[0]] = found


def _computed(message: Message, values: Mapping[str, _Value]) -> _Value:
    operator = text_of(message, "op_type")
    try:
        given = [values[name] for name in texts_of(message, "input")]
        attributes = {
            text_of(one, "name"): [*one.get("i", []), *one.get("ints", [])] for one in message.get("attribute", [])
        }
        shape, names = _SHAPES[operator]
        if not attributes.keys() <= names:
            raise WireError(f"another attribute of the ONNX operator {operator}")
        found = shape(_Node(operator, given, attributes))
    except (KeyError, IndexError, ValueError) as error:
        if isinstance(error, WireError):
            raise
        raise WireError(f"inputs that do not fit the ONNX operator {operator}") from None
    if any(one < 0 for one in found.dims):
        raise WireError(f"inputs that do not fit the ONNX operator {operator}")
    return found


def _constant(tensor: Message) -> _Value:
    dims, raw = tuple(tensor.get("dims", [])), tensor.get("raw_data", [b""])[0]
    is_known = tensor.get("data_type") == [INT64] and len(raw) <= 8 * LONGEST_SHAPE
    return _Value(dims, struct.unpack(f"<{len(raw) // 8}q", raw) if is_known else None)


def _same(node: _Node) -> _Value:
    return node.inputs[0]


def _broadcast(node: _Node) -> _Value:
    return _Value(_together([one.dims for one in node.inputs]))


def _concat(node: _Node) -> _Value:
    axis, first = node.axis(0), node.inputs[0].dims
    dims = tuple(sum(one.dims[k] for one in node.inputs) if k == axis else first[k] for k in range(len(first)))
    if len(first) != 1 or any(one.numbers is None for one in node.inputs) or dims[0] > LONGEST_SHAPE:
        return _Value(dims)
    return _Value(dims, tuple(number for one in node.inputs for number in one.known()))


def _conv(node: _Node) -> _Value:
    pictures, kernel = node.inputs[0].dims, node.inputs[1].dims
    return _Value((pictures[0], kernel[0], *_slid(pictures[2:], kernel[2:], node)))


def _pool(node: _Node) -> _Value:
    pictures = node.inputs[0].dims
    return _Value((*pictures[:2], *_slid(pictures[2:], node.attributes["kernel_shape"], node)))


def _slid(lengths: Dims, kernel: Sequence[int], node: _Node) -> Dims:
    """The lengths that are left after a kernel was moved along each axis."""
    axes = len(lengths)
    pads, strides = node.attributes.get("pads", [0] * 2 * axes), node.attributes.get("strides", [1] * axes)
    if not len(pads) == 2 * len(strides) == 2 * len(kernel) == 2 * axes or min(strides) < 1:
        raise WireError(f"inputs that do not fit the ONNX operator {node.operator}")
    return tuple((lengths[k] + pads[k] + pads[k + axes] - kernel[k]) // strides[k] + 1 for k in range(axes))


def _expand(node: _Node) -> _Value:
    return _Value(_together([node.inputs[0].dims, node.inputs[1].known()]))


def _flatten(node: _Node) -> _Value:
    dims, axis = node.inputs[0].dims, node.axis(1)
    return _Value((math.prod(dims[:axis]), math.prod(dims[axis:])))


def _gather(node: _Node) -> _Value:
    data, places = node.inputs
    axis = node.axis(0)
    dims = (*data.dims[:axis], *places.dims, *data.dims[axis + 1 :])
    if data.numbers is None or places.numbers is None or len(data.dims) != 1:
        return _Value(dims)
    return _Value(dims, tuple(data.numbers[k] for k in places.numbers))


def _gemm(node: _Node) -> _Value:
    (rows, _), (out, into) = node.inputs[0].dims, node.inputs[1].dims
    return _Value((rows, out if node.number("transB", 0) else into))


def _average(node: _Node) -> _Value:
    dims = node.inputs[0].dims
    return _Value((*dims[:2], *[1] * (len(dims) - 2)))


def _matmul(node: _Node) -> _Value:
    (*first, rows, _), (*second, _, columns) = node.inputs[0].dims, node.inputs[1].dims
    return _Value((*_together([tuple(first), tuple(second)]), rows, columns))


def _pad(node: _Node) -> _Value:
    data, pads = node.inputs
    axes, margins = len(data.dims), pads.known()
    return _Value(tuple(data.dims[k] + margins[k] + margins[k + axes] for k in range(axes)))


def _range(node: _Node) -> _Value:
    (start,), (stop,), (step,) = (one.known() for one in node.inputs)
    return _Value((len(range(start, stop, step)),))


def _reduce(node: _Node) -> _Value:
    dims = node.inputs[0].dims
    axes = {_axis(one, dims) for one in node.inputs[1].known()}
    if node.number("keepdims", 1) != 1:
        raise WireError(f"inputs that do not fit the ONNX operator {node.operator}")
    return _Value(tuple(1 if k in axes else length for k, length in enumerate(dims)))


def _reshape(node: _Node) -> _Value:
    whole, wanted = math.prod(node.inputs[0].dims), node.inputs[1].known()
    known = math.prod(one for one in wanted if one != -1)
    return _Value(tuple(whole // known if one == -1 else one for one in wanted) if known else (-1,))


def _shape(node: _Node) -> _Value:
    dims = node.inputs[0].dims
    numbers = dims[node.number("start", 0) : node.number("end", len(dims))]
    return _Value((len(numbers),), numbers)


def _slice(node: _Node) -> _Value:
    data, *given = node.inputs
    starts, stops, axes, *steps = (one.known() for one in given)
    dims = list(data.dims)
    for k, axis in enumerate(axes):
        part = slice(starts[k], stops[k], steps[0][k] if steps else 1)
        dims[axis] = len(range(*part.indices(dims[axis])))
    return _Value(tuple(dims))


def _squeeze(node: _Node) -> _Value:
    data, axes = node.inputs
    left_out = {_axis(one, data.dims) for one in axes.known()}
    return _Value(tuple(length for k, length in enumerate(data.dims) if k not in left_out), data.numbers)


def _unsqueeze(node: _Node) -> _Value:
    data, axes = node.inputs
    dims = list(data.dims)
    for axis in sorted(axes.known()):
        dims.insert(axis, 1)
    return _Value(tuple(dims), data.numbers)


def _transpose(node: _Node) -> _Value:
    dims, order = node.inputs[0].dims, node.attributes["perm"]
    if sorted(order) != list(range(len(dims))):
        raise IndexError
    return _Value(tuple(dims[k] for k in order))


def _axis(axis: int, dims: Dims) -> int:
    if not -len(dims) <= axis <= len(dims):
        raise IndexError
    return axis + len(dims) if axis < 0 else axis


def _together(shapes: Sequence[Dims]) -> Dims:
    """The shape of values that are repeated along each axis until they fit."""
    most = max(map(len, shapes))
    whole = [(1,) * (most - len(one)) + tuple(one) for one in shapes]
    return tuple(max(lengths) if min(lengths) else 0 for lengths in zip(*whole, strict=True))


_Shape: TypeAlias = "tuple[Callable[[_Node], _Value], set[str]]"
_SHAPES: dict[str, _Shape] = {
    **{
        name: (_same, set())
        for name in ("Abs", "CumSum", "Exp", "Identity", "Log", "Neg", "Not", "Relu", "Sigmoid", "Tanh")
    },
    **{
        name: (_broadcast, set())
        for name in ("Add", "And", "Div", "Greater", "Less", "Max", "Min", "Mul", "Sub", "Where")
    },
    **{name: (_reduce, {"keepdims"}) for name in ("ReduceMax", "ReduceMean", "ReduceSum")},
    "Cast": (_same, {"to"}),
    "Softmax": (_same, {"axis"}),
    "Concat": (_concat, {"axis"}),
    "Conv": (_conv, {"kernel_shape", "strides", "pads", "group"}),
    "MaxPool": (_pool, {"kernel_shape", "strides", "pads"}),
    "Expand": (_expand, set()),
    "Flatten": (_flatten, {"axis"}),
    "Gather": (_gather, {"axis"}),
    "Gemm": (_gemm, {"transB"}),
    "GlobalAveragePool": (_average, set()),
    "MatMul": (_matmul, set()),
    "Pad": (_pad, set()),
    "Range": (_range, set()),
    "Reshape": (_reshape, set()),
    "Shape": (_shape, {"start", "end"}),
    "Slice": (_slice, set()),
    "Squeeze": (_squeeze, set()),
    "Transpose": (_transpose, {"perm"}),
    "Unsqueeze": (_unsqueeze, set()),
}
"""How the shape of each operator's value is computed, and the attributes that it may have."""
OPERATORS = frozenset(_SHAPES)
"""Those that ``onnx_ensemble`` and its parts write, all of the standard domain."""
