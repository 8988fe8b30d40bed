"""Headers laid out like one that was read before: their values lie where they lay there.

The files of one series have the same elements, mostly of the same lengths. Where the heads of all elements (tag, type
and length) are the same bytes at the same places, walking over them would take the same steps and end at the same
place, whatever the values are; so only the heads are compared, all at once.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from nephrograde.volume.dicom.dictionary import TAGS
from nephrograde.volume.dicom.elements import PIXEL_DATA, Found, Head, find_elements, find_further
from nephrograde.volume.dicom.signature import PREAMBLE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from nephrograde.volume.dicom.elements import Place, Value, Wanted

_MOST_OF_A_SIZE = 4
_MOST_SIZES = 64
_LONGEST_HEAD = 12
_Value: TypeAlias = tuple[int, bytes, int, int]
"""An element's tag and type, and from where to where its value lies."""


class Layouts:
    r"""Remembers how headers were laid out, by the size of their files, of which that of the header is a part.

    >>> from nephrograde.volume.dicom.elements import Wanted
    >>> def head(patient: bytes) -> bytes:
    ...     return b"\x08\x00\x60\x00CS\x02\x00CT" + b"\x10\x00\x20\x00LO\x04\x00" + patient + b"\x28\x00" + bytes(120)
    >>> layouts = Layouts(Wanted({0x00080060, 0x00100020}, (), 0x00280000))
    >>> for patient in (b"P017", b"P018"):
    ...     found = layouts.find(head(patient), n_bytes=144, is_whole=True)
    >>> found.elements[0x00100020], layouts.n_recognised
    ((b'LO', b'P018'), 1)
    """

    def __init__(self, wanted: Wanted, *, varying: Sequence[int] = ()) -> None:
        """Begin without any.

        Args:
            wanted: Which elements to find.
            varying: Those of them that differ between the headers of one series. Where all others are equal, what is
                found is marked as alike.
        """
        self.wanted = wanted
        self.n_recognised = 0
        self._varying = tuple(varying)
        self._known: dict[int, list[_Layout]] = {}

    def find(self, data: bytes, *, n_bytes: int, is_whole: bool) -> Found:
        """Find what :func:`~nephrograde.volume.dicom.elements.find_elements` finds, with the same errors.

        Args:
            data: The file, or its first bytes.
            n_bytes: Size of the file.
            is_whole: ``data`` is all of the file.

        Returns:
            The elements; where their layout is remembered, with the place of the pixels if they follow in ``data`` and
            end the file.
        """
        if len(self._known) >= _MOST_SIZES and n_bytes not in self._known:
            self._known.clear()
        known = self._known.setdefault(n_bytes, [])
        for layout in known:
            found = layout.found_in(data)
            if found is not None:
                self.n_recognised += 1
                return found
        walk: list[Head] = []
        found = find_elements(data, self.wanted, is_whole=is_whole, walk=walk)
        if len(known) < _MOST_OF_A_SIZE:
            found = found._replace(pixels=_pixels_of(data, found, n_bytes, walk))
            seen = _layout_of(data, found, walk, self._varying)
            if seen is not None:
                known.append(seen)
                return seen.found_in(data) or found
        return found


class _Equal(NamedTuple):
    """The bytes of a header but for those of elements that vary, and what was found in it."""

    at: npt.NDArray[np.intp]
    content: bytes
    varying: list[_Value]
    like: Found

    def found_in(self, data: bytes) -> Found | None:
        if np.frombuffer(data, np.uint8)[self.at].tobytes() != self.content:
            return None
        return self.like._replace(elements={**self.like.elements, **_values(data, self.varying)})


@dataclass(slots=True, eq=False)
class _Layout:
    """Where the bytes lie that a walk depends on, what they are, and where it found which values."""

    at: npt.NDArray[np.intp]
    heads: bytes
    places: list[_Value]
    varying: list[_Value]
    like: Found
    least_bytes: int
    equal: _Equal | None = None
    tries: int = 0

    def found_in(self, data: bytes) -> Found | None:
        """Return the elements of a header, if it is laid out like this."""
        if len(data) < self.least_bytes:
            return None
        found = None if self.equal is None else self.equal.found_in(data)
        if found is not None:
            return found
        if np.frombuffer(data, np.uint8)[self.at].tobytes() != self.heads:
            return None
        found = self.like._replace(elements=_values(data, self.places))
        if self.varying and self.tries < _MOST_OF_A_SIZE:
            self.tries += 1
            found = found._replace(alike=object())
            others = [place for place in self.places if place not in self.varying]
            at = np.concatenate([self.at, *(np.arange(start, end) for _, _, start, end in others)])
            self.equal = _Equal(at, np.frombuffer(data, np.uint8)[at].tobytes(), self.varying, found)
        return found


def _values(data: bytes, places: list[_Value]) -> dict[int, Value]:
    return {tag: (kind, data[a:b]) for tag, kind, a, b in places}


def _pixels_of(data: bytes, found: Found, n_bytes: int, walk: list[Head]) -> Place | None:
    """Return where the pixels lie, if they begin in ``data`` and nothing is behind; the walk then goes up to them."""
    if found.end is None:
        return None
    further: list[Head] = []
    place = find_further(BytesIO(data), PIXEL_DATA, found.end, walk=further)
    if place is None or place.start + place.n_bytes != n_bytes:
        return None
    walk += further
    return place


def _layout_of(data: bytes, found: Found, walk: list[Head], varying: Sequence[int]) -> _Layout | None:
    """Return how a header is laid out, if it is plain, ends within ``data`` and has no requested sequence."""
    if found.end is None or len(data) < max(found.end.at + _LONGEST_HEAD, PREAMBLE_BYTES):
        return None
    starts = {_tag(data, head): head.end for head in walk if not head.depth}
    places: list[_Value] = []
    for tag, value in found.elements.items():
        if not isinstance(value, tuple):
            return None
        start = starts[tag]
        places.append((tag, value[0], start, start + len(value[1])))
    syntax = next(((a, b) for tag, _, a, b in places if tag == TAGS["TransferSyntaxUID"]), (0, 0))
    spans = [(128, PREAMBLE_BYTES), syntax, *((head.at, head.end) for head in walk)]
    at = np.concatenate([np.arange(*span) for span in spans])
    heads = np.frombuffer(data, np.uint8)[at].tobytes()
    of_varying = [place for place in places if place[0] in varying]
    least_bytes = max(*(head.end for head in walk), found.end.at + _LONGEST_HEAD, PREAMBLE_BYTES)
    return _Layout(at, heads, places, of_varying, found, least_bytes)


def _tag(data: bytes, head: Head) -> int:
    group, number = struct.unpack_from("<HH", data, head.at)
    return int(group << 16 | number)
