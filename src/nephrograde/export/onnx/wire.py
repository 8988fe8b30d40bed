"""Reads an ONNX file as far as this project writes such files, and refuses every other field; copies no weights.

The table below is the list of what may be there. No message of it holds itself, so that no file can nest deeper than
the table: functions, graphs inside of nodes, and weights that lie in other files have no place in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

FLOAT, INT64, DOUBLE = 1, 7, 11
"""Types of tensors, by their numbers in ONNX."""
Message: TypeAlias = dict[str, list[Any]]
"""The values of each field by name, in their order; those of a field that is not there are missing."""

_FIELDS: dict[str, dict[int, tuple[str, str, bool]]] = {
    "model": {
        1: ("ir_version", "number", False),
        2: ("producer_name", "bytes", False),
        6: ("doc_string", "bytes", False),
        7: ("graph", "graph", False),
        8: ("opset_import", "opset", False),
    },
    "opset": {1: ("domain", "bytes", False), 2: ("version", "number", False)},
    "graph": {
        1: ("node", "node", True),
        2: ("name", "bytes", False),
        5: ("initializer", "tensor", True),
        11: ("input", "value", True),
        12: ("output", "value", True),
    },
    "node": {
        1: ("input", "bytes", True),
        2: ("output", "bytes", True),
        3: ("name", "bytes", False),
        4: ("op_type", "bytes", False),
        5: ("attribute", "attribute", True),
        7: ("domain", "bytes", False),
    },
    "attribute": {
        1: ("name", "bytes", False),
        3: ("i", "number", False),
        8: ("ints", "numbers", True),
        20: ("type", "number", False),
    },
    "tensor": {
        1: ("dims", "numbers", True),
        2: ("data_type", "number", False),
        8: ("name", "bytes", False),
        9: ("raw_data", "bytes", False),
    },
    "value": {1: ("name", "bytes", False), 2: ("type", "type", False)},
    "type": {1: ("tensor_type", "tensor type", False)},
    "tensor type": {1: ("elem_type", "number", False), 2: ("shape", "shape", False)},
    "shape": {1: ("dim", "dim", True)},
    "dim": {1: ("dim_value", "number", False), 2: ("dim_param", "bytes", False)},
}
"""By message and number of the field: its name, what it holds, and whether it may be there more than once."""
_VARINT, _BYTES = 0, 2
"""How a value is written: as a number of variable length, or as a length with as many bytes."""
_LONGEST = 10
"""Bytes of a number of 64 bits."""


class WireError(ValueError):
    """The bytes are damaged, or hold what this project does not write."""


def read_model(content: memoryview) -> Message:
    r"""Read an ONNX file.

    Args:
        content: Its bytes, which what is returned refers to.

    Raises:
        WireError: They are cut short, damaged, or hold a field that this project does not write.

    Source:
        https://protobuf.dev/programming-guides/encoding, and ``onnx.proto`` for the numbers of the fields.

    >>> read_model(memoryview(b"\x08\x08\x42\x02\x10\x12"))
    {'ir_version': [8], 'opset_import': [{'version': [18]}]}
    """
    return _read("model", content)


def read_tensor(content: memoryview) -> Message:
    """Read a tensor of an ONNX file.

    Args:
        content: Its bytes, which what is returned refers to.

    Raises:
        WireError: As of :func:`read_model`.
    """
    return _read("tensor", content)


def fields_of(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    r"""Iterate over the fields of a message.

    Args:
        content: Its bytes.

    Yields:
        The number of each field, and its value: a number, or bytes that may be a message.

    Raises:
        WireError: They are cut short or damaged.

    >>> [(number, value) for number, value in fields_of(memoryview(b"\x08\x08"))]
    [(1, 8)]
    """
    yield from ((number, value) for number, _, value in _items(content))


def texts_of(message: Message, name: str) -> list[str]:
    """Return the texts in a field of a message.

    Args:
        message: The message.
        name: Of the field.
    """
    return [bytes(one).decode("utf-8", "replace") for one in message.get(name, [])]


def text_of(message: Message, name: str) -> str:
    """Return the text in a field of a message; empty if it is not there.

    Args:
        message: The message.
        name: Of the field.
    """
    return next(iter(texts_of(message, name)), "")


def _read(kind: str, content: memoryview) -> Message:
    fields, found = _FIELDS[kind], Message()
    for number, wire, value in _items(content):
        if number not in fields:
            raise WireError(f"the field {number} of an ONNX {kind}")
        name, holds, may_repeat = fields[number]
        is_number = wire == _VARINT
        if is_number != (holds == "number") and holds != "numbers":
            raise WireError(f"the field {name} of an ONNX {kind}")
        values = found.setdefault(name, [])
        if values and not may_repeat:
            raise WireError(f"the field {name} of an ONNX {kind} stands twice")
        if holds == "numbers" and not is_number:
            values += _packed(value)
        else:
            values.append(_read(holds, value) if holds in _FIELDS else value)
    return found


def _items(content: memoryview) -> Iterator[tuple[int, int, Any]]:
    """The fields of a message: number, how the value is written, and the value."""
    at, end = 0, len(content)
    while at < end:
        tag, at = _varint(content, at)
        number, wire = tag >> 3, tag & 7
        value: Any
        value, at = _varint(content, at)
        if wire == _BYTES:
            start, at = at, at + value
            if at > end:
                raise WireError("a length beyond the end")
            value = content[start:at]
        elif wire == _VARINT:
            value = value - (1 << 64) if value >> 63 else value
        else:
            raise WireError(f"the field {number} in a way that ONNX does not use")
        yield number, wire, value


def _packed(content: memoryview) -> Iterator[int]:
    at = 0
    while at < len(content):
        value, at = _varint(content, at)
        yield value - (1 << 64) if value >> 63 else value


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """A number of at most 64 bits, and where it ends."""
    value = 0
    for place, byte in enumerate(content[at : at + _LONGEST]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            if value >> 64:
                break
            return value, at + place + 1
    raise WireError("a number without an end")
