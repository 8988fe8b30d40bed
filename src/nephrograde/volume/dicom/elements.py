"""Selected elements of a DICOM header, straight from its bytes.

A scan reads a hundred thousand headers and needs thirty elements of each. pydicom builds every element of a header,
which takes several times as long (``bench/scan_headers.py``); the tests compare this reader with it. It does not read
values, only their locations, and visits each byte once, so that damaged files take no longer than intact ones.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from nephrograde.volume.dicom.dictionary import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, TAGS
from nephrograde.volume.dicom.signature import PREAMBLE_BYTES, names_its_type

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import IO

Value: TypeAlias = tuple[bytes, bytes]
"""The type (VR) given in the file, empty if there is none, and the bytes of the value."""
Item: TypeAlias = "Mapping[int, Value]"
"""The contents of a sequence item and the items nested in it, by tag."""
_Elements: TypeAlias = "dict[int, Value | list[Item]]"

_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SHORT = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
    | {b"ST", b"TM", b"UI", b"UL", b"US"}
)
_UNDEFINED = 0xFFFFFFFF
_ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
_DEEPEST = 16
_MOST_ITEMS = 100_000
_INFLATED_BYTES = 16 * 2**20
_MOST_FURTHER = 256
PIXEL_DATA = 0x7FE00010


class CutShortError(Exception):
    """The header continues beyond the available bytes.

    Attributes:
        found: What precedes the cut; None if not even the file meta group is complete.
    """

    found: Found | None = None


class DamagedError(Exception):
    """The bytes are not a DICOM header, or form a misleading one."""


class End(NamedTuple):
    """Where reading a header ended: before element ``at`` in the file, and whether elements state their type there."""

    at: int
    is_named: bool


class Place(NamedTuple):
    """Where the value of an element lies in its file."""

    start: int
    n_bytes: int


class Head(NamedTuple):
    """From where to where the head of an element or item lies, and in how many sequences."""

    at: int
    end: int
    depth: int


class Found(NamedTuple):
    """The requested elements of a header.

    Attributes:
        elements: By tag, including the file meta group; for a requested sequence, its items.
        syntax: The transfer syntax; if the file does not state it, the one inferred from the bytes.
        is_big_endian: Binary numbers are big-endian.
        end: Where :func:`find_further` can go on; None if the file is cut short, deflated, big-endian, begins oddly or
            holds a damaged item.
        pixels: Where its pixels lie, if that is known from the beginning of the file and nothing is behind them.
        alike: The same object in all headers whose elements are equal, but for those that vary within a series; None
            where that is not known.
    """

    elements: Mapping[int, Value | list[Item]]
    syntax: str
    is_big_endian: bool
    end: End | None = None
    pixels: Place | None = None
    alike: object = None


class Wanted(NamedTuple):
    """What to look for.

    Attributes:
        tags: Elements whose bytes are kept.
        sequences: Sequences whose items are read; within an item, requested elements are collected at any depth.
        stop: The first tag that is no longer of interest; elements are ordered by tag.
        gathered: Elements of which an item keeps all values of its nested items, joined by backslashes; of other
            elements it keeps the last value.
    """

    tags: Collection[int]
    sequences: Collection[int]
    stop: int
    gathered: Collection[int] = ()


def find_elements(data: bytes, wanted: Wanted, *, is_whole: bool, walk: list[Head] | None = None) -> Found:
    r"""Find the requested elements at the beginning of a file.

    Args:
        data: The file, or its first bytes.
        wanted: Tags as numbers, ``0x00100020`` for (0010,0020).
        is_whole: ``data`` is all of the file.
        walk: Every head that was read is added to it.

    Returns:
        The elements, with values as in the file; nothing is decoded.

    Raises:
        CutShortError: If the requested part is longer than ``data``.
        DamagedError: If the bytes cannot be a header.

    Source: DICOM PS3.5 7 (elements and sequences), 10 and annex A (transfer syntaxes); PS3.10 7 (files). As in
    pydicom, whether elements state their type is inferred from the bytes, not from the transfer syntax.

    >>> head = b"\x08\x00\x60\x00CS\x02\x00CT" + b"\x10\x00\x20\x00LO\x04\x00P017"
    >>> found = find_elements(head, Wanted({0x00080060, 0x00100020}, (), 0x00280000), is_whole=True)
    >>> found.elements, found.syntax
    ({524384: (b'CS', b'CT'), 1048608: (b'LO', b'P017')}, '1.2.840.10008.1.2.1')
    """
    at = PREAMBLE_BYTES if data[128:PREAMBLE_BYTES] == b"DICM" else 0
    end = len(data) if is_whole else None
    elements: _Elements = {}
    if data[at : at + 2] == b"\x02\x00":
        at = _Reader(data, wanted, at, walk=walk).elements(at, elements, stop=0x00030000, end=end)
    kept = elements.get(TAGS["TransferSyntaxUID"])
    syntax = kept[1].decode("latin-1").strip(" \0") if isinstance(kept, tuple) else ""
    if syntax == DEFLATED:
        data, is_all = _inflate(data[at:])
        at, end = 0, len(data) if is_all else None
    # Without a transfer syntax, a tag that begins with a zero byte reveals a big-endian file.
    is_big_endian = syntax == BIG_ENDIAN or (not syntax and data[at : at + 1] == b"\0")
    shown = BIG_ENDIAN if is_big_endian else EXPLICIT if names_its_type(data[at : at + 8]) else IMPLICIT
    found = Found(elements, syntax or shown, is_big_endian)
    reader = _Reader(data, wanted, at, is_big_endian=is_big_endian, walk=walk)
    begins_plainly = syntax != DEFLATED and data[at : at + 2] == b"\x08\x00"
    try:
        at = reader.elements(at, elements, stop=wanted.stop, end=end)
    except CutShortError as error:
        if syntax == DEFLATED and len(data) >= _INFLATED_BYTES:
            raise DamagedError from None  # reading more of the file would not help to inflate it
        error.found = found
        raise
    if not begins_plainly or is_big_endian or not reader.is_sound:
        return found
    return found._replace(end=End(at, reader.is_named))


def find_further(
    stream: IO[bytes], tag: int, end: End, *, most: int = _MOST_FURTHER, walk: list[Head] | None = None
) -> Place | None:
    r"""Find an element behind the requested ones, without reading any value.

    Args:
        stream: The file, seekable.
        tag: The element.
        end: Where the header was read to, from :func:`find_elements`.
        most: How many elements to look at.
        walk: Every head that was read is added to it.

    Returns:
        Where its value lies; None if it is not there, or behind a value of undefined length.

    >>> from io import BytesIO
    >>> find_further(BytesIO(b"\x28\x00\x10\x00US\x02\x00\x08\x00"), 0x00280010, End(0, True))
    Place(start=8, n_bytes=2)
    """
    at, wanted = end.at, Wanted((), (), 0)
    for _ in range(most):
        stream.seek(at)
        head = stream.read(12)
        reader = _Reader(head, wanted, 0)
        reader.set_named(end.is_named)
        try:
            found, _, start, length = reader.head(0, len(head))
        except CutShortError:
            return None
        if length == _UNDEFINED or found >> 16 == _ITEM >> 16:
            return None
        if walk is not None:
            walk.append(Head(at, at + start, 0))
        if found == tag:
            return Place(at + start, length)
        at += start + length
    return None


def _inflate(data: bytes) -> tuple[bytes, bool]:
    """Inflate the beginning of a deflated data set, as much as a header can need, and tell whether that is all."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(data, _INFLATED_BYTES)
    except zlib.error as error:
        raise DamagedError from error
    return inflated, inflater.eof


