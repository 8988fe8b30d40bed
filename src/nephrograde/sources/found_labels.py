"""The labels that readers have drawn beside a cohort table, which a study of it can use."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nephrograde.cohort.annotated import annotated_by, is_consensus
from nephrograde.sheet import is_nothing, open_sheet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from nephrograde.sheet import Sheet

_LABELS = ("_point", "_box", "_slice", "_mask", "_state")
_JOURNAL = ".jsonl"


@dataclass(frozen=True, slots=True)
class FoundLabels:
    """What readers have marked beside a table.

    Attributes:
        used: The file of the only reader, or of the only consensus; of all of them if there are several, of which the
            study has to name one.
        replaced: The files of readers whom a consensus stands for.
        empty: Files without a label of any patient of the table.
        by_patient: The labels of the one file that is used, by patient and column.
    """

    used: tuple[Path, ...] = ()
    replaced: tuple[Path, ...] = ()
    empty: tuple[Path, ...] = ()
    by_patient: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def find_labels(table_path: Path, patients: Collection[str]) -> FoundLabels:
    r"""Find the labels of readers beside a table.

    They are looked for where ``nephrograde annotate`` writes them by itself, ``<table>.annotations``; if there are
    none, in every folder beside the table that holds the journal of a reader.

    Args:
        table_path: The cohort table.
        patients: The patients of the table; all of a file of labels if empty.

    >>> import pathlib, tempfile
    >>> table_path = pathlib.Path(tempfile.mkdtemp()) / "cohort.csv"
    >>> find_labels(table_path, ["P1"]).used
    ()
    >>> folder = table_path.with_suffix(".annotations")
    >>> folder.mkdir()
    >>> for reader, cell in {"li": "41 vox", "wang": "42 vox", "consensus-2026": "41 vox", "zhao": ""}.items():
    ...     _ = (folder / f"{reader}.csv").write_text(f"patient_id,cmp_slice\nP1,{cell}", encoding="utf-8")
    >>> found = find_labels(table_path, ["P1"])
    >>> [[path.stem for path in paths] for paths in (found.used, found.replaced, found.empty)]
    [['consensus-2026'], ['li', 'wang'], ['zhao']]
    """
    labels = {path: _labels_of(path, patients) for path in _files(table_path)}
    marked = [path for path, of in labels.items() if of is None or of]
    decided = [path for path in marked if is_consensus(path.stem)]
    used = decided or marked
    return FoundLabels(
        used=tuple(used),
        replaced=tuple(path for path in marked if path not in used),
        empty=tuple(path for path in labels if path not in marked),
        by_patient=(labels[used[0]] or {}) if len(used) == 1 else {},
    )


def _files(table_path: Path) -> list[Path]:
    """The files of readers, of the folder that has them by default or else of those that have a journal."""
    folder = table_path.with_suffix(".annotations")
    usual = [folder / f"{reader}.csv" for reader in annotated_by(folder)]
    return usual or sorted(_elsewhere(table_path.parent))


def _elsewhere(folder: Path) -> Iterator[Path]:
    for journal_path in folder.glob(f"*/*{_JOURNAL}"):
        labels_path = journal_path.with_suffix(".csv")
        if labels_path.stem in annotated_by(labels_path.parent):
            yield labels_path


def _labels_of(path: Path, patients: Collection[str]) -> dict[str, dict[str, str]] | None:
    """The labels of a file, by patient of the table; None if it cannot be read, as ``nephrograde check`` explains."""
    sheet, problems = open_sheet(path)
    if sheet is not None and not sheet.rows:
        return {}  # a reader who has begun
    if sheet is None or problems:
        return None
    given = {
        cells.get("patient_id", ""): {name: cell for name, cell in cells.items() if not is_nothing(cell)}
        for _, cells in sheet.rows
    }
    return {
        patient: cells
        for patient, cells in given.items()
        if (not patients or patient in patients) and any(name.endswith(_LABELS) for name in cells)
    }


def with_labels(sheet: Sheet, by_patient: Mapping[str, Mapping[str, str]], id_heading: str) -> Sheet:
    """Put the labels of a reader into the cells of a table.

    Args:
        sheet: The table.
        by_patient: The labels, by patient and column.
        id_heading: The heading of the patient's id in the table.
    """
    rows = tuple((number, {**cells, **by_patient.get(cells[id_heading], {})}) for number, cells in sheet.rows)
    return dataclasses.replace(sheet, rows=rows)
