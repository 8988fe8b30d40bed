"""Headers of compressed images, checked before decoding.

Decoders trust them: if a damaged stream claims another size than the header, GDCM writes outside its memory.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from nephrograde.volume.dicom.entries import NonsenseError

if TYPE_CHECKING:
    from nephrograde.volume.dicom.one_slice import PixelForm

_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # SOF0 … SOF15 of JPEG, SOF55 of JPEG-LS
_HUFFMAN = 0xC4
_SCAN = 0xDA
_END = 0xD9
_JPEG_2000 = b"\xff\x4f\xff\x51"
_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"


def bare_codestream(stream: bytes) -> bytes:
    """Return the codestream of a JPEG 2000 frame that has the header of a JP2 file around it; any other frame as it is.

    The standard forbids that header, but some scanners and libraries write it.

    Args:
        stream: One compressed frame.

    Raises:
        NonsenseError: If the JP2 file holds no codestream.

    Source: ITU-T T.800 I.4 (boxes); DICOM PS3.5 A.4.4.

    >>> bare_codestream(_JP2 + bytes(4) + b"jp2c" + _JPEG_2000) == _JPEG_2000
    True
    """
    if not stream.startswith(_JP2):
        return stream
    at = 0
    while at + 8 <= len(stream):
        length, kind = struct.unpack_from(">I4s", stream, at)
        start = 8
        if length == 1 and at + 16 <= len(stream):
            length, start = struct.unpack_from(">Q", stream, at + 8)[0], 16
        if kind == b"jp2c":
            return stream[at + start : at + length if length else None]
        if length < start:
            break
        at += length
    raise NonsenseError("its compressed pixels are cut short")


def require_sound_stream(stream: bytes, form: PixelForm) -> None:
    """Check that a JPEG, JPEG-LS or JPEG 2000 stream is complete and contains what the DICOM header says.

    Args:
        stream: One compressed frame.
        form: What the DICOM header says.

    Raises:
        NonsenseError: If the stream is truncated, has another size, or has damaged tables.

    Source: ITU-T T.81 B.2, T.87 C.2, T.800 A.5.1.
    """
    try:
        found = _jpeg_2000_size(stream) if stream.startswith(_JPEG_2000) else _jpeg_size(stream)
    except (IndexError, struct.error):
        raise NonsenseError("its compressed pixels are cut short") from None
    precision, rows, columns, components = found
    if (rows, columns, components) != (form.rows, form.columns, 1) or not 2 <= precision <= form.bits_allocated:
        raise NonsenseError("its compressed pixels have another size than its header says")


def _jpeg_2000_size(stream: bytes) -> tuple[int, int, int, int]:
    width, height, left, top = struct.unpack_from(">4I", stream, 8)
    components, depth = struct.unpack_from(">HB", stream, 40)
    return (depth & 0x7F) + 1, height - top, width - left, components


def _jpeg_size(stream: bytes) -> tuple[int, int, int, int]:
    if stream[:2] != b"\xff\xd8":
        raise NonsenseError("its compressed pixels are not those of a JPEG")
    if not stream.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise NonsenseError("its compressed pixels are cut short")
    size = (0, 0, 0, 0)
    at = 2
    while True:
        while stream[at + 1] == 0xFF:
            at += 1
        marker, length = struct.unpack_from(">BH", stream, at + 1)
        if stream[at] != 0xFF or length < 2:
            raise NonsenseError("its compressed pixels are damaged")
        if marker in _FRAME_MARKERS:
            size = struct.unpack_from(">BHHB", stream, at + 4)
        elif marker == _HUFFMAN:
            _require_sound_tables(stream[at + 4 : at + 2 + length])
        elif marker in {_SCAN, _END}:
            return size
        at += 2 + length


def _require_sound_tables(tables: bytes) -> None:
    """Check Huffman tables: as many values as the counts say, and no more codes of a length than are possible."""
    at = 0
    while at < len(tables):
        counts = tables[at + 1 : at + 17]
        free = 1
        for count in counts:
            free = 2 * free - count
            if free < 0:
                raise NonsenseError("its compressed pixels are damaged")
        if len(counts) < 16 or (tables[at] & 0x0F) > 3 or sum(counts) > 256:
            raise NonsenseError("its compressed pixels are damaged")
        at += 17 + sum(counts)
    if at != len(tables):
        raise NonsenseError("its compressed pixels are damaged")
