"""The identity of each patient of an export, collected over all headers of the patient."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from nephrograde.sources.identity.identity import Identity
from nephrograde.sources.identity.people import People
from nephrograde.sources.identity.revealing import identity_from

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pydicom import Dataset

_NOBODYS_ID = re.compile(r"(anon\w*|unknown|none|test|no ?id|[x0-]+)", re.IGNORECASE)
WHO = ("PatientID", "PatientBirthDate", "PatientName", "StudyInstanceUID")
"""The attributes that distinguish patients, in the order of :func:`original_id`."""
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
    if not is_nobodys(patient_id):
        return patient_id
    person = [text for text in (birth_date, name) if text]
    return " | ".join([*([patient_id] if patient_id else []), *(person or [study_uid])])


def original_id_of(source: Dataset) -> str:
    """Identify the patient of an object as read by pydicom."""
    from nephrograde.volume.dicom.datasets import text_of

    return original_id(*(text_of(source, keyword) for keyword in WHO))


class Gathered:
    """The identity of each patient. Holds each distinct name, number and date once, whatever the number of files.

    Attributes:
        people: All patients, whom the descriptions of each other may name.
    """

    def __init__(self) -> None:
        self.people = People()
        self._known: dict[str, Identity] = {}
        self._of_study: defaultdict[str, set[str]] = defaultdict(set)
        self._studies: defaultdict[str, set[str]] = defaultdict(set)
        self._incomplete: set[str] = set()
        self._merged: dict[str, Identity] = {}

    def __len__(self) -> int:
        return len(self._known)

    def add(
        self,
        who: str,
        revealed: Collection[tuple[int, str]],
        *,
        study_uid: str,
        is_incomplete: bool,
        public_id: str = "",
    ) -> None:
        """Add what one file reveals.

        Args:
            who: From :func:`original_id`, or the pseudonym.
            revealed: What its header reveals, by tag.
            study_uid: StudyInstanceUID.
            is_incomplete: The header has no name, or nobody's id.
            public_id: The patient's id, if it is written as it is.
        """
        self.people.add(revealed, public_id=public_id)
        identity = identity_from(revealed)
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
            who: As given to ``add``.
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


def is_nobodys(patient_id: str) -> bool:
    """Whether a PatientID is empty or a placeholder that many patients share."""
    return not patient_id or _NOBODYS_ID.fullmatch(patient_id) is not None
