"""A de-identified header: an attribute is carried over only if a rule for its name or its type allows it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nephrograde.sources.deidentify.pixels import PIXELS, clean_pixels
from nephrograde.sources.deidentify.profile import Treatment, treatment
from nephrograde.sources.deidentify.tables import TABLES, clean_table
from nephrograde.sources.deidentify.terms import is_code, is_term
from nephrograde.sources.deidentify.values import bytes_element, number_element, text_element
from nephrograde.sources.identity.people import People
from nephrograde.volume.dicom.datasets import BINARY_VRS, character_sets_of, text_of, texts_of
from nephrograde.volume.dicom.moment import read_day, read_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom import DataElement, Dataset

    from nephrograde.sources.deidentify.key import Subject
    from nephrograde.sources.identity.identity import Identity

REMOVED = "REMOVED"
METHOD = "nephrograde: basic profile, descriptors cleaned, dates shifted"
_METHOD_CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
}
_CHARACTER_SET = 0x00080005  # of the texts as read; the texts that are written are in UTF-8
_SHORTEST_ID = 6
_DEEPEST = 16  # levels of nested sequences
_TIME = re.compile(r"\d{2}(:?\d{2}(:?\d{2}(\.\d{1,6})?)?)?")
_DATE_TIME = re.compile(r"\d{8}((?:\d\d){0,3}(?:\.\d{1,6})?(?:[+-]\d{4})?)")


@dataclass(frozen=True, slots=True)
class Cleaner:
    """Builds de-identified headers for one patient.

    Attributes:
        subject: The patient's pseudonym and date shift.
        new_uid: Maps a UID to its replacement.
        identity: What the object reveals about the patient's identity.
        people: All patients of the export.
        keep_descriptions: Keep descriptions, cleaned.
        keep_characteristics: Keep sex, age, size and weight.
    """

    subject: Subject
    new_uid: Callable[[str], str]
    identity: Identity
    people: People = field(default_factory=People)
    keep_descriptions: bool = True
    keep_characteristics: bool = True

    def cleaned(self, source: Dataset) -> Dataset:
        """Build the object with a de-identified header, ready to be written in its transfer syntax.

        Args:
            source: The object as read, with its file meta information.

        Returns:
            A new object with new file meta information, texts in UTF-8, and the attributes that state the
            de-identification method.

        Raises:
            ValueError: Or another of ``PYDICOM_ERRORS``, if the object is malformed.

        **Source:** DICOM PS3.15 E.1.1 and E.2; PS3.10 7.1.
        """
        from pydicom.uid import UID

        syntax = UID(str(source.file_meta.TransferSyntaxUID))
        target = self._cleaned_items(source, (), depth=0)
        target.SpecificCharacterSet = "ISO_IR 192"
        _require_modality_tables(target)
        self._clean_pixels(source, target, syntax)
        self._state_method(target)
        target.file_meta = _file_meta(target, syntax)
        target.preamble = b"\0" * 128
        return target

    def _cleaned_items(self, source: Dataset, outer_charsets: tuple[str, ...], *, depth: int) -> Dataset:
        from pydicom import Dataset

        target = Dataset()
        charsets = character_sets_of(source, outer_charsets)
        for tag in sorted({int(tag) for tag in source.keys()} - {_CHARACTER_SET}):  # noqa: SIM118
            way = treatment(
                tag, keep_descriptions=self.keep_descriptions, keep_characteristics=self.keep_characteristics
            )
            element = None
            if way is Treatment.ITEMS:
                element = self._sequence(source, tag, charsets, depth)
            elif way is Treatment.NUMBER:
                element = None if self._is_id(source, tag, charsets) else number_element(source, tag, charsets)
            elif way is Treatment.PIXELS:
                element = bytes_element(source, tag, _image_bytes(source, tag))
            elif way is not Treatment.DROP:
                element = text_element(tag, self._new_texts(way, source, tag, charsets))
            if element is not None:
                target.add(element)
        return target

    def _new_texts(self, way: Treatment, source: Dataset, tag: int, charsets: tuple[str, ...]) -> list[str]:
        if way is Treatment.EMPTY:
            return []
        if way is Treatment.PSEUDONYM:
            return [self.subject.patient_id]
        if way is Treatment.DUMMY:
            return [REMOVED]
        keyword = _keyword_of(tag)
        if way is Treatment.CODE:
            scheme = text_of(source, "CodingSchemeDesignator", charsets)
            found = texts_of(source, tag, charsets)
            return [self._code_part(keyword, text) if is_code(keyword, text, scheme) else "" for text in found]
        change = {
            Treatment.CLEAN: self._cleaned_text,
            Treatment.CODED: lambda text: text if is_term(keyword, text) else "",
            Treatment.AGE: _age,
            Treatment.SHIFT: self._shifted,
            Treatment.TIME: _time,
            Treatment.UID: self.new_uid,
        }[way]
        return [change(text) for text in texts_of(source, tag, charsets)]

    def _cleaned_text(self, text: str) -> str:
        return self.people.removed_from(self.identity.removed_from(text))

    def _is_id(self, source: Dataset, tag: int, charsets: tuple[str, ...]) -> bool:
        """Whether an element whose numbers are written in digits has the patient's id instead of one."""
        if source.get_item(tag).VR in BINARY_VRS:
            return False
        texts = (text.lstrip("0") for text in texts_of(source, tag, charsets))
        return any(len(text) >= _SHORTEST_ID and text.isdecimal() and self.identity.is_in(text) for text in texts)

    def _code_part(self, keyword: str, text: str) -> str:
        if keyword == "CodeMeaning":
            return self._cleaned_text(text)
        return "" if self.identity.is_in(text) else text  # a code of nine digits is nobody's number

    def _shifted(self, text: str) -> str:
        day = read_day(text)
        if day is None:
            return ""
        try:
            shifted = day + timedelta(days=self.subject.days_shifted)
        except OverflowError:
            return ""
        time = _DATE_TIME.fullmatch(text)
        return f"{shifted.year:04d}{shifted.month:02d}{shifted.day:02d}" + (time[1] if time else "")

    def _sequence(self, source: Dataset, tag: int, charsets: tuple[str, ...], depth: int) -> DataElement | None:
        from pydicom import DataElement, Dataset

        items = source[tag].value
        if depth >= _DEEPEST or not all(isinstance(item, Dataset) for item in items or ()):
            return None
        return DataElement(tag, "SQ", [self._cleaned_items(item, charsets, depth=depth + 1) for item in items or ()])

    def _clean_pixels(self, source: Dataset, target: Dataset, syntax: Any) -> None:
        for keyword in PIXELS:
            if keyword not in target:
                continue
            element = target[keyword]
            element.is_undefined_length = syntax.is_encapsulated
            element.value = clean_pixels(
                element.value, source, is_encapsulated=syntax.is_encapsulated, is_little_endian=syntax.is_little_endian
            )

    def _state_method(self, target: Dataset) -> None:
        from pydicom import Dataset

        codes = [
            code
            for code in _METHOD_CODES
            if not (code == "113105" and not self.keep_descriptions)
            and not (code == "113108" and not self.keep_characteristics)
        ]
        target.PatientIdentityRemoved = "YES"
        target.DeidentificationMethod = METHOD
        target.LongitudinalTemporalInformationModified = "MODIFIED"
        target.DeidentificationMethodCodeSequence = []
        for code in codes:
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", _METHOD_CODES[code]
            target.DeidentificationMethodCodeSequence.append(item)


