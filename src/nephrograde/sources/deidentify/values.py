"""Values of elements, whatever type the file claims for them, and elements built from values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nephrograde.volume.dicom.datasets import BINARY_VRS, texts_of

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?")
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
    """Build a numeric element of the type that DICOM defines; None if the text is not a number."""
    from pydicom import DataElement
    from pydicom.config import IGNORE
    from pydicom.datadict import dictionary_VR

    vr = dictionary_VR(tag)
    item = source.get_item(tag)
    if item.VR in BINARY_VRS and vr in {item.VR, "US or SS"}:
        return DataElement(tag, item.VR, source[tag].value)
    if vr in {"US or SS", "AT"} or (item.VR is None and vr in BINARY_VRS):
        value = source[tag].value
        if isinstance(value, bytes) and len(value) > 6:  # at most the three numbers of a lookup table
            return None
        return DataElement(tag, vr, value)
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


def bytes_element(source: Dataset, tag: int) -> DataElement | None:
    """Copy the bytes of an image or of a lookup table as they are in the file."""
    from pydicom import DataElement
    from pydicom.datadict import dictionary_VR

    item = source.get_item(tag)
    if not isinstance(item.value, bytes):
        return None
    known = dictionary_VR(tag)
    vr = item.VR if item.VR in known.split(" or ") else known
    return DataElement(tag, vr, item.value)
