"""Pseudonyms that reveal nothing about patients, and the key that maps them back; the key is kept separately."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING

from nephrograde.cohort.table import read_table
from nephrograde.errors import InputError, Problem, about_writing
from nephrograde.replacement import replaced
from nephrograde.sources.identity.gathered import Gathered, is_nobodys
from nephrograde.sources.identity.words import is_placeholder
from nephrograde.spreadsheet.cells import RowWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nephrograde.volume.dicom.header import SeriesHeader

_COLUMNS = ("patient_id", "original_id")
_OURS = re.compile(r"P(\d{4,12})")
_FILE_SAFE = re.compile(r"\w[\w.+=-]{0,63}")


class Pseudonyms:
    """The pseudonyms P0001, P0002, … of the patients of one cohort, in the order in which they were first requested.

    An existing key is continued, so that a patient keeps the pseudonym in every later scan. Other contents of the key,
    such as shifted days and a secret, are left unchanged.

    >>> import pathlib, tempfile
    >>> key_path = pathlib.Path(tempfile.mkdtemp()) / "cohort.key.csv"
    >>> names = Pseudonyms(key_path)
    >>> names.name("0012345"), names.name("0054321"), names.name("0012345")
    ('P0001', 'P0002', 'P0001')
    >>> names.write()
    >>> Pseudonyms(key_path).name("0054321")
    'P0002'
    """

    def __init__(self, key_path: Path) -> None:
        """Read the key if it exists.

        Args:
            key_path: ``patient_id, original_id``; UTF-8.

        Raises:
            InputError: If the file is not such a key, or gives two patients the same name. The message contains no id.
        """
        self._key_path = key_path
        self._rows = _read_key(key_path) if key_path.exists() else []
        self._names = _names_of(self._rows)
        self._is_new = False
        numbers = (int(match[1]) for name in self._names.values() if (match := _OURS.fullmatch(name)))
        self._last = max(numbers, default=0)

    def name(self, original_id: str) -> str:
        """Return the pseudonym of a patient; a new one if the key has none."""
        if original_id not in self._names:
            self._last += 1
            self._names[original_id] = f"P{self._last:04d}"
            self._rows.append({"patient_id": self._names[original_id], "original_id": original_id})
            self._is_new = True
        return self._names[original_id]

    def write(self) -> None:
        """Write the key if a patient was added, and let only its owner read it."""
        if not self._is_new:
            if self._key_path.exists():
                with about_writing(self._key_path):
                    self._key_path.chmod(0o600)
            return
        columns = list(dict.fromkeys([*_COLUMNS, *self._rows[0]]))
        with (
            replaced(self._key_path, is_private=True) as temporary_path,
            temporary_path.open("w", encoding="utf-8", newline="") as stream,
        ):
            writer = RowWriter(stream)
            writer.write_row(columns)
            for row in self._rows:
                writer.write_row(row.get(column) for column in columns)
        self._is_new = False


def keeps_its_id(patient_id: str) -> bool:
    """Check whether an id can be used in tables and file names as it is.

    Use it for ids that identify nobody: from data marked as de-identified, or that the user asked to keep.

    Args:
        patient_id: As in the header.

    Returns:
        False for an id that is empty, cannot be part of a file name, or looks like one of our own pseudonyms.

    >>> [keeps_its_id(text) for text in ("TCGA-B0-4710", "病例12", "P0001", "a/b", "")]
    [True, True, False, False, False]
    """
    return bool(_FILE_SAFE.fullmatch(patient_id)) and not _OURS.fullmatch(patient_id)


def separate_persons(headers: Sequence[SeriesHeader]) -> dict[str, list[SeriesHeader]]:
    """Divide the series of one PatientID into persons.

    Exports that were anonymized by hand often give every patient the same id, or none. Series with one id belong to
    two persons if both the name and the date of birth differ; either one alone is often written in two ways. Without
    an id, series belong to one person only if they share a study, or both the name and the date of birth.

    Args:
        headers: All series with one ``patient_id``, which may be empty.

    Returns:
        The series by original id: the PatientID itself or, if that is ambiguous, the PatientID with date of birth and
        name, or with the study if one of them is unknown. Keep it out of logs and reports.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> people = [("ANON", "A", "19500101"), ("ANON", "A^B", "19500101"), ("ANON", "C", "19600101")]
    >>> persons = separate_persons([
    ...     SeriesHeader(series_uid=str(n), patient_id=i, patient_name=name, birth_date=birth)
    ...     for n, (i, name, birth) in enumerate(people)
    ... ])
    >>> [(name, len(series)) for name, series in persons.items()]
    [('ANON | 19500101 | A', 2), ('ANON | 19600101 | C', 1)]
    """
    known = {header.study_uid: header for header in reversed(headers) if header.study_uid and _is_known(header)}
    # A series that does not name its patient, such as a mask, goes with the others of its study.
    speakers = [header if _is_known(header) else known.get(header.study_uid, header) for header in headers]
    if all(not header.patient_id for header in headers):
        return _gather(headers, speakers)
    people: list[SeriesHeader] = []
    for speaker in sorted(speakers, key=lambda header: not _is_known(header)):
        if all(_differ(one, speaker) for one in people):
            people.append(speaker)
    if len(people) == 1:
        return {people[0].patient_id: list(headers)}
    return _gather(headers, [next(one for one in people if not _differ(one, speaker)) for speaker in speakers])


@dataclass(frozen=True, slots=True)
class Person:
    """One patient of a folder.

    Attributes:
        patient_id: The pseudonym in our tables.
        original_id: The hospital's id. Keep it out of logs and reports.
        headers: All series.
        shares_id: Someone else has the same PatientID.
    """

    patient_id: str
    original_id: str
    headers: tuple[SeriesHeader, ...]
    shares_id: bool


def name_persons(
    studies: Iterable[Sequence[SeriesHeader]], names: Pseudonyms, *, keep_ids: bool = False
) -> Iterator[Person]:
    """Name the patients one after the other, holding no more than one PatientID in memory.

    Args:
        studies: The series of each study, grouped by ``patient_id``.
        names: The key; new patients are added to it.
        keep_ids: Keep every id that can be part of a file name. Otherwise only ids from data marked as de-identified
            are kept.
    """
    series = chain.from_iterable(studies)
    for _, members in groupby(series, key=lambda header: header.patient_id):
        persons = separate_persons(list(members))
        for original_id, headers in persons.items():
            is_open = keep_ids or all(header.is_deidentified for header in headers)
            keeps = is_open and keeps_its_id(original_id)
            patient_id = original_id if keeps else names.name(original_id)
            yield Person(patient_id, original_id, tuple(headers), shares_id=len(persons) > 1)


def gather_identities(persons: Iterable[Person]) -> Gathered:
    """Collect who each person is over all series, before anything about the first one is written.

    Args:
        persons: From :func:`name_persons`.

    Returns:
        The identities by ``patient_id``, the pseudonym.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> one, other = (SeriesHeader(series_uid=name, revealed=((0x00100010, name),)) for name in ("A^B", "C"))
    >>> gather_identities([Person("P0001", "7", (one, other), shares_id=False)]).identity("P0001").names
    ('A^B', 'C')
    """
    gathered = Gathered()
    for person in persons:
        for header in person.headers:
            gathered.add(
                person.patient_id,
                header.revealed,
                study_uid=header.study_uid,
                is_incomplete=not header.patient_name or is_nobodys(header.patient_id),
                public_id=person.original_id if person.original_id == person.patient_id else "",
            )
    return gathered


def _gather(headers: Sequence[SeriesHeader], people: Sequence[SeriesHeader]) -> dict[str, list[SeriesHeader]]:
    named: dict[str, list[SeriesHeader]] = {}
    for header, person in zip(headers, people, strict=True):
        named.setdefault(_long_id(person), []).append(header)
    return named


def _is_known(header: SeriesHeader) -> bool:
    return bool(header.birth_date and header.patient_name) and not is_placeholder(header.patient_name)


def _differ(one: SeriesHeader, other: SeriesHeader) -> bool:
    births, names = {one.birth_date, other.birth_date} - {""}, {one.patient_name, other.patient_name} - {""}
    return len(births) == 2 and len(names) == 2


def _long_id(header: SeriesHeader) -> str:
    parts = [header.patient_id, header.birth_date, header.patient_name]
    if not _is_known(header):
        parts.append(header.study_uid or header.series_uid)
    return " | ".join(part for part in parts if part)


def _read_key(key_path: Path) -> list[dict[str, str]]:
    rows = read_table(key_path)
    remedy = "Restore the key, or choose another name for the table."
    if any(not row.get("patient_id") or not row.get("original_id") for row in rows):
        raise InputError([Problem(str(key_path), f"lacks a cell of {' and '.join(_COLUMNS)}", remedy)])
    for name in _COLUMNS:
        if len({row[name].casefold() if name == "patient_id" else row[name] for row in rows}) < len(rows):
            raise InputError([Problem(str(key_path), "names a patient twice", remedy)])
    return rows


def _names_of(rows: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The pseudonyms by original id; a row whose name is in brackets does not belong to a patient."""
    return {row["original_id"]: row["patient_id"] for row in rows if not row["patient_id"].startswith("(")}
