"""Which objects are written: images and masks, but nothing that may contain a name in its pixels or text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.sources.deidentify.uids import is_registered
from nephrograde.volume.dicom.datasets import text_of
from nephrograde.volume.dicom.dictionary import SECONDARY_CAPTURE_CLASS, SEGMENTATION_CLASSES, STRUCTURE_SET_CLASS

if TYPE_CHECKING:
    from pydicom import Dataset

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_TEXT_MODALITIES = {"OT", "SC", "DOC", "US", "XC", "ES", "GM", "HC"}
_WORDS_OF_PAGES = re.compile(
    r"dose.?(report|sheet|info|summary|record|page)|dosis.?protokoll|patient.?protocol|screen.?(save|shot|capture)"
    r"|captured?.?image|raport.?dawki|剂量报告|剂量信息",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an object is written.

    Attributes:
        reason: Why the object is set aside; empty if it may be written.
        is_suspect: Whether it may contain burned-in text, so that a person must decide; otherwise it is never written.
    """

    reason: str = ""
    is_suspect: bool = False


def judge(header: Dataset) -> Verdict:
    """Decide whether an object may be written without a person checking it.

    Reports, encapsulated documents, presentation states and everything else that is not an image, DICOM SEG or RTSTRUCT
    are never written. An image is suspected of burned-in text if the header says so, or if it is of a kind that often
    contains text: secondary captures, dose sheets, screenshots, colour images, 8 bits per pixel, ultrasound. The pixels
    are not searched for text.

    Args:
        header: The object's header.

    **Source:** DICOM PS3.3 C.7.6.1.1.7 (BurnedInAnnotation), A.8 (secondary capture).

    >>> from pydicom import Dataset
    >>> image = Dataset()
    >>> image.SOPClassUID, image.Rows, image.PixelData = "1.2.840.10008.5.1.4.1.1.2", 1, b"00"
    >>> judge(image)
    Verdict(reason='', is_suspect=False)
    >>> image.BurnedInAnnotation = "YES"
    >>> judge(image)
    Verdict(reason='the header says that text is burnt in', is_suspect=True)
    """
    sop_class = text_of(header, "SOPClassUID")
    if sop_class == STRUCTURE_SET_CLASS:
        return Verdict()
    if not sop_class.startswith(_STORAGE) or not is_registered(sop_class):
        return Verdict(
            "the header does not say what kind of object it is" if not sop_class else "a private kind of object"
        )
    if "Rows" not in header or not any(
        name in header for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
    ):
        return Verdict("not an image: report, document or other object")
    if text_of(header, "BurnedInAnnotation").upper() == "YES":
        return Verdict("the header says that text is burnt in", is_suspect=True)
    if sop_class in SEGMENTATION_CLASSES:
        return Verdict()
    return _suspect_kind(header, sop_class)


def _suspect_kind(header: Dataset, sop_class: str) -> Verdict:
    words = " ".join(text_of(header, name) for name in ("ImageType", "SeriesDescription", "StudyDescription"))
    kinds = {
        "a secondary capture": sop_class == SECONDARY_CAPTURE_CLASS
        or sop_class.startswith(f"{SECONDARY_CAPTURE_CLASS}.")
        or "ConversionType" in header,
        "of a modality whose images often carry text": text_of(header, "Modality").upper() in _TEXT_MODALITIES,
        "a dose sheet or screen": bool(_WORDS_OF_PAGES.search(words)),
        "in colour": text_of(header, "SamplesPerPixel") not in {"", "1"}
        or text_of(header, "PhotometricInterpretation").upper() == "PALETTE COLOR",
        "of 8 bits a pixel": text_of(header, "BitsAllocated") == "8",
    }
    found = next((kind for kind, holds in kinds.items() if holds), "")
    return Verdict(f"burnt-in text suspected: {found}", is_suspect=True) if found else Verdict()
