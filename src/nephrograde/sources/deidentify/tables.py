"""Lookup tables without hidden text: bytes that nobody looks at can hold anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nephrograde.volume.dicom.datasets import text_of

if TYPE_CHECKING:
    from pydicom import Dataset

_GREY = 0x00283006
_DESCRIPTORS = {_GREY: 0x00283002, 0x00281201: 0x00281101, 0x00281202: 0x00281102, 0x00281203: 0x00281103}
TABLES = frozenset(_DESCRIPTORS)
"""Tags of LUTData and of the three palettes."""
_WHOLE_TABLE = 2**16  # what a count of 0 means


def clean_table(source: Dataset, tag: int) -> bytes | None:
    r"""Return a lookup table if it is one, and not a byte more.

    Args:
        source: The header, or the item of a sequence, that has the table and its descriptor.
        tag: One of ``TABLES``.

    Returns:
        As many bytes as the descriptor states. None for a palette of an image without one, for a table that is
        shorter, and for a grey-scale table that does not rise or fall: those of scanners do, and text does not.

    **Source:** DICOM PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6 (palettes), C.11.1.1 and C.11.2.1 (grey scale).

    >>> from pydicom import Dataset
    >>> item = Dataset()
    >>> item.LUTDescriptor, item.LUTData = [4, 0, 16], b"Kowalska"
    >>> clean_table(item, 0x00283006) is None
    True
    >>> item.LUTData = bytes([0, 0, 1, 0, 2, 0, 3, 0]) + b"Kowalska"
    >>> clean_table(item, 0x00283006)
    b'\x00\x00\x01\x00\x02\x00\x03\x00'
    """
    element, descriptor = source.get_item(tag), _numbers(source, _DESCRIPTORS[tag])
    stored = element.value
    if not isinstance(stored, bytes) or len(descriptor) != 3:
        return None
    if tag != _GREY and text_of(source, "PhotometricInterpretation").upper() != "PALETTE COLOR":
        return None
    count = descriptor[0] % _WHOLE_TABLE or _WHOLE_TABLE
    size = 2 if descriptor[2] > 8 or len(stored) >= 2 * count else 1
    table = stored[: count * size]
    if len(table) < count * size:
        return None
    if tag == _GREY:
        order = "<" if getattr(element, "is_little_endian", True) else ">"
        steps = np.diff(np.frombuffer(table, f"{order}u{size}").astype(np.int64))
        if (steps < 0).any() and (steps > 0).any():
            return None
    return table + b"\0" * (len(table) % 2)


def _numbers(source: Dataset, tag: int) -> list[int]:
    if tag not in source:
        return []
    value = source[tag].value
    try:
        return [int(one) for one in value]
    except (TypeError, ValueError):
        return []
