"""The entries of a DICOM header, read tolerantly.

Numbers may contain a decimal comma or blanks, be text where the standard requires binary or vice versa, and have the
wrong VR or none.
"""

from __future__ import annotations

import math
import os
import re
import struct
from typing import IO, TYPE_CHECKING

from nephrograde.volume.dicom.dictionary import BINARY, TAGS
from nephrograde.volume.dicom.elements import CutShortError, Found, Wanted, find_elements
from nephrograde.volume.dicom.signature import is_dicom
from nephrograde.volume.dicom.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nephrograde.volume.dicom.elements import End, Item, Place, Value
    from nephrograde.volume.dicom.layout import Layouts

FIRST_BYTES = 16 * 2**10
"""Enough for most headers."""
_GROWTH = 8
_LONGEST_HEADER = 64 * 2**20
"""The tables of an enhanced object with several thousand frames take a few MiB."""
_FORMS = {b"US": "H", b"SS": "h", b"UL": "I", b"SL": "i", b"FL": "f", b"FD": "d", b"OW": "H"}
_TELLS_NOTHING = {b"", b"UN", b"OB"}
_DIGITS = re.compile(rb"[ -~]+\0?")  # or what else is text


class NonsenseError(ValueError):
    """An entry has an invalid value; the message names the entry and does not repeat its value."""


class Entries:
    """The entries of a header, or of an item in one of its sequences."""

    def __init__(self, found: Found, character_sets: str | None = None) -> None:
        """Wrap the elements of a header.

        Args:
            found: From :func:`~nephrograde.volume.dicom.elements.find_elements`.
            character_sets: SpecificCharacterSet of the header, for an item; None if ``found`` contains it.
        """
        self._found = found
        self._character_sets = self.word("SpecificCharacterSet") if character_sets is None else character_sets

    @property
    def syntax(self) -> str:
        """The transfer syntax of the file."""
        return self._found.syntax

    @property
    def end(self) -> End | None:
        """Where the file goes on behind the header, for :func:`~nephrograde.volume.dicom.elements.find_further`."""
        return self._found.end

    @property
    def pixels(self) -> Place | None:
        """Where the pixels lie, if that is known from the beginning of the file and nothing is behind them."""
        return self._found.pixels

    @property
    def alike(self) -> object:
        """The same object in all headers that are known to be equal, but for the elements that vary within a series."""
        return self._found.alike

    @property
    def is_big_endian(self) -> bool:
        """Whether binary numbers are big-endian."""
        return self._found.is_big_endian

    @property
    def elements(self) -> Mapping[int, Value | list[Item]]:
        """The elements as in the file, by tag."""
        return self._found.elements

    def __contains__(self, keyword: str) -> bool:
        return TAGS[keyword] in self._found.elements

    def word(self, keyword: str) -> str:
        """Return an entry as a UID or code: ASCII letters, whatever the character set; empty if missing."""
        return self._value(keyword)[1].decode("latin-1").strip(" \0")

    def text(self, keyword: str) -> str:
        """Return an entry as decoded text, binary numbers as digits; empty if missing."""
        kind, raw = self._value(keyword)
        if not raw:
            return ""
        form = _FORMS.get(kind) or (BINARY.get(keyword) if kind in _TELLS_NOTHING else None)
        if form and len(raw) % struct.calcsize(form) == 0:
            return "\\".join(f"{number:g}" for number in self._unpacked(raw, form))
        return decode_text(raw, self._character_sets)

    def numbers(self, keyword: str, count: int) -> tuple[float, ...]:
        """Return an entry as ``count`` finite numbers.

        Raises:
            NonsenseError: If it is missing or something else.
        """
        numbers = self.find_numbers(keyword, count)
        if numbers is None:
            raise NonsenseError(
                f"{keyword} has something else where {count} {'number' if count == 1 else 'numbers'} should be"
            )
        return numbers

    def number(self, keyword: str, default: float) -> float:
        """Return an entry as one finite number; the default if it is missing or empty.

        Raises:
            NonsenseError: If it is something else.
        """
        return self.numbers(keyword, 1)[0] if self.text(keyword) else float(default)

    def find_numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """Return an entry as ``count`` finite numbers; None if it is missing or something else."""
        kind, raw = self._value(keyword)
        if not raw:
            return None
        for form in self._forms(keyword, kind, raw):
            try:
                numbers = self._unpacked(raw, form) if form else parse_numbers(raw, count)
            except (ValueError, struct.error):
                continue
            if len(numbers) == count and all(map(math.isfinite, numbers)):
                return tuple(numbers)
        return None

    def find_whole(self, keyword: str) -> int | None:
        """Return an entry as a whole number, accepting ``"3.0"``; None if it is missing or something else."""
        numbers = self.find_numbers(keyword, 1)
        return int(numbers[0]) if numbers and abs(numbers[0]) < 2**31 else None

    def items(self, keyword: str) -> list[Entries]:
        """Return the items of a sequence, merged with their nested items; empty if missing or not a sequence."""
        listed = self._found.elements.get(TAGS[keyword])
        return [self._entries(item) for item in listed] if isinstance(listed, list) else []

    def over(self, other: Entries) -> Entries:
        """Return these entries, completed by those of the other that are missing here."""
        return self._entries({**other._found.elements, **self._found.elements})

    def _entries(self, elements: Mapping[int, Value | list[Item]]) -> Entries:
        return Entries(self._found._replace(elements=elements), self._character_sets)

    def _value(self, keyword: str) -> Value:
        value = self._found.elements.get(TAGS[keyword])
        return value if isinstance(value, tuple) else (b"", b"")

    def _forms(self, keyword: str, kind: bytes, raw: bytes) -> Iterable[str]:
        """How the bytes of a number may have to be unpacked, the most likely first; empty for digits."""
        usual = BINARY.get(keyword, "")
        yield usual if kind in _TELLS_NOTHING else _FORMS.get(kind, "")
        yield usual
        if usual:
            yield "I"
            yield ""
        if not _DIGITS.fullmatch(raw):
            yield "d"

    def _unpacked(self, raw: bytes, form: str) -> tuple[float, ...]:
        order = ">" if self._found.is_big_endian else "<"
        count, rest = divmod(len(raw), struct.calcsize(form))
        return () if rest else struct.unpack(f"{order}{count}{form}", raw)