def _image_bytes(source: Dataset, tag: int) -> bytes | None:
    if tag in TABLES:
        return clean_table(source, tag)
    value = source.get_item(tag).value
    return value if isinstance(value, bytes) else None


def _require_modality_tables(target: Dataset) -> None:
    """Require the tables that give pixels their meaning; without them, the values would be others."""
    if any("LUTData" not in item for item in target.get("ModalityLUTSequence") or ()):
        raise ValueError("a modality lookup table that is not one")


def _file_meta(target: Dataset, syntax: Any) -> Any:
    from pydicom.dataset import FileMetaDataset

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = target.SOPClassUID
    meta.MediaStorageSOPInstanceUID = target.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    return meta


def _keyword_of(tag: int) -> str:
    from pydicom.datadict import dictionary_keyword

    return dictionary_keyword(tag)


def _time(text: str) -> str:
    """Return a time as written if it is a valid TM; otherwise convert it to a TM."""
    time = read_time(text)
    if time is None or _TIME.fullmatch(text):
        return text if time else ""
    return f"{time:%H%M%S}"


def _age(text: str) -> str:
    """Format an age; ages of 90 years and over are reported as one category (as under 45 CFR 164.514)."""
    if not re.fullmatch(r"\d{1,3}[DWMY]", text):
        return ""
    return "090Y" if text[-1] == "Y" and int(text[:-1]) > 90 else text.rjust(4, "0")
