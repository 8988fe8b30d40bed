"""The entries of a DICOM header, read for what they say and not for how they are written.

Numbers are taken from the raw bytes: with a comma or blanks in them, as text where the standard wants binary or the
other way round, under the wrong VR or none. Whatever the bytes are, the errors are those of ``DAMAGED``.
"""

from __future__ import annotations

import logging
import struct
import threading
import warnings
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.sequence import Sequence as ItemSequence
from pydicom.tag import Tag

from nephrograde.volume.dicom.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset

DAMAGED = (
    *(
        InvalidDicomError,
        BytesLengthException,
        OSError,
        EOFError,
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
        ArithmeticError,
    ),
    *(NotImplementedError, RecursionError, MemoryError, AssertionError, RuntimeError, struct.error, zlib.error),
)
"""What pydicom raises on bytes that are not what they say; OSError too, so open a file first to tell that it can be."""

_FORMS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "US or SS": "H", "OW": "H"}
_GROUPS = {b"\x02\x00", b"\x08\x00"}
_HIGHEST_FIRST_ELEMENT = 0x20
_quiet_lock = threading.RLock()


class NonsenseError(ValueError):
    """An entry does not say what it should; the message names it and does not repeat its value."""


class Elements:
    """The entries of a dataset or of an item of a sequence in it."""

    def __init__(self, dataset: Dataset, character_sets: str | None = None) -> None:
        self._dataset = dataset
        self._character_sets = self.text("SpecificCharacterSet") if character_sets is None else character_sets

    def __contains__(self, keyword: str) -> bool:
        return keyword in self._dataset

    def text(self, keyword: str) -> str:
        """An entry as text, decoded; empty where it is missing."""
        value, form, _ = self._raw(keyword)
        if value is None:
            return ""
        if isinstance(value, bytes) and form and len(value) % struct.calcsize(form) == 0:
            return "\\".join(f"{number:g}" for number in _unpacked(value, form))
        if isinstance(value, bytes):
            return decode_text(value, getattr(self, "_character_sets", ""))
        return "\\".join(map(str, value)) if isinstance(value, list | pydicom.multival.MultiValue) else str(value)

    def numbers(self, keyword: str, count: int) -> list[float]:
        """An entry as that many finite numbers.

        Raises:
            NonsenseError: Where it is something else.
        """
        value, *forms = self._raw(keyword)
        for form in forms:
            try:
                numbers = _unpacked(value, form) if form and isinstance(value, bytes) else _parsed(value, count)
            except (ValueError, struct.error):
                continue
            if len(numbers) == count and np.isfinite(numbers).all():
                return numbers
        raise NonsenseError(
            f"{keyword} has something else where {count} {'number' if count == 1 else 'numbers'} should be"
        )

    def number(self, keyword: str, default: float) -> float:
        """An entry as one finite number; the default where it is missing or empty.

        Raises:
            NonsenseError: Where it is something else.
        """
        return self.numbers(keyword, 1)[0] if self.text(keyword) else float(default)

    def items(self, keyword: str) -> list[Elements]:
        """The items of a sequence; none where it is missing or no sequence."""
        if keyword not in self._dataset:
            return []
        value = self._dataset[keyword].value
        return [Elements(item, self._character_sets) for item in value] if isinstance(value, ItemSequence) else []

    def _raw(self, keyword: str) -> tuple[Any, str, str]:
        """The value, undecoded where pydicom has not touched it, and how its bytes may have to be unpacked."""
        tag = Tag(tag_for_keyword(keyword) or 0)
        if tag not in self._dataset:
            return None, "", ""
        try:
            element = self._dataset.get_item(tag)
        except DAMAGED:  # an entry that cannot be read is as good as missing
            return None, "", ""
        order = "<" if getattr(element, "is_little_endian", True) else ">"
        forms = [_FORMS.get(vr or "", "") for vr in (element.VR, dictionary_VR(tag))]
        declared, usual = (order + form if form else "" for form in forms)
        return element.value, usual if element.VR in {None, "UN", "OB"} else declared, usual


def read_elements(path: Path, keywords: Sequence[str]) -> tuple[Elements, str, str]:
    """Read some entries of a file's header.

    Args:
        path: A DICOM file, with or without its preamble.
        keywords: Which entries.

    Returns:
        The entries, the transfer syntax and the SOP class of the file ("" where it does not say).

    Raises:
        OSError: Where the file cannot be read; one of ``DAMAGED`` where it is no sound DICOM.

    Source: DICOM PS3.5 7 and PS3.10 7.1.
    """
    dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(keywords), force=True)
    syntax = dataset.file_meta.get("TransferSyntaxUID", "")
    if not syntax:  # pydicom has looked at the bytes
        implicit, little = dataset.original_encoding
        syntax = "1.2.840.10008.1.2" + ("" if implicit else ".1" if little else ".2")
    sop_class = dataset.file_meta.get("MediaStorageSOPClassUID", "") or Elements(dataset).text("SOPClassUID")
    return Elements(dataset), str(syntax), str(sop_class)


def begins_as_dicom(head: bytes) -> bool:
    r"""Whether a file that begins so is DICOM: ``DICM`` after 128 bytes, or the first entries with no preamble.

    Args:
        head: The first 132 bytes or more.

    Source: DICOM PS3.10 7.1; without a preamble the first element is one of group 0002 or 0008 (our choice).

    >>> begins_as_dicom(bytes(128) + b"DICM"), begins_as_dicom(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100")
    (True, True)
    >>> begins_as_dicom(b"PK\x03\x04" + bytes(200)), begins_as_dicom(b"")
    (False, False)
    """
    if head[128:132] == b"DICM":
        return True
    if len(head) < 16:
        return False
    swapped = head[1::-1] in _GROUPS
    element = int.from_bytes(head[2:4], "big" if swapped else "little")
    if not (swapped or head[:2] in _GROUPS) or element > _HIGHEST_FIRST_ELEMENT:
        return False
    if head[4:6].isalpha() and head[4:6].isupper():
        return True
    return not swapped and int.from_bytes(head[4:8], "little") <= 64  # the length of a short first entry


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from warning and from logging while it reads what others wrote: its messages quote headers.

    One thread at a time, as filters are global.
    """
    log = logging.getLogger("pydicom")
    with _quiet_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        was_disabled, log.disabled = log.disabled, True
        try:
            yield
        finally:
            log.disabled = was_disabled


def _unpacked(value: bytes, form: str) -> list[float]:
    size = struct.calcsize(form)
    return [float(number) for number in struct.unpack(f"{form[0]}{len(value) // size}{form[1]}", value)]


def _parsed(value: Any, count: int) -> list[float]:
    if value is None:
        return []
    if not isinstance(value, bytes | str):
        return [
            float(number) for number in (value if isinstance(value, list | pydicom.multival.MultiValue) else [value])
        ]
    text = value.decode("ascii", errors="replace") if isinstance(value, bytes) else value
    parts = text.strip(" \0").split("\\")
    if len(parts) == 1 < count:
        parts = text.strip(" \0").split(",")
    return [float(part.strip(" \0").replace(",", ".")) for part in parts]