def parse_numbers(raw: bytes, count: int | None = None) -> list[float]:
    r"""Parse the digits of an entry (DS, IS), several numbers separated by backslashes.

    Args:
        raw: The value as in the file; a decimal comma and blanks are accepted.
        count: How many numbers are expected; if there seems to be one instead of several, commas may separate them.

    Returns:
        The numbers; there may be more or fewer than ``count``.

    Raises:
        ValueError: If one of them is not a number.

    Source: DICOM PS3.5 6.2 (DS, IS).

    >>> parse_numbers(b"0,9\\ 0.7 "), parse_numbers(b"0.9,0.7", 2)
    ([0.9, 0.7], [0.9, 0.7])
    """
    parts = raw.strip(b" \0").split(b"\\")
    if count is not None and len(parts) == 1 < count:
        parts = parts[0].split(b",")
    return [float(part.strip(b" \0").replace(b",", b".")) for part in parts]


def read_entries(
    beginning: Callable[[int], bytes], n_bytes: int, wanted: Wanted, layouts: Layouts | None = None
) -> Entries:
    """Read entries at the beginning of a file, and no more of the file than necessary.

    Args:
        beginning: Returns the first n bytes; from :func:`beginning_of`.
        n_bytes: Size of the whole file.
        wanted: Which entries to read; from :func:`want`.
        layouts: Those of headers read before, of the same entries.

    Raises:
        CutShortError: If the file ends before the header does.
        DamagedError: If the bytes cannot be a header.
    """
    head = beginning(FIRST_BYTES)
    while True:
        try:
            is_whole = len(head) >= n_bytes
            if layouts is not None:
                return Entries(layouts.find(head, n_bytes=n_bytes, is_whole=is_whole))
            return Entries(find_elements(head, wanted, is_whole=is_whole))
        except CutShortError:
            if len(head) >= min(n_bytes, _LONGEST_HEADER):
                raise
            longer = beginning(min(len(head) * _GROWTH, _LONGEST_HEADER))
            if len(longer) <= len(head):
                raise
            head = longer


def read_stream(
    stream: IO[bytes], wanted: Wanted, layouts: Layouts | None = None, *, n_bytes: int | None = None
) -> Entries | None:
    """Read entries of an open file, like :func:`read_entries`.

    Args:
        stream: A seekable stream at its beginning.
        wanted: Which entries to read.
        layouts: Those of headers read before, of the same entries.
        n_bytes: Size of the stream, if it is known.

    Returns:
        The entries; None if the file is not DICOM.

    Raises:
        CutShortError: If the file ends before the header does.
        DamagedError: If the bytes cannot be a header.
    """
    if n_bytes is None:
        n_bytes = stream.seek(0, os.SEEK_END)
        stream.seek(0)
    beginning = beginning_of(stream)
    return read_entries(beginning, n_bytes, wanted, layouts) if is_dicom(beginning(FIRST_BYTES)) else None


def want(keywords: Iterable[str], sequences: Iterable[str] = (), *, gathered: Iterable[str] = ()) -> Wanted:
    """Specify which entries to read.

    Args:
        keywords: Entries of the header, and of the items of the sequences. The character set is always read.
        sequences: Sequences whose items are read; for nested sequences, list the outer ones too.
        gathered: Entries of which an item keeps all values of its nested items.
    """
    tags = frozenset(TAGS[keyword] for keyword in ("SpecificCharacterSet", "TransferSyntaxUID", *keywords))
    inside = frozenset(TAGS[keyword] for keyword in sequences)
    return Wanted(tags, inside, max(tags | inside) + 1, frozenset(TAGS[keyword] for keyword in gathered))


def beginning_of(stream: IO[bytes]) -> Callable[[int], bytes]:
    """Return a function that gives the first n bytes of a stream repeatedly, reading each byte only once.

    Args:
        stream: Open at its beginning.
    """
    head = b""

    def beginning(n_bytes: int) -> bytes:
        nonlocal head
        while len(head) < n_bytes and (more := stream.read(max(n_bytes - len(head), FIRST_BYTES))):
            head += more
        return head[:n_bytes]

    return beginning
