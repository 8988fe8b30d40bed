"""Whole data sets, as pydicom reads them: for pixels, for masks and for writing a header anew."""

from __future__ import annotations

import logging
import struct
import threading
import warnings
import zlib
from collections.abc import MutableSequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.errors import BytesLengthException, InvalidDicomError

from nephrograde.volume.dicom.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset

PYDICOM_ERRORS = (
    *(InvalidDicomError, BytesLengthException, OSError, EOFError, ValueError, LookupError, AttributeError, TypeError),
    *(ArithmeticError, MemoryError, AssertionError, RuntimeError, struct.error, zlib.error),
)
"""What pydicom raises on bytes that are not what they say; OSError too, so open a file first to tell that it can be."""

BINARY_VRS = frozenset({"US", "SS", "UL", "SL", "FL", "FD", "SV", "UV", "AT"})
_ONE_TEXT = {"LT", "ST", "UT", "UR"}
_quiet_lock = threading.RLock()


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


def text_of(dataset: Dataset, keyword: str, character_sets: tuple[str, ...] | None = None) -> str:
    """The decoded text of an element, several values with a backslash between them; empty where it is missing.

    Args:
        dataset: As read: the object, or an item of a sequence in it.
        keyword: The element's name in the standard.
        character_sets: Those declared, for an item; None where ``dataset`` declares them.
    """
    tag = tag_for_keyword(keyword)
    sets = character_sets_of(dataset) if character_sets is None else character_sets
    return "" if tag is None else "\\".join(texts_of(dataset, tag, sets))


def character_sets_of(dataset: Dataset, outer: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The character sets that an object, or an item of a sequence, declares; else those of what it is in."""
    return tuple(texts_of(dataset, 0x00080005, ())) or outer


def texts_of(dataset: Dataset, tag: int, character_sets: tuple[str, ...]) -> list[str]:
    """The values of an element as texts, whatever type the file gives it; none where there are none.

    Args:
        dataset: As read.
        tag: Group and element as one number.
        character_sets: Those declared.
    """
    element = dataset.get_item(tag)
    value = None if element is None else element.value
    if element is None or value is None:
        return []
    if isinstance(value, bytes) and (element.VR or dictionary_VR(tag)) in {*BINARY_VRS, "US or SS"}:
        value = dataset[tag].value
    if isinstance(value, bytes):
        text = decode_text(value, character_sets)
        return [text] if dictionary_VR(tag) in _ONE_TEXT else [part.strip(" \0") for part in text.split("\\")]
    values = list(value) if isinstance(value, MutableSequence) else [value]  # a PersonName is one, though it iterates
    return [str(one).strip(" \0") for one in values]
