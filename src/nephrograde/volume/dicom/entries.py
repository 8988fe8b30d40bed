"""The entries of a DICOM header, read for what they say and not for how they are written.

Numbers are taken with a comma or blanks in them, as text where the standard wants binary or the other way round, under
the wrong VR or none.
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

    from nephrograde.volume.dicom.elements import Item, Value

FIRST_BYTES = 16 * 2**10
"""As much as most headers need."""
_GROWTH = 8
_LONGEST_HEADER = 64 * 2**20
"""The tables of an enhanced object of some thousand frames take a few MiB."""
_FORMS = {b"US": "H", b"SS": "h", b"UL": "I", b"SL": "i", b"FL": "f", b"FD": "d", b"OW": "H"}
_TELLS_NOTHING = {b"", b"UN", b"OB"}
_DIGITS = re.compile(rb"[ -~]+\0?")  # or what else is text


class NonsenseError(ValueError):
    """An entry does not say what it should; the message names it and does not repeat its value."""


class Entries:
    """The entries of a header, or of an item of a sequence in it."""

    def __init__(self, found: Found, character_sets: str | None = None) -> None:
        """Take what was found.

        Args:
            found: From :func:`~nephrograde.volume.dicom.elements.find_elements`.
            character_sets: SpecificCharacterSet of the header, for an item of it; None where ``found`` says it.
        """
        self._found = found
        self._character_sets = self.word("SpecificCharacterSet") if character_sets is None else character_sets

    @property
    def syntax(self) -> str:
        """The transfer syntax of the file."""
        return self._found.syntax

    def __contains__(self, keyword: str) -> bool:
        return TAGS[keyword] in self._found.elements

    def word(self, keyword: str) -> str:
        """An entry as a UID or code: letters of ASCII, whatever the character set; empty where it is missing."""
        return self._value(keyword)[1].decode("latin-1").strip(" \0")

    def text(self, keyword: str) -> str:
        """An entry as text, decoded, numbers in binary as digits; empty where it is missing."""
        kind, raw = self._value(keyword)
        if not raw:
            return ""
        form = _FORMS.get(kind) or (BINARY.get(keyword) if kind in _TELLS_NOTHING else None)
        if form and len(raw) % struct.calcsize(form) == 0:
            return "\\".join(f"{number:g}" for number in self._unpacked(raw, form))
        return decode_text(raw, self._character_sets)

    def numbers(self, keyword: str, count: int) -> tuple[float, ...]:
        """An entry as that many finite numbers.

        Raises:
            NonsenseError: Where it is missing or something else.
        """
        numbers = self.find_numbers(keyword, count)
        if numbers is None:
            raise NonsenseError(
                f"{keyword} has something else where {count} {'number' if count == 1 else 'numbers'} should be"
            )
        return numbers

    def number(self, keyword: str, default: float) -> float:
        """An entry as one finite number; the default where it is missing or empty.

        Raises:
            NonsenseError: Where it is something else.
        """
        return self.numbers(keyword, 1)[0] if self.text(keyword) else float(default)

    def find_numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """An entry as that many finite numbers; None where it is missing or something else."""
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
        """An entry as a whole number, ``"3.0"`` let through; None where it is missing or something else."""
        numbers = self.find_numbers(keyword, 1)
        return int(numbers[0]) if numbers and abs(numbers[0]) < 2**31 else None

    def items(self, keyword: str) -> list[Entries]:
        """The items of a sequence, each with what the items in it hold; none where it is missing or no sequence."""
        listed = self._found.elements.get(TAGS[keyword])
        return [self._entries(item) for item in listed] if isinstance(listed, list) else []

    def over(self, other: Entries) -> Entries:
        """These entries, and those of the other that are not among them."""
        return self._entries({**other._found.elements, **self._found.elements})

    def _entries(self, elements: Mapping[int, Value | list[Item]]) -> Entries:
        return Entries(self._found._replace(elements=elements), self._character_sets)

    def _value(self, keyword: str) -> Value:
        value = self._found.elements.get(TAGS[keyword])
        return value if isinstance(value, tuple) else (b"", b"")

    def _forms(self, keyword: str, kind: bytes, raw: bytes) -> Iterable[str]:
        """How the bytes of a number may have to be unpacked, the likeliest first; empty for digits."""
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
    r"""Parse the digits of an entry (DS, IS), several numbers with a backslash between them.

    Args:
        raw: The value as it is in the file; a decimal comma and blanks are let through.
        count: How many there should be; where there seems to be one of several, commas may be between them instead.

    Returns:
        The numbers, in whatever number there are.

    Raises:
        ValueError: Where one of them is no number.

    Source: DICOM PS3.5 6.2 (DS, IS).

    >>> parse_numbers(b"0,9\\ 0.7 "), parse_numbers(b"0.9,0.7", 2)
    ([0.9, 0.7], [0.9, 0.7])
    """
    parts = raw.strip(b" \0").split(b"\\")
    if count is not None and len(parts) == 1 < count:
        parts = parts[0].split(b",")
    return [float(part.strip(b" \0").replace(b",", b".")) for part in parts]


def read_entries(beginning: Callable[[int], bytes], n_bytes: int, wanted: Wanted) -> Entries:
    """Read entries at the beginning of a file, and no more of the file than they take.

    Args:
        beginning: Gives the first so many bytes; from :func:`beginning_of`.
        n_bytes: Size of the whole file.
        wanted: Which entries; from :func:`want`.

    Raises:
        CutShortError: Where the file ends before the header does.
        DamagedError: Where the bytes cannot be a header.
    """
    head = beginning(FIRST_BYTES)
    while True:
        try:
            return Entries(find_elements(head, wanted, is_whole=len(head) >= n_bytes))
        except CutShortError:
            if len(head) >= min(n_bytes, _LONGEST_HEADER):
                raise
            longer = beginning(min(len(head) * _GROWTH, _LONGEST_HEADER))
            if len(longer) <= len(head):
                raise
            head = longer


def read_stream(stream: IO[bytes], wanted: Wanted) -> Entries | None:
    """Read entries of an open file, as :func:`read_entries` does.

    Args:
        stream: At its beginning; must be able to seek.
        wanted: Which entries.

    Returns:
        The entries; None where the file is not DICOM.

    Raises:
        CutShortError: Where the file ends before the header does.
        DamagedError: Where the bytes cannot be a header.
    """
    n_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    beginning = beginning_of(stream)
    return read_entries(beginning, n_bytes, wanted) if is_dicom(beginning(FIRST_BYTES)) else None


def want(keywords: Iterable[str], sequences: Iterable[str] = (), *, gathered: Iterable[str] = ()) -> Wanted:
    """Say which entries to read.

    Args:
        keywords: Entries of the header, and of the items of the sequences. The character set is read in any case.
        sequences: Sequences whose items are read; those in other sequences need these too.
        gathered: Entries of which an item keeps all that the items in it hold.
    """
    tags = frozenset(TAGS[keyword] for keyword in ("SpecificCharacterSet", "TransferSyntaxUID", *keywords))
    inside = frozenset(TAGS[keyword] for keyword in sequences)
    return Wanted(tags, inside, max(tags | inside) + 1, frozenset(TAGS[keyword] for keyword in gathered))


def beginning_of(stream: IO[bytes], *, step_bytes: int = FIRST_BYTES) -> Callable[[int], bytes]:
    """Give the first so many bytes of a stream, as often as asked, reading each byte once.

    Args:
        stream: Open at its beginning.
        step_bytes: As much at least is read at once.
    """
    head = b""

    def beginning(n_bytes: int) -> bytes:
        nonlocal head
        while len(head) < n_bytes and (more := stream.read(max(n_bytes - len(head), step_bytes))):
            head += more
        return head[:n_bytes]

    return beginning
