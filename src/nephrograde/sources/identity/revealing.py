"""What headers reveal about patients: which attributes, in the header itself and in its sequences."""

from __future__ import annotations

from collections.abc import MutableSequence
from functools import cache
from typing import TYPE_CHECKING

from nephrograde.sources.identity.identity import Identity
from nephrograde.volume.dicom.datasets import character_sets_of, texts_of
from nephrograde.volume.dicom.dictionary import TAGS
from nephrograde.volume.dicom.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydicom import Dataset

    from nephrograde.volume.dicom.elements import Item, Value

LAST_GROUP = 0x5200
"""Groups from here on hold functional groups, curves and pixels, and nobody's name."""
_DEEPEST = 16
_FEWEST_DIGITS = 4
_IDS = ("PatientID", "OtherPatientIDs", "PatientTelephoneNumbers", "PatientBirthDateInAlternativeCalendar")
_ORDERS = (
    *("AccessionNumber", "AdmissionID", "StudyID", "MedicalRecordLocator", "RequestedProcedureID", "ServiceEpisodeID"),
    *("ScheduledProcedureStepID", "PerformedProcedureStepID", "PlacerOrderNumberImagingServiceRequest"),
    *("FillerOrderNumberImagingServiceRequest", "ClinicalTrialSubjectID", "DeviceSerialNumber", "SpecimenIdentifier"),
)
"""Their values are often codes such as "CT ABD", so only those with digits count as numbers."""
_PLACES = (
    *("InstitutionName", "InstitutionAddress", "PatientAddress", "InstitutionalDepartmentName", "RequestingService"),
    *("CurrentPatientLocation", "PatientInstitutionResidence", "PerformedStationName", "StationName"),
)


@cache
def kinds_by_tag() -> Mapping[int, str]:
    """What each attribute reveals, by its tag: "names", "numbers", "orders", "birth_dates" or "places"."""
    from pydicom._dicom_dict import DicomDictionary
    from pydicom.datadict import tag_for_keyword

    kinds = {tag: "names" for tag, (vr, *_) in DicomDictionary.items() if vr == "PN" and tag >> 16 < LAST_GROUP}
    listed = {"numbers": _IDS, "orders": _ORDERS, "places": _PLACES, "birth_dates": ("PatientBirthDate",)}
    kinds |= {tag_for_keyword(name) or 0: kind for kind, names in listed.items() for name in names}
    return kinds


@cache
def sequences() -> frozenset[int]:
    """Tags of the sequences whose items may reveal something."""
    from pydicom._dicom_dict import DicomDictionary

    return frozenset(tag for tag, (vr, *_) in DicomDictionary.items() if vr == "SQ" and tag >> 16 < LAST_GROUP)


def identity_from(found: Iterable[tuple[int, str]]) -> Identity:
    """Collect an identity from the values of attributes.

    Args:
        found: Tags and decoded values; other attributes are ignored.

    >>> identity_from([(0x00100010, "Kowalska"), (0x00200010, "CT ABD"), (0x00080050, "ACC77123")])
    Identity(names=('Kowalska',), numbers=('ACC77123',), birth_dates=(), places=())
    """
    kinds: dict[str, dict[str, None]] = {name: {} for name in ("names", "numbers", "birth_dates", "places")}
    for tag, text in found:
        kind = kinds_by_tag().get(tag, "")
        if kind == "orders":
            kind = "numbers" if sum(map(str.isdecimal, text)) >= _FEWEST_DIGITS else ""
        if kind and text.strip():
            kinds[kind][text] = None
    return Identity(**{kind: tuple(texts) for kind, texts in kinds.items()})


def identity_of(source: Dataset) -> Identity:
    """Collect what identifies the patient, and everyone else who is named, from a header and its sequences.

    Args:
        source: The data set as read.
    """
    return identity_from(_values(source, (), depth=0))


def _values(source: Dataset, outer_charsets: tuple[str, ...], *, depth: int) -> Iterator[tuple[int, str]]:
    charsets = character_sets_of(source, outer_charsets)
    for tag in map(int, source.keys()):
        if tag in kinds_by_tag():
            yield from ((tag, text) for text in texts_of(source, tag, charsets))
        elif tag in sequences() and depth < _DEEPEST:
            items = source[tag].value
            for item in items if isinstance(items, MutableSequence) else ():
                if hasattr(item, "keys"):
                    yield from _values(item, charsets, depth=depth + 1)


def values_in(elements: Mapping[int, Value | list[Item]], sets: str) -> Iterator[tuple[int, str]]:
    """Decode elements that were found without pydicom, and those in their sequences.

    Args:
        elements: From :func:`~nephrograde.volume.dicom.elements.find_elements`.
        sets: SpecificCharacterSet of the header.
    """
    for tag, value in elements.items():
        if isinstance(value, list):
            for item in value:
                inner = text_in(item, TAGS["SpecificCharacterSet"], "") or sets
                for held, (_, raw) in item.items():
                    yield from ((held, text.strip(" \0")) for text in decode_text(raw, inner).split("\\"))
        else:
            yield from ((tag, text.strip(" \0")) for text in decode_text(value[1], sets).split("\\"))


def text_in(elements: Mapping[int, Value | list[Item]] | Item, tag: int, sets: str) -> str:
    """Return one of the elements as decoded text; empty if missing."""
    value = elements.get(tag)
    if not isinstance(value, tuple):
        return ""
    return "\\".join(part.strip(" \0") for part in decode_text(value[1], sets).split("\\"))
