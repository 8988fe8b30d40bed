"""The weights of a graph apart from it, so that ONNX Runtime uses them where they lie instead of copying them twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.export.onnx.metadata import as_field, as_varint
from nephrograde.export.onnx.wire import FLOAT, fields_of, read_tensor, text_of

if TYPE_CHECKING:
    import numpy.typing as npt

_GRAPH, _INITIALIZER, _RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 7, 5, 9, 13, 14
"""The numbers of fields in ``onnx.proto``: of a model, of a graph, and of a tensor."""
_KEY, _VALUE = 1, 2
_EXTERNAL = 1
_LEAST_BYTES = 4096
"""What is smaller may be a shape, which ONNX Runtime reads while it prepares a graph."""


def detached(graph: memoryview) -> tuple[bytes, dict[str, npt.NDArray[np.float32]]]:
    """Take the weights out of a graph that was checked by ``onnx_check``.

    Args:
        graph: The bytes of an ONNX file.

    Returns:
        The file without them, in which each is said to lie elsewhere; and the weights by name, which refer to the bytes
        of the graph where they are aligned there, and are copied otherwise.

    Source: ``TensorProto.data_location`` in ``onnx.proto``.
    """
    weights: dict[str, npt.NDArray[np.float32]] = {}
    parts = []
    for number, value in fields_of(graph):
        if number == _GRAPH and isinstance(value, memoryview):
            parts.append(as_field(_GRAPH, _without_weights(value, weights)))
        else:
            parts.append(_unchanged(number, value))
    return b"".join(parts), weights


def _without_weights(graph: memoryview, weights: dict[str, npt.NDArray[np.float32]]) -> bytes:
    parts = []
    for number, value in fields_of(graph):
        if number == _INITIALIZER and isinstance(value, memoryview) and len(value) >= _LEAST_BYTES:
            parts.append(as_field(_INITIALIZER, _without_values(value, weights)))
        else:
            parts.append(_unchanged(number, value))
    return b"".join(parts)


def _without_values(content: memoryview, weights: dict[str, npt.NDArray[np.float32]]) -> bytes | memoryview:
    tensor = read_tensor(content)
    raw = tensor.get("raw_data", [b""])[0]
    if tensor["data_type"] != [FLOAT] or len(raw) < _LEAST_BYTES:
        return content
    values = np.require(np.frombuffer(raw, np.dtype("<f4")), np.float32, "A")
    weights[text_of(tensor, "name")] = values.reshape(tensor.get("dims", []))
    return _elsewhere(content, len(raw))


def _elsewhere(tensor: memoryview, n_bytes: int) -> bytes:
    """A tensor whose values lie elsewhere; the name of the place is of no matter, as they are handed over."""
    kept = [_unchanged(number, value) for number, value in fields_of(tensor) if number != _RAW_DATA]
    entries = {"location": "weights", "offset": "0", "length": str(n_bytes)}
    for name, text in entries.items():
        entry = as_field(_KEY, name.encode()) + as_field(_VALUE, text.encode())
        kept.append(as_field(_EXTERNAL_DATA, entry))
    return b"".join([*kept, _unchanged(_DATA_LOCATION, _EXTERNAL)])


def _unchanged(number: int, value: Any) -> bytes:
    if isinstance(value, memoryview):
        return as_field(number, value)
    return as_varint(number << 3) + as_varint(value % (1 << 64))
