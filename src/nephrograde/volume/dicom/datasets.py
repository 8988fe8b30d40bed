"""Whole data sets, read with pydicom: for pixels, for masks and for rewriting headers."""

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
    InvalidDicomError,
    BytesLengthException,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    ArithmeticError,
    MemoryError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What pydicom raises on malformed bytes. Includes OSError, so open a file first to check that it can be opened."""

BINARY_VRS = frozenset({"US", "SS", "UL", "SL", "FL", "FD", "SV", "UV", "AT"})
_ONE_TEXT = {"LT", "ST", "UT", "UR"}
_quiet_lock = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from warning and logging while it reads foreign files: its messages quote headers.

    Warning filters are global, so only one thread at a time may use it.
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
    """Return the decoded text of an element, several values joined by backslashes; empty if missing.

    Args:
        dataset: As read: the object, or an item of one of its sequences.
        keyword: The element's name in the standard.
        character_sets: The declared sets, for an item; None if ``dataset`` itself declares them.
    """
    tag = tag_for_keyword(keyword)
    sets = character_sets_of(dataset) if character_sets is None else character_sets
    return "" if tag is None else "\\".join(texts_of(dataset, tag, sets))


def character_sets_of(dataset: Dataset, outer: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the character sets declared by an object or a sequence item; otherwise those of what contains it."""
    return tuple(texts_of(dataset, 0x00080005, ())) or outer


def texts_of(dataset: Dataset, tag: int, character_sets: tuple[str, ...]) -> list[str]:
    """Return the values of an element as texts, whatever their type in the file; empty if there are none.

    Args:
        dataset: As read.
        tag: Group and element as one number.
        character_sets: The declared sets.
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
    values = list(value) if isinstance(value, MutableSequence) else [value]  # a PersonName is one value but iterates
    return [str(one).strip(" \0") for one in values]
