"""The labels that readers have drawn beside a cohort table, which a study of it can use."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nephrograde.cohort.annotated import CONSENSUS, annotated_by
from nephrograde.sheet import is_nothing, open_sheet

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.sheet import Sheet


def find_labels(table_path: Path) -> tuple[Path, ...]:
    """Find the labels of readers that lie beside a table, where ``nephrograde annotate`` writes them.

    Args:
        table_path: The cohort table.

    Returns:
        The file of each reader; only that of their consensus, if there is one.

    >>> import pathlib, tempfile
    >>> table_path = pathlib.Path(tempfile.mkdtemp()) / "cohort.csv"
    >>> find_labels(table_path)
    ()
    """
    folder = table_path.with_suffix(".annotations")
    readers = annotated_by(folder)
    return tuple(folder / f"{reader}.csv" for reader in ([CONSENSUS] if CONSENSUS in readers else readers))


def with_labels(sheet: Sheet, labels_path: Path, id_heading: str) -> Sheet:
    """Put the labels of a reader into the cells of a table.

    Args:
        sheet: The table.
        labels_path: The file of the reader; one that cannot be read leaves the table as it is, and is refused by
            ``nephrograde check``.
        id_heading: The heading of the patient's id in the table.
    """
    labels, problems = open_sheet(labels_path)
    if labels is None or problems:
        return sheet
    of_patient = {
        cells.get("patient_id", ""): {name: cell for name, cell in cells.items() if not is_nothing(cell)}
        for _, cells in labels.rows
    }
    rows = tuple((number, {**cells, **of_patient.get(cells[id_heading], {})}) for number, cells in sheet.rows)
    return dataclasses.replace(sheet, rows=rows)
