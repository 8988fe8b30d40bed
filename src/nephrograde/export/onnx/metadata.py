"""Texts in the header of an ONNX file; needs neither onnx nor ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_METADATA, _KEY, _VALUE = 14, 1, 2
"""The numbers of ``metadata_props`` of a model, and of the two texts of an entry, in ``onnx.proto``."""
_AS_BYTES = 2


def with_metadata(graph: bytes | memoryview, entries: Mapping[str, str]) -> bytes:
    r"""Return an ONNX file with further entries of metadata.

    Fields of a message may follow each other in any order, so that they are put at its end.

    Args:
        graph: The bytes of an ONNX file.
        entries: Text by name.

    Source:
        https://protobuf.dev/programming-guides/encoding, and ``onnx.proto`` for the numbers of the fields.

    >>> with_metadata(b"", {"a": "b"})
    b'r\x06\n\x01a\x12\x01b'
    """
    added = (as_field(_KEY, name.encode()) + as_field(_VALUE, text.encode()) for name, text in entries.items())
    return b"".join([bytes(graph), *(as_field(_METADATA, one) for one in added)])


def as_field(number: int, content: bytes | memoryview) -> bytes:
    r"""Return a field of a message that holds bytes, as a text or another message.

    Args:
        number: Of the field.
        content: What it holds.

    >>> as_field(1, b"ab")
    b'\n\x02ab'
    """
    return as_varint(number << 3 | _AS_BYTES) + as_varint(len(content)) + bytes(content)


def as_varint(number: int) -> bytes:
    r"""Return a number as it is written.

    Args:
        number: At least 0.

    >>> as_varint(300)
    b'\xac\x02'
    """
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
