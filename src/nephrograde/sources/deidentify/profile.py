"""The treatment of each attribute: DICOM's basic confidentiality profile, and what is retained in addition.

The profile's table lists what to remove, but it cannot know every attribute that a vendor fills. So a second rule
applies: of the attributes that the table does not list, only numbers, code strings, known technical texts and pixels
are carried over.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from importlib import import_module

TABLE_EDITION = "2026c"
"""Edition of DICOM PS3.15 whose Table E.1-1 is used, as transcribed in the library dicom_anonymizer."""


class Treatment(Enum):
    """How an attribute of a header is treated."""

    DROP = "left out"
    EMPTY = "kept without a value"
    DUMMY = "replaced by a word that says so"
    PSEUDONYM = "replaced by the patient's pseudonym"
    CLEAN = "text, kept without what identifies the patient"
    CODE = "part of a code, cleaned and kept if its coding scheme is known"
    CODED = "code string, kept if the standard defines it"
    AGE = "age, kept below 90 years"
    SHIFT = "date, shifted by the patient's days"
    TIME = "time of day, kept if valid"
    UID = "unique identifier, replaced by a keyed one"
    ITEMS = "sequence, each item treated by the same rules"
    NUMBER = "number, kept if valid"
    PIXELS = "bytes of the image, kept"


DESCRIPTORS = frozenset(
    {
        "StudyDescription",
        "SeriesDescription",
        "ProtocolName",
        "ContrastBolusAgent",
        "RequestedProcedureDescription",
        "PerformedProcedureStepDescription",
        "SegmentLabel",
        "SegmentDescription",
        "ROIName",
        "StructureSetLabel",
    }
)
"""Texts that identify phases and masks: kept, but cleaned (Clean Descriptors Option)."""

TECHNICAL_TEXTS = frozenset(
    {
        "Manufacturer",
        "ManufacturerModelName",
        "SoftwareVersions",
        "ConvolutionKernel",
        "ContrastBolusRoute",
        "SegmentAlgorithmName",
        "AlgorithmName",
        "AlgorithmVersion",
    }
)
"""Texts about the scanner and the processing: kept, but cleaned as well."""

_CODED_TEXTS = frozenset({"RescaleType", "ModalityLUTType"})
"""Short texts with defined terms, treated like code strings."""

CODES = frozenset({"CodeValue", "CodeMeaning", "CodingSchemeDesignator", "CodingSchemeVersion"})
"""Parts of codes: kept, but cleaned, if the standard knows their coding scheme."""

CHARACTERISTICS = frozenset({"PatientSex", "PatientAge", "PatientSize", "PatientWeight"})
"""Kept unless the settings say otherwise (Retain Patient Characteristics Option): a clinical baseline needs them."""

DATES = frozenset(
    {
        "StudyDate",
        "SeriesDate",
        "AcquisitionDate",
        "ContentDate",
        "InstanceCreationDate",
        "StructureSetDate",
        "AcquisitionDateTime",
        "StartAcquisitionDateTime",
        "EndAcquisitionDateTime",
        "FrameAcquisitionDateTime",
        "FrameReferenceDateTime",
    }
)
TIMES = frozenset(
    {
        "StudyTime",
        "SeriesTime",
        "AcquisitionTime",
        "ContentTime",
        "InstanceCreationTime",
        "StructureSetTime",
        "ContrastBolusStartTime",
        "ContrastBolusStopTime",
    }
)
"""With ``DATES``, what distinguishes the phases (Retain Longitudinal Temporal Information Modified Dates Option). All
other dates and times are removed, above all the date of birth."""

_PIXELS = frozenset(
    {
        "PixelData",
        "FloatPixelData",
        "DoubleFloatPixelData",
        "LUTData",
        "RedPaletteColorLookupTableData",
        "GreenPaletteColorLookupTableData",
        "BluePaletteColorLookupTableData",
    }
)
_TEXT_VRS = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "UR", "AE"})
_NUMBER_VRS = frozenset({"DS", "IS", "US", "SS", "UL", "SL", "FL", "FD", "SV", "UV", "AT", "US or SS"})
_EMPTIED = frozenset({"Z", "X_Z", "Z_D", "X_Z_D"})  # an empty value is valid wherever an attribute may be required
_BY_VR = {"SQ": Treatment.ITEMS, "UI": Treatment.UID, "CS": Treatment.CODED, "PN": Treatment.EMPTY}


@cache
def treatment(tag: int, *, keep_descriptions: bool = True, keep_characteristics: bool = True) -> Treatment:
    """Look up the treatment of an attribute by its tag alone, whatever type the file claims for it.

    Args:
        tag: Group and element as one number.
        keep_descriptions: Keep ``DESCRIPTORS``, cleaned; otherwise the profile's table decides.
        keep_characteristics: Keep ``CHARACTERISTICS``; otherwise the profile's table decides.

    Returns:
        The treatment. Private attributes, overlays, curves and attributes that are not in DICOM's dictionary are always
        dropped.

    **Source:** DICOM PS3.15 Table E.1-1 (basic profile and its options 113105, 113107, 113108), as transcribed in
    dicom_anonymizer 2.1. Where the table offers a choice, an empty value is preferred to removal, and removal to a
    dummy. The table does not cover the other attributes that are kept.

    >>> [treatment(tag).name for tag in (0x00100010, 0x00100030, 0x0008103E, 0x0020000D)]  # name, birth date, series
    ['PSEUDONYM', 'EMPTY', 'CLEAN', 'UID']
    >>> [treatment(tag).name for tag in (0x00091001, 0x60003000)]  # private, overlay
    ['DROP', 'DROP']
    """
    from pydicom.datadict import dictionary_keyword, dictionary_VR

    group = tag >> 16
    if group % 2 or tag & 0xFFFF == 0 or group < 0x0008 or group & 0xFF00 in {0x5000, 0x6000} or group >= 0xFFF0:
        return Treatment.DROP
    try:
        vr, keyword = dictionary_VR(tag), dictionary_keyword(tag)
    except KeyError:
        return Treatment.DROP
    if by_name := _by_name(keyword, keep_descriptions):
        return by_name
    listed = None if keep_characteristics and keyword in CHARACTERISTICS else _table().get(tag)
    return _by_table(listed, vr) if listed else _by_vr(vr)


def _by_name(keyword: str, keep_descriptions: bool) -> Treatment | None:
    ours = {
        Treatment.PSEUDONYM: {"PatientName", "PatientID"},
        Treatment.SHIFT: DATES,
        Treatment.TIME: TIMES,
        Treatment.CLEAN: TECHNICAL_TEXTS | DESCRIPTORS if keep_descriptions else TECHNICAL_TEXTS,
        Treatment.CODE: CODES,
        Treatment.CODED: _CODED_TEXTS,
        Treatment.PIXELS: _PIXELS,
    }
    return next((way for way, keywords in ours.items() if keyword in keywords), None)


def _by_table(listed: str, vr: str) -> Treatment:
    if listed in {"U", "X_Z_U_STAR"}:
        return _BY_VR.get(vr, Treatment.DROP)
    if listed in _EMPTIED:
        return Treatment.EMPTY
    return Treatment.DUMMY if listed == "D" and vr in {*_TEXT_VRS, "PN"} else Treatment.DROP


def _by_vr(vr: str) -> Treatment:
    if vr in _BY_VR:
        return _BY_VR[vr]
    if vr in _TEXT_VRS:
        return Treatment.EMPTY
    if vr == "AS":
        return Treatment.AGE
    return Treatment.NUMBER if vr in _NUMBER_VRS else Treatment.DROP


@cache
def _table() -> dict[int, str]:
    """Table E.1-1 by tag, without its repeating groups, which are dropped before the table is used."""
    listed = import_module(f"dicomanonymizer.dicom_anonymization_databases.dicomfields_{TABLE_EDITION}")
    kinds = ("X", "Z", "D", "U", "Z_D", "X_Z", "X_D", "X_Z_D", "X_Z_U_STAR")
    return {tag[0] << 16 | tag[1]: kind for kind in kinds for tag in getattr(listed, f"{kind}_TAGS") if len(tag) == 2}
