"""Who the patients of an export are, from all headers, before the first copy is written.

A name may be known from one file only, while the description of another contains it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from nephrograde.sources.deidentify.found import SetAside
from nephrograde.sources.deidentify.identity import Identity
from nephrograde.sources.deidentify.revealing import LAST_GROUP, identity_from, identity_of, kinds_by_tag, sequences
from nephrograde.volume.dicom.datasets import PYDICOM_ERRORS, quiet, text_of
from nephrograde.volume.dicom.dictionary import TAGS
from nephrograde.volume.dicom.elements import CutShortError, DamagedError, Wanted, find_elements
from nephrograde.volume.dicom.signature import is_dicom
from nephrograde.volume.dicom.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pydicom import Dataset

    from nephrograde.sources.deidentify.found import Content
    from nephrograde.volume.dicom.elements import Item, Value

_NOBODYS_ID = re.compile(r"(anon\w*|unknown|none|test|no ?id|[x0-]+)", re.IGNORECASE)
_WHO = ("PatientID", "PatientBirthDate", "PatientName", "StudyInstanceUID")
_FIRST_BYTES = 16 * 2**10
_GROWTH = 8
_MOST_IN_ONE_STUDY = 3
"""Patients who share a study; more of them are people under one study UID, not one person under several ids."""


def original_id(patient_id: str, birth_date: str, name: str, study_uid: str) -> str:
    """Identify the patient: by id, together with birth date and name, as all patients may share one id or have none.

    Args:
        patient_id: PatientID, decoded, as are the others.
        birth_date: PatientBirthDate.
        name: PatientName.
        study_uid: StudyInstanceUID.
    """
    if not _is_nobodys(patient_id):
        return patient_id
    person = [text for text in (birth_date, name) if text]
    return " | ".join([*([patient_id] if patient_id else []), *(person or [study_uid])])


def original_id_of(source: Dataset) -> str:
    """Identify the patient of an object as read by pydicom."""
    return original_id(*(text_of(source, keyword) for keyword in _WHO))


class Gathered:
    """The identity of each patient. Holds each distinct name, number and date once, whatever the number of files."""

    def __init__(self) -> None:
        self._known: dict[str, Identity] = {}
        self._of_study: defaultdict[str, set[str]] = defaultdict(set)
        self._studies: defaultdict[str, set[str]] = defaultdict(set)
        self._incomplete: set[str] = set()
        self._merged: dict[str, Identity] = {}

    def add(self, who: str, identity: Identity, *, study_uid: str, is_incomplete: bool) -> None:
        """Add what one file reveals.

        Args:
            who: From :func:`original_id`.
            identity: What its header reveals.
            study_uid: StudyInstanceUID.
            is_incomplete: The header has no name, or nobody's id.
        """
        past = self._known.get(who)
        if past is None or past != identity:
            joined = identity if past is None else past.joined(identity)
            self._known[who] = joined if past is None or joined != past else past
        if study_uid and who not in self._of_study[study_uid]:
            self._of_study[study_uid].add(who)
            self._studies[who].add(study_uid)
        if is_incomplete:
            self._incomplete.add(who)

    def identity(self, who: str) -> Identity:
        """Return what all files of a patient reveal.

        If a header of the patient has no name, or nobody's id, this includes what other headers of its studies reveal.

        Args:
            who: From :func:`original_id`.
        """
        if who not in self._merged:
            merged = self._known.get(who, Identity())
            for other in sorted(self._beside(who)):
                merged = merged.joined(self._known[other])
            self._merged[who] = merged.in_order()
        return self._merged[who]

    def _beside(self, who: str) -> Iterable[str]:
        if who not in self._incomplete:
            return ()
        groups = (self._of_study[study] for study in self._studies[who])
        return {other for group in groups if len(group) <= _MOST_IN_ONE_STUDY for other in group if other != who}


def gather(contents: Iterable[Content], *, progress: Callable[[int], None] = lambda _: None) -> Gathered:
    """Read the headers of all files, and as little of each file as that takes.

    Args:
        contents: The files. Those that cannot be read are passed over: they are not written either.
        progress: Called after each file with 1.
    """
    gathered = Gathered()
    for content in contents:
        progress(1)
        try:
            head = content.beginning(_FIRST_BYTES)
        except SetAside:
            continue
        if is_dicom(head):
            _add(gathered, content, head)
    return gathered


def _add(gathered: Gathered, content: Content, head: bytes) -> None:
    try:
        elements = _elements(content, head)
    except DamagedError:
        _add_damaged(gathered, content)
        return
    except (CutShortError, SetAside):
        return
    sets = _text(elements, TAGS["SpecificCharacterSet"], "")
    patient_id, birth_date, name, study_uid = (_text(elements, TAGS[keyword], sets) for keyword in _WHO)
    gathered.add(
        original_id(patient_id, birth_date, name, study_uid),
        identity_from(_values(elements, sets)),
        study_uid=study_uid,
        is_incomplete=not name or _is_nobodys(patient_id),
    )


def _add_damaged(gathered: Gathered, content: Content) -> None:
    """Read a header with pydicom, which understands some of those that the quick reader does not."""
    import io

    from pydicom import dcmread

    try:
        with quiet():
            source = dcmread(io.BytesIO(content.read()), force=True, stop_before_pixels=True)
            identity, who = identity_of(source), original_id_of(source)
            patient_id, name, study_uid = (
                text_of(source, one) for one in ("PatientID", "PatientName", "StudyInstanceUID")
            )
    except (SetAside, *PYDICOM_ERRORS):
        return
    gathered.add(who, identity, study_uid=study_uid, is_incomplete=not name or _is_nobodys(patient_id))


def _elements(content: Content, head: bytes) -> Mapping[int, Value | list[Item]]:
    wanted = _wanted()
    while True:
        try:
            return find_elements(head, wanted, is_whole=len(head) >= content.n_bytes).elements
        except CutShortError as error:
            longer = content.beginning(len(head) * _GROWTH) if len(head) < content.n_bytes else head
            if len(longer) <= len(head):
                return error.found.elements if error.found else {}
            head = longer


def _wanted() -> Wanted:
    tags = {*kinds_by_tag(), *(TAGS[keyword] for keyword in ("SpecificCharacterSet", "TransferSyntaxUID", *_WHO))}
    return Wanted(tags, sequences(), LAST_GROUP << 16, frozenset(kinds_by_tag()))


def _values(elements: Mapping[int, Value | list[Item]], sets: str) -> Iterator[tuple[int, str]]:
    for tag, value in elements.items():
        if isinstance(value, list):
            for item in value:
                inner = _text(item, TAGS["SpecificCharacterSet"], "") or sets
                for held, (_, raw) in item.items():
                    yield from ((held, text.strip(" \0")) for text in decode_text(raw, inner).split("\\"))
        else:
            yield from ((tag, text.strip(" \0")) for text in decode_text(value[1], sets).split("\\"))


def _text(elements: Mapping[int, Value | list[Item]] | Item, tag: int, sets: str) -> str:
    value = elements.get(tag)
    if not isinstance(value, tuple):
        return ""
    return "\\".join(part.strip(" \0") for part in decode_text(value[1], sets).split("\\"))


def _is_nobodys(patient_id: str) -> bool:
    return not patient_id or _NOBODYS_ID.fullmatch(patient_id) is not None