class _Reader:
    """Walks over elements; every method takes an offset in ``data`` and returns the offset after what it read."""

    def __init__(
        self, data: bytes, wanted: Wanted, first: int, *, is_big_endian: bool = False, walk: list[Head] | None = None
    ) -> None:
        order = ">" if is_big_endian else "<"
        self.data = data
        self.wanted = wanted
        self.walk = walk
        self.is_sound = True
        self.named = struct.Struct(order + "HH2sH").unpack_from
        self.tag_length = struct.Struct(order + "HHL").unpack_from
        self.long = struct.Struct(order + "L").unpack_from
        # A length without a type may look like the name of a type, so the first element decides for all.
        self.set_named(names_its_type(data[first : first + 8]))

    def set_named(self, is_named: bool) -> None:
        """Say whether elements state their type."""
        self.is_named = is_named
        self.short_types = _SHORT if self.is_named else frozenset[bytes]()
        self.long_types = _LONG if self.is_named else frozenset[bytes]()

    def elements(self, at: int, found: _Elements, *, stop: int, end: int | None, depth: int = 0) -> int:
        """Read elements up to the tag ``stop``, the offset ``end``, or the end of an item of undefined length."""
        tags, sequences = self.wanted.tags, self.wanted.sequences
        data, short_types, named, walk = self.data, self.short_types, self.named, self.walk
        limit = len(data) if end is None else end
        while at < limit:
            if at + 8 > limit:
                raise CutShortError
            group, number, kind, length = named(data, at)  # as in `head`, without calling it, for most elements
            tag, start = group << 16 | number, at + 8
            if kind not in short_types:
                tag, kind, start, length = self.head(at, limit)
            if walk is not None:
                walk.append(Head(at, start, depth))
            if tag >= stop:
                return self.last(tag, at, is_inside=depth > 0)
            if length == _UNDEFINED or tag in sequences:
                at = self.items(start, length, (tag, found), depth + 1)
                continue
            at = start + length
            if at > limit:
                raise DamagedError if end is not None and depth else CutShortError
            if tag in tags:
                found[tag] = (kind, data[start:at])
        if end is None:
            raise CutShortError
        return at

    def head(self, at: int, limit: int) -> tuple[int, bytes, int, int]:
        """Return the tag of the element at ``at``, its type, the offset of its value, and the length of the value."""
        if at + 8 > limit:
            raise CutShortError
        group, number, kind, length = self.named(self.data, at)
        if kind in self.short_types:
            return group << 16 | number, kind, at + 8, length
        if kind in self.long_types:
            if at + 12 > limit:
                raise CutShortError
            return group << 16 | number, kind, at + 12, self.long(self.data, at + 8)[0]
        if self.is_named and kind.isalpha() and kind.isupper():  # unknown or misspelt: pydicom assumes a short length
            return group << 16 | number, kind, at + 8, length
        return group << 16 | number, b"", at + 8, self.long(self.data, at + 4)[0]

    def last(self, tag: int, at: int, *, is_inside: bool) -> int:
        """Return where reading ends: before the first tag of no interest, or after the end of an item."""
        if not is_inside:
            return at
        if tag != _ITEM_END:
            raise DamagedError
        return at + 8

    def items(self, at: int, length: int, into: tuple[int, _Elements], depth: int) -> int:
        """Read or skip the items of a sequence."""
        tag, found = into
        is_wanted = tag in self.wanted.sequences
        end = None if length == _UNDEFINED else at + length
        if depth > _DEEPEST:
            raise DamagedError
        listed: list[Item] = []
        for _ in range(_MOST_ITEMS):
            if end is not None and at >= end:
                break
            if at + 8 > len(self.data):
                raise CutShortError
            group, number, item_length = self.tag_length(self.data, at)
            if self.walk is not None:
                self.walk.append(Head(at, at + 8, abs(depth)))
            if group << 16 | number == _SEQUENCE_END and end is None:
                at += 8
                break
            if group << 16 | number != _ITEM:
                raise DamagedError
            item: _Elements = {}
            at = self.item(at + 8, item_length, item, depth=depth if is_wanted else -depth)
            if is_wanted:
                listed.append(_flat(item, self.wanted.gathered))
        else:
            raise DamagedError
        if is_wanted:
            found[tag] = listed
        return at

    def item(self, at: int, length: int, item: _Elements, *, depth: int) -> int:
        """Read one item; an item of an unwanted sequence (``depth`` below 0) is skipped if its length allows."""
        if length == _UNDEFINED:
            return self.elements(at, item, stop=0xFFFE0000, end=None, depth=abs(depth))
        if at + length > len(self.data):
            raise CutShortError
        if depth < 0:
            self.is_sound = self.is_sound and self.is_whole_item(at, length, -depth)
            return at + length
        return self.elements(at, item, stop=0xFFFE0000, end=at + length, depth=depth)

    def is_whole_item(self, at: int, length: int, depth: int) -> bool:
        """Whether the elements in an item end where it ends."""
        try:
            self.elements(at, {}, stop=0xFFFE0000, end=at + length, depth=depth)
        except (CutShortError, DamagedError):
            return False
        return True


def _flat(item: _Elements, gathered: Collection[int]) -> Item:
    """Merge an item with the items nested in it."""
    flat: dict[int, Value] = {}
    for tag, value in item.items():
        for inner in [{tag: value}] if isinstance(value, tuple) else value:
            both = {
                held: (flat[held][0], flat[held][1] + b"\\" + inner[held][1])
                for held in gathered
                if held in flat and held in inner
            }
            flat |= {**inner, **both}
    return flat
