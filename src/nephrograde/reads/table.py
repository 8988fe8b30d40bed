"""A table of reads: which reader gave which patient which score, in which modality, and what was true.

Every reader must have read every patient in every modality: only then do differences compare like with like. Patients
for whom a read is missing are left out of everything and counted. A reader without any read in a modality is refused,
because leaving out the patients would leave none.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.cohort.grade import read_grade
from nephrograde.cohort.ids import compared_id, is_shortened, similar_pairs
from nephrograde.cohort.rows import Faults, Row
from nephrograde.cohort.truth import read_truth, without_zeros
from nephrograde.errors import InputError, Problem
from nephrograde.reads.columns import TRUTHS, name_read_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nephrograde.cohort.columns import Columns
    from nephrograde.reads.aucs import ReadArray
    from nephrograde.sheet import Sheet
    from nephrograde.vocabulary import BoolVector, FloatVector

ONE_MODALITY = "reading"
"""The name of the modality in a table without such a column."""
HIGHEST_SCORE = 100.0
FEWEST_OF_A_GRADE = 2

_SCORE = re.compile(r"(?P<number>[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?)\s*[%分]?", re.IGNORECASE)
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Missing:
    """Patients that one reader has not scored in one modality, out of all in the table."""

    reader: str
    modality: str
    n: int


@dataclass(frozen=True, slots=True, eq=False)
class Reads:
    """The reads of the patients that every reader scored in every modality.

    Attributes:
        readers: Their names, in order of appearance.
        modalities: Likewise.
        patient_ids: The patients with every read.
        is_high: Their truths.
        scores: What each reader gave each patient in each modality.
        left_out: Patients of the table without every read.
        missing: Where reads are missing.
        notes: How the table was read, in words.
        model: The name of the model; empty if there is none.
        model_scores: What the model gave each patient.
    """

    readers: tuple[str, ...]
    modalities: tuple[str, ...]
    patient_ids: tuple[str, ...]
    is_high: BoolVector
    scores: ReadArray
    left_out: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()
    notes: tuple[str, ...] = ()
    model: str = ""
    model_scores: FloatVector | None = None


@dataclass(frozen=True, slots=True)
class ModelReads:
    """What a model gave the patients, and their truths where they come with it; both by patient id."""

    name: str
    scores: Mapping[str, float]
    truths: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class _Read:
    """One row that could be read."""

    row: Row
    patient: str
    reader: str
    modality: str
    score: float | None


def parse_reads(
    sheet: Sheet,
    beside: ModelReads | None = None,
    *,
    model_reader: str = "",
    columns: Mapping[str, str] | None = None,
) -> Reads:
    """Read a table of reads.

    Args:
        sheet: One row per read, with the columns ``patient_id``, ``reader``, ``score`` and, with several modalities,
            ``modality``; the truth as ``is_high`` (0/1, yes/no) or ``isup_grade``, unless it comes with a model. Usual
            other headings are recognised. A score is a number from 0 to 100.
        beside: The scores of a model and the truths of its patients. Only these patients are then analysed.
        model_reader: The reader of the table that is the model; empty if there is none.
        columns: Headings by standard name, where they are not usual ones.

    Raises:
        InputError: Everything that is wrong with the table, with rows and remedies.

    >>> from nephrograde.sheet import Sheet
    >>> heads = ("patient_id", "reader", "score", "is_high")
    >>> cells = [("P1", "A", "2", "0"), ("P2", "A", "1", "0"), ("P3", "A", "4", "1"), ("P4", "A", "5", "1")]
    >>> rows = tuple((k, dict(zip(heads, row))) for k, row in enumerate(cells, start=2))
    >>> parse_reads(Sheet("reads.csv", heads, rows)).scores.tolist()
    [[[2.0, 1.0, 4.0, 5.0]]]
    """
    named, problems = name_read_columns(sheet, columns)
    if problems:
        raise InputError(problems)
    rows = [Row(number, named.rename(cells)) for number, cells in sheet.rows]
    faults = Faults(named)
    reads = _parse_rows(rows, faults)
    truths = _truths_of(rows, named, faults)
    more: list[Problem] = []
    if beside is not None:
        from_scores = {compared_id(patient): is_high for patient, is_high in beside.truths.items()}
        more += _disagreements(truths, from_scores, sheet.name)
        truths = from_scores
    elif not set(TRUTHS) & set(named.heading_of):
        what = "there is no column with the truth"
        remedy = "Add is_high (0/1) or isup_grade (1 to 4), or name a table of scores that has it (--scores)."
        more.append(Problem(sheet.name, what, remedy))
    if model_reader:
        reads, beside = _split_model(reads, model_reader, faults)
        if not beside.scores:
            what = f"there is no reader '{model_reader}' who could be the model"
            more.append(Problem(sheet.name, what, "Name a reader of the table, or a table of scores (--scores)."))
    problems = [*faults.problems(), *more]
    if problems := problems or _empty_cells(reads, sheet.name):  # a read that is wrong may be the one that is missing
        raise InputError(problems)
    notes = [named.note] if named.note else []
    if beside is not None:
        notes += _near_misses(rows, beside.truths, sheet.name)
    made = _crossed(reads, truths, beside, notes=tuple(notes))
    _check_grades(made, sheet.name)
    return made


def _split_model(reads: Sequence[_Read], name: str, faults: Faults) -> tuple[list[_Read], ModelReads]:
    """Take the reads of the model out of those of people; it may occur in several modalities with the same scores."""
    own = [read for read in reads if compared_id(read.reader) == compared_id(_plain(name))]
    scores: dict[str, float] = {}
    for read in own:
        if read.score is not None and scores.setdefault(read.patient, read.score) != read.score:
            what = f": {read.reader} has another score in an earlier row"
            faults.add(read.row, "score", what=what, remedy="A model reads each patient once; keep one of its scores.")
    own_rows = {read.row.number for read in own}
    others = [read for read in reads if read.row.number not in own_rows]
    return others, ModelReads(own[0].reader if own else name, scores, {})


def _parse_rows(rows: Sequence[Row], faults: Faults) -> list[_Read]:
    """The reads of all rows; everything that is wrong with a row goes to ``faults``."""
    first: dict[tuple[str, str, str], int] = {}
    reader_names: dict[str, str] = {}
    modality_names: dict[str, str] = {}
    reads = []
    for row in rows:
        patient_id, reader = row.cell("patient_id"), _plain(row.cell("reader"))
        modality = _plain(row.answer("modality")) if "modality" in row.cells else ONE_MODALITY
        if not patient_id:
            faults.add(row, "patient_id", what=" has no patient_id", remedy="Give every patient an id.")
        elif is_shortened(patient_id):
            what = ": Excel has shortened this number, and digits are lost"
            remedy = "Format the column as text, and enter the ids again."
            faults.add(row, "patient_id", what=what, remedy=remedy)
        if not reader:
            faults.add(row, "reader", what=": the reader is empty", remedy="Write who made this read.")
        if not modality:
            faults.add(row, "modality", what=": the modality is empty", remedy="Fill it in or remove the row.")
        score = _score_of(row, faults)
        if not (patient_id and reader and modality):
            continue
        reader = reader_names.setdefault(compared_id(reader), reader)
        modality = modality_names.setdefault(compared_id(modality), modality)
        key = (compared_id(patient_id), reader, modality)
        before = first.setdefault(key, row.number)
        if before != row.number:
            what = f": a second read by {reader}, {modality} (first in row {before})"
            faults.add(row, "reader", what=what, remedy="Keep one read, or average them first.")
        reads.append(_Read(row, key[0], reader, modality, score))
    return reads


def _score_of(row: Row, faults: Faults) -> float | None:
    """The score of a row; None where it is missing or wrong, and wrong ones go to ``faults``."""
    text = row.cell("score")
    if not text:
        return None
    match = _SCORE.fullmatch(unicodedata.normalize("NFKC", text).strip())
    remedy = "Write a number, such as 1 to 5 or 0 to 100, or leave the cell empty."
    if match is None:
        faults.add(row, "score", what=f": '{text}' is not a score", remedy=remedy)
        return None
    score = float(match["number"].replace(",", "."))
    if not 0.0 <= score <= HIGHEST_SCORE:
        faults.add(row, "score", what=f": the score {text} lies outside 0 to 100", remedy=remedy)
        return None
    return score


def _truths_of(rows: Sequence[Row], columns: Columns, faults: Faults) -> dict[str, bool]:
    """The truth of each patient, by compared id; a patient may have it in one of several rows."""
    column = next((name for name in TRUTHS if name in columns.heading_of), None)
    if column is None:
        return {}
    texts = [unicodedata.normalize("NFKC", row.cell(column)).strip().casefold() for row in rows]
    numbers = {without_zeros(text) for text in texts}
    is_binary = column == "is_high" or ("0" in numbers and not {"2", "3", "4"} & numbers)
    known: dict[str, tuple[bool, int]] = {}
    without: dict[str, Row] = {}
    stated: set[str] = set()
    for row, text in zip(rows, texts, strict=True):
        patient = compared_id(row.cell("patient_id"))
        if not text:
            without.setdefault(patient, row)
            continue
        stated.add(patient)
        is_high = _truth(text, is_binary=is_binary)
        if is_high is None:
            remedy = "Write 1 (high grade) or 0 (low grade)." if is_binary else "Write one WHO/ISUP grade from 1 to 4."
            faults.add(row, column, what=f": '{text}' is not a truth", remedy=remedy)
            continue
        before, number = known.setdefault(patient, (is_high, row.number))
        if before != is_high:
            what = f": the truth differs from that in row {number}"
            faults.add(row, column, what=what, remedy="Correct the one that is wrong.")
    for patient, row in without.items():
        if patient and patient not in stated:
            faults.add(row, column, what=": the truth is empty", remedy="Fill it in or remove the patient.")
    return {patient: is_high for patient, (is_high, _) in known.items()}


def _truth(text: str, *, is_binary: bool) -> bool | None:
    if not is_binary:
        grade = read_grade(text)
        return None if grade is None else grade >= 3
    return read_truth(text)


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).split())


def _disagreements(known: Mapping[str, bool], truths: Mapping[str, bool], name: str) -> list[Problem]:
    """Patients whose truth differs between the table and the scores."""
    others = {compared_id(patient): is_high for patient, is_high in truths.items()}
    unlike = [patient for patient, is_high in known.items() if others.get(patient, is_high) != is_high]
    if not unlike:
        return []
    what = f"the truth of {len(unlike)} patients differs from that in the scores: {_some(unlike)}"
    return [Problem(name, what, "Correct the one that is wrong.")]


def _near_misses(rows: Sequence[Row], truths: Mapping[str, bool], name: str) -> list[str]:
    """Patients whose id is nearly that of a patient of the scores."""
    pairs = similar_pairs(dict.fromkeys(row.cell("patient_id") for row in rows), truths)
    if not pairs:
        return []
    listed = _some([f"{one} / {other}" for one, other in pairs])
    differ = f"{len(pairs)} ids of {name} differ from those of the scores only in zeros or letters that look alike"
    return [f"{differ}, and do not match: {listed}."]


def _empty_cells(reads: Sequence[_Read], name: str) -> list[Problem]:
    """Readers that have no read at all in a modality."""
    there = {(read.reader, read.modality) for read in reads if read.score is not None}
    readers = dict.fromkeys(read.reader for read in reads)
    modalities = dict.fromkeys(read.modality for read in reads)
    return [
        Problem(name, f"reader {reader} has no read in modality {modality}", "Add the reads, or remove the reader.")
        for reader in readers
        for modality in modalities
        if (reader, modality) not in there
    ]


def _crossed(
    reads: Sequence[_Read], truths: Mapping[str, bool], model: ModelReads | None, *, notes: tuple[str, ...]
) -> Reads:
    """Arrange the reads as modality × reader × patient, with the patients that have all of them."""
    names: dict[str, str] = {}
    for read in reads:
        names.setdefault(read.patient, read.row.cell("patient_id"))
    readers = tuple(dict.fromkeys(read.reader for read in reads))
    modalities = tuple(dict.fromkeys(read.modality for read in reads))
    patients = list(names)
    at = {patient: k for k, patient in enumerate(patients)}
    scores = np.full((len(modalities), len(readers), len(patients)), np.nan)
    for read in reads:
        if read.score is not None:
            scores[modalities.index(read.modality), readers.index(read.reader), at[read.patient]] = read.score
    absent = np.isnan(scores)
    of_model = {} if model is None else {compared_id(patient): score for patient, score in model.scores.items()}
    usable = [patient in truths and (model is None or patient in of_model) for patient in patients]
    complete = ~absent.any(axis=(0, 1)) & np.array(usable, dtype=np.bool_)
    missing = [
        Missing(reader, modality, int(absent[i, j].sum()))
        for i, modality in enumerate(modalities)
        for j, reader in enumerate(readers)
        if absent[i, j].any()
    ]
    if model is not None and not all(usable):
        missing.append(Missing(model.name, "", usable.count(False)))
    kept = [patient for patient, is_kept in zip(patients, complete, strict=True) if is_kept]
    return Reads(
        readers,
        modalities,
        tuple(names[patient] for patient in kept),
        np.array([truths[patient] for patient in kept], dtype=np.bool_),
        scores[:, :, complete],
        left_out=tuple(names[patient] for patient, is_kept in zip(patients, complete, strict=True) if not is_kept),
        missing=tuple(missing),
        notes=notes,
        model="" if model is None else model.name,
        model_scores=None if model is None else np.array([of_model[patient] for patient in kept], dtype=np.float64),
    )


def _check_grades(reads: Reads, name: str) -> None:
    """Refuse what cannot be analysed: too few patients of a grade with every read."""
    n, n_high = len(reads.patient_ids), int(reads.is_high.sum())
    if min(n_high, n - n_high) >= FEWEST_OF_A_GRADE:
        return
    what = f"{n_high} high-grade and {n - n_high} low-grade patients have every read and a truth"
    remedy = f"At least {FEWEST_OF_A_GRADE} of each are needed."
    if reads.left_out:
        remedy += f" Left out for a missing read or truth: {_some(reads.left_out)}."
    raise InputError([Problem(name, what, remedy)])


def _some(ids: Iterable[str]) -> str:
    listed = list(ids)
    return ", ".join(listed[:_SHOWN]) + (", …" if len(listed) > _SHOWN else "")
