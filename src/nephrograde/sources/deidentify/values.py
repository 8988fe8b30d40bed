"""Values of elements, whatever type the file claims for them, and elements built from values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nephrograde.volume.dicom.datasets import BINARY_VRS, texts_of

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?")
_SHORTEST_TEXT = 8
_TEXT = re.compile(rb"[A-Za-z0-9 ^.=_-]+\0?")
_WHOLE = {"IS", "US", "SS", "UL", "SL", "SV", "UV"}


def text_element(tag: int, texts: list[str]) -> DataElement:
    """Build an element of the type that DICOM defines for the tag; it has no value if the texts are empty."""
    from pydicom import DataElement
    from pydicom.config import IGNORE
    from pydicom.datadict import dictionary_VR

    vr = dictionary_VR(tag)
    if vr == "SQ":
        return DataElement(tag, vr, [])
    if not any(texts):
        return DataElement(tag, vr.split(" or ")[0], None)
    return DataElement(tag, vr, texts[0] if len(texts) == 1 else texts, validation_mode=IGNORE)


def number_element(source: Dataset, tag: int, charsets: tuple[str, ...]) -> DataElement | None:
    """Build a numeric element of the type that DICOM defines; None if the value is text, or another text's bytes."""
    from pydicom import DataElement
    from pydicom.config import IGNORE
    from pydicom.datadict import dictionary_VR

    vr = dictionary_VR(tag)
    found = source.get_item(tag).VR
    is_declared = found in BINARY_VRS and vr in {found, "US or SS"}
    if is_declared or vr in {"US or SS", "AT"} or (found is None and vr in BINARY_VRS):
        return _binary_element(source, tag, found if is_declared else vr)
    texts = [text.replace(",", ".") for text in texts_of(source, tag, charsets)]
    if not any(texts):
        return DataElement(tag, vr, None)
    if not all(_NUMBER.fullmatch(text) for text in texts):
        return None
    values: list[Any] = list(texts)
    if vr in _WHOLE:
        values = [int(float(text)) for text in texts]
    elif vr != "DS":
        values = [float(text) for text in texts]
    return DataElement(tag, vr, values[0] if len(values) == 1 else values, validation_mode=IGNORE)


def bytes_element(source: Dataset, tag: int, value: bytes | None) -> DataElement | None:
    """Build an element of the bytes of an image or of a lookup table, of the type that it has in the file."""
    from pydicom import DataElement
    from pydicom.datadict import dictionary_VR

    if value is None:
        return None
    known, found = dictionary_VR(tag), source.get_item(tag).VR
    is_sound = found in known.split(" or ") and found not in BINARY_VRS  # those would be written as numbers
    return DataElement(tag, found if is_sound else "OW" if "OW" in known else known, value)


def _binary_element(source: Dataset, tag: int, vr: str) -> DataElement | None:
    from pydicom import DataElement

    stored = source.get_item(tag).value
    if isinstance(stored, bytes) and _is_text(stored):
        return None
    value = source[tag].value
    if isinstance(value, bytes) and len(value) > 6:  # at most the three numbers of a lookup table
        return None
    return _counted(DataElement(tag, vr, value))


def _is_text(value: bytes) -> bool:
    """Whether the bytes of binary numbers are letters and digits throughout, as those of numbers hardly ever are."""
    return len(value) >= _SHORTEST_TEXT and _TEXT.fullmatch(value) is not None


def _counted(element: DataElement) -> DataElement | None:
    """Return an element if it has as many values as DICOM allows."""
    from pydicom.datadict import dictionary_VM

    most = dictionary_VM(element.tag).rpartition("-")[2]
    return element if not most.isdecimal() or int(most) >= element.VM else None
