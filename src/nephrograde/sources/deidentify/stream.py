"""Compressed pixels without hidden text: offset tables, comments and application data of JPEG and JPEG 2000."""

from __future__ import annotations

import struct

_ITEM = 0xFFFEE000
_END_OF_ITEMS = 0xFFFEE0DD
_JPEG = b"\xff\xd8"
_END = b"\xff\xd9"
_JPEG_2000 = b"\xff\x4f\xff\x51"
_JPEG_2000_BOXES = b"\0\0\0\x0cjP  \r\n\x87\n"
_SCAN, _COMMENT, _JFIF, _COLOUR, _ADOBE = 0xDA, 0xFE, 0xE0, 0xE8, 0xEE
_APPLICATION = range(0xE0, 0xF0)
_TILE, _COMMENT_2000 = 0x90, 0x64
_LONGEST_KEPT = {_JFIF: 16, _COLOUR: 9, _ADOBE: 14}
"""Length of the application data that decoders need for colours: JFIF without a thumbnail, HP's and Adobe's."""
_BEGINNINGS = {_JFIF: b"JFIF\0", _COLOUR: b"mrfx", _ADOBE: b"Adobe"}


def clean_fragments(stored: bytes, *, n_frames: int) -> bytes:
    """Return encapsulated pixels with an offset table of our own, and their streams without comments.

    Args:
        stored: The value of PixelData: the basic offset table and the fragments, each in an item.
        n_frames: Number of frames.

    Returns:
        The items. The offset table lists the frames if it did so before, and is empty otherwise: a frame is then one
        fragment, or the only one.

    Raises:
        ValueError: If the value does not consist of items.

    **Source:** DICOM PS3.5 A.4.

    >>> table, frame = bytes.fromhex("feff00e008000000") + b"Kowalska", bytes.fromhex("feff00e002000000ffd8")
    >>> clean_fragments(table + frame, n_frames=1).hex()
    'feff00e000000000feff00e002000000ffd8'
    """
    table, *fragments = _items(stored)
    starts, at = [], 0
    for fragment in fragments:
        starts.append(at)
        at += 8 + len(fragment)
    offsets = list(struct.unpack(f"<{len(table) // 4}I", table[: len(table) // 4 * 4]))
    cleaned = [_even(clean_stream(fragment)) for fragment in fragments]
    kept = b""
    if len(offsets) == n_frames and set(offsets) <= set(starts) and offsets == sorted(set(offsets)):
        moved = [sum(8 + len(one) for one in cleaned[: starts.index(offset)]) for offset in offsets]
        kept = struct.pack(f"<{len(moved)}I", *moved)
    return b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(one)) + one for one in (kept, *cleaned))


def clean_stream(stream: bytes) -> bytes:
    r"""Return a JPEG, JPEG-LS or JPEG 2000 stream without comments and application data; any other stream as it is.

    Args:
        stream: A fragment, which is a frame or the beginning of one.

    **Source:** ITU-T T.81 B.2.4, T.87 C.2, T.800 A.9.2 and annex I.

    >>> clean_stream(b"\xff\xd8\xff\xfe\x00\x0aKowalska\xff\xda\x00\x02...")
    b'\xff\xd8\xff\xda\x00\x02...'
    """
    if stream.startswith(_JPEG_2000_BOXES):
        stream = _codestream(stream)
    if stream.startswith(_JPEG_2000):
        return _ended(_without(stream, stops={_TILE}, dropped={_COMMENT_2000}))
    if stream.startswith(_JPEG):
        return _ended(_without(stream, stops={_SCAN}, dropped={_COMMENT, *_APPLICATION}))
    return stream


def _items(stored: bytes) -> list[bytes]:
    items, at = [], 0
    while at + 8 <= len(stored):
        group, element, length = struct.unpack_from("<HHI", stored, at)
        tag = group << 16 | element
        if tag == _END_OF_ITEMS:
            break
        if tag != _ITEM or at + 8 + length > len(stored):
            raise ValueError("compressed pixels that are not items")
        items.append(stored[at + 8 : at + 8 + length])
        at += 8 + length
    if not items:
        raise ValueError("compressed pixels without items")
    return items


def _without(stream: bytes, *, stops: set[int], dropped: set[int]) -> bytes:
    """Copy the segments of a stream up to the first of the markers that end its header, and all that follows."""
    kept, at = [stream[:2]], 2
    while at + 4 <= len(stream):
        marker = stream[at + 1]
        if stream[at] != 0xFF or marker in stops:
            break
        if marker == 0xFF:  # fill
            at += 1
            continue
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4])
        if marker not in dropped or _is_needed(marker, stream[at + 4 : end]):
            kept.append(stream[at:end])
        at = end
    return b"".join([*kept, stream[at:]])


def _ended(stream: bytes) -> bytes:
    """Cut a stream after its end marker, two bytes that pixels are never coded as."""
    at = stream.rfind(_END)
    return stream if at < 0 else stream[: at + len(_END)]


def _is_needed(marker: int, content: bytes) -> bool:
    return (
        marker in _BEGINNINGS and content.startswith(_BEGINNINGS[marker]) and len(content) + 2 <= _LONGEST_KEPT[marker]
    )


def _codestream(boxes: bytes) -> bytes:
    """Take the stream out of the boxes of a JP2 file, which DICOM does not want and which may hold XML."""
    at = 0
    while at + 8 <= len(boxes):
        length, kind = struct.unpack_from(">I4s", boxes, at)
        head = 8
        if length == 1 and at + 16 <= len(boxes):
            length, head = struct.unpack_from(">Q", boxes, at + 8)[0], 16
        end = at + length if length else len(boxes)
        if kind == b"jp2c":
            return boxes[at + head : end]
        if end <= at:
            break
        at = end
    return boxes


def _even(stream: bytes) -> bytes:
    return stream + b"\0" * (len(stream) % 2)
