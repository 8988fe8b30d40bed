"""The wanted elements of a DICOM header, straight from its bytes.

A scan reads a hundred thousand headers and wants thirty elements of each. pydicom builds every element of a header,
which takes several times as long (``bench/scan_headers.py``); the tests hold this reader to pydicom's answers. It reads
no values, only where they lie, and looks at each byte once, so that damaged files cost no more than sound ones.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection

Found: TypeAlias = "dict[int, bytes | list[dict[int, bytes]]]"
"""The bytes of each element, by tag; of a sequence that was asked for, its items."""

PREAMBLE_BYTES = 132
TRANSFER_SYNTAX = 0x00020010
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SHORT = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
    | {b"ST", b"TM", b"UI", b"UL", b"US"}
)
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DEEPEST = 16
_MOST_ITEMS = 100_000
_INFLATED_BYTES = 16 * 2**20


class CutShortError(Exception):
    """The header goes on after the bytes at hand."""


class DamagedError(Exception):
    """The bytes are no DICOM header, or one that leads astray."""


class Wanted(NamedTuple):
    """What to look for.

    Attributes:
        tags: Elements whose bytes are kept.
        sequences: Sequences whose items are read; in an item, wanted elements of any depth are gathered.
        stop: The first tag that is of no interest any more; elements stand in the order of their tags.
        gathered: Elements of which an item keeps all that the items in it hold, parted by a backslash; of others the
            last one.
    """

    tags: Collection[int]
    sequences: Collection[int]
    stop: int
    gathered: Collection[int] = ()


def looks_like_dicom(head: bytes) -> bool:
    r"""Whether a file may be DICOM: ``DICM`` after the preamble; or it begins with a group 0002 or 0008 without one.

    >>> looks_like_dicom(bytes(128) + b"DICM"), looks_like_dicom(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100")
    (True, True)
    >>> looks_like_dicom(b"patient_id,isup_grade"), looks_like_dicom(b"")
    (False, False)
    """
    if head[128:PREAMBLE_BYTES] == b"DICM":
        return True
    if len(head) < 8 or head[:2] not in {b"\x02\x00", b"\x08\x00", b"\x00\x08"}:
        return False
    return head[4:6] in _SHORT | _LONG or int.from_bytes(head[4:8], "little") <= 1024


def find_elements(data: bytes, wanted: Wanted, *, is_whole: bool) -> Found:
    r"""Find the wanted elements at the beginning of a file.

    Args:
        data: The file, or its first bytes.
        wanted: Tags as numbers, ``0x00100020`` for (0010,0020).
        is_whole: ``data`` is all of the file.

    Returns:
        The bytes by tag, of the file meta group too; nothing is decoded.

    Raises:
        CutShortError: Where the wanted part is longer than ``data``.
        DamagedError: Where the bytes cannot be a header.

    Source: DICOM PS3.5 7 (elements and sequences), 10 and annex A (transfer syntaxes); PS3.10 7 (files). As pydicom
    does, whether elements name their type is seen from the bytes and not believed of the transfer syntax.

    >>> head = b"\x08\x00\x60\x00CS\x02\x00CT" + b"\x10\x00\x20\x00LO\x04\x00P017"
    >>> find_elements(head, Wanted({0x00080060, 0x00100020}, (), 0x00280000), is_whole=True)
    {524384: b'CT', 1048608: b'P017'}
    """
    at = PREAMBLE_BYTES if data[128:PREAMBLE_BYTES] == b"DICM" else 0
    end = len(data) if is_whole else None
    found: Found = {}
    if data[at : at + 2] == b"\x02\x00":
        at = _Reader(data, wanted, at).elements(at, found, stop=0x00030000, end=end)
    syntax = found.get(TRANSFER_SYNTAX, b"")
    name = syntax.decode("latin-1").strip(" \0") if isinstance(syntax, bytes) else ""
    if name == DEFLATED:
        data, is_all = _inflate(data[at:])
        at, end = 0, len(data) if is_all else None
    # Where no syntax is named, a tag that begins with a zero byte gives a big-endian file away.
    big_endian = name == BIG_ENDIAN or (not name and data[at : at + 1] == b"\0")
    try:
        _Reader(data, wanted, at, big_endian=big_endian).elements(at, found, stop=wanted.stop, end=end)
    except CutShortError:
        if name == DEFLATED and len(data) >= _INFLATED_BYTES:
            raise DamagedError from None  # more of the file would not be inflated either
        raise
    return found


def _inflate(data: bytes) -> tuple[bytes, bool]:
    """The first bytes of a deflated data set, never more than a header can need; and whether that is all of it."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(data, _INFLATED_BYTES)
    except zlib.error as error:
        raise DamagedError from error
    return inflated, inflater.eof


class _Reader:
    """Walks over elements; every method takes a place in ``data`` and gives the place after what it read."""

    def __init__(self, data: bytes, wanted: Wanted, first: int, *, big_endian: bool = False) -> None:
        order = ">" if big_endian else "<"
        self.data = data
        self.wanted = wanted
        self.named = struct.Struct(order + "HH2sH").unpack_from
        self.tag_length = struct.Struct(order + "HHL").unpack_from
        self.long = struct.Struct(order + "L").unpack_from
        # A length of an unnamed type may read like the name of one, so the first element decides for all.
        is_named = data[first + 4 : first + 6] in _SHORT | _LONG
        self.short_types, self.long_types = (_SHORT, _LONG) if is_named else (frozenset[bytes](), frozenset[bytes]())

    def elements(self, at: int, found: Found, *, stop: int, end: int | None, depth: int = 0) -> int:
        """Read elements up to the tag ``stop``, the place ``end``, or the end of an item that has no length."""
        tags, sequences = self.wanted.tags, self.wanted.sequences
        limit = len(self.data) if end is None else end
        while at < limit:
            tag, start, length = self.head(at, limit)
            if tag >= stop:
                return self.last(tag, at, is_inside=depth > 0)
            if length == _UNDEFINED or tag in sequences:
                at = self.items(start, length, (tag, found), depth + 1)
                continue
            at = start + length
            if at > limit:
                raise DamagedError if end is not None and depth else CutShortError
            if tag in tags:
                found[tag] = self.data[start:at]
        if end is None:
            raise CutShortError
        return at

    def head(self, at: int, limit: int) -> tuple[int, int, int]:
        """The tag of the element at ``at``, where its value starts, and how long that is."""
        if at + 8 > limit:
            raise CutShortError
        group, number, kind, length = self.named(self.data, at)
        if kind in self.short_types:
            return group << 16 | number, at + 8, length
        if kind in self.long_types:
            if at + 12 > limit:
                raise CutShortError
            return group << 16 | number, at + 12, self.long(self.data, at + 8)[0]
        return group << 16 | number, at + 8, self.long(self.data, at + 4)[0]

    def last(self, tag: int, at: int, *, is_inside: bool) -> int:
        """Where reading ends: before the first tag of no interest, or after the end of an item."""
        if not is_inside:
            return at
        if tag != _ITEM_END:
            raise DamagedError
        return at + 8

    def items(self, at: int, length: int, into: tuple[int, Found], depth: int) -> int:
        """Read, or pass over, the items of a sequence."""
        tag, found = into
        is_wanted = tag in self.wanted.sequences
        end = None if length == _UNDEFINED else at + length
        if depth > _DEEPEST:
            raise DamagedError
        listed: list[dict[int, bytes]] = []
        for _ in range(_MOST_ITEMS):
            if end is not None and at >= end:
                break
            if at + 8 > len(self.data):
                raise CutShortError
            group, number, item_length = self.tag_length(self.data, at)
            if group << 16 | number == _SEQUENCE_END and end is None:
                at += 8
                break
            if group << 16 | number != _ITEM:
                raise DamagedError
            item: Found = {}
            at = self.item(at + 8, item_length, item, depth=depth if is_wanted else -depth)
            if is_wanted:
                listed.append(_flat(item, self.wanted.gathered))
        else:
            raise DamagedError
        if is_wanted:
            found[tag] = listed
        return at

    def item(self, at: int, length: int, item: Found, *, depth: int) -> int:
        """Read one item; one of an unwanted sequence (``depth`` below 0) is jumped over where its length allows."""
        if length == _UNDEFINED:
            return self.elements(at, item, stop=0xFFFE0000, end=None, depth=abs(depth))
        if at + length > len(self.data):
            raise CutShortError
        if depth < 0:
            return at + length
        return self.elements(at, item, stop=0xFFFE0000, end=at + length, depth=depth)


def _flat(item: Found, gathered: Collection[int]) -> dict[int, bytes]:
    """An item and what the items in it hold, as one."""
    flat: dict[int, bytes] = {}
    for tag, value in item.items():
        for inner in [{tag: value}] if isinstance(value, bytes) else value:
            both = {held: flat[held] + b"\\" + inner[held] for held in gathered if held in flat and held in inner}
            flat |= inner | both
    return flat
