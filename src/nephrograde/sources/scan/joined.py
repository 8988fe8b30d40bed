"""What the user is told about columns and cells of a joined table that are not carried into the cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from nephrograde.sources.scan.grades import Grades

_NAMED = 20
"""How many patients or rows a note names."""


def column_notes(grades: Grades) -> list[str]:
    """Name the columns that are not carried over, and how to keep those that identify nobody.

    Args:
        grades: The joined table.
    """
    notes = []
    if grades.left_out:
        headings = ", ".join(grades.left_out)
        notes.append(f"Not carried over from {grades.name}, because they may identify a patient: {headings}.")
    if grades.unknown:
        headings = ", ".join(grades.unknown)
        notes.append(
            f"Not carried over from {grades.name}, because their meaning is unknown: {headings}. Keep a column that "
            "identifies nobody with --keep HEADING."
        )
    return notes


def cell_notes(name: str, emptied: Mapping[str, Collection[int]]) -> list[str]:
    """Name the rows whose cells were left empty.

    Args:
        name: The joined table.
        emptied: The numbers of the rows by column.

    >>> cell_notes("grades.csv", {"side": {7, 3}})[0][-11:]
    ': row 3, 7.'
    """
    return [
        f"{name}: cells of {column} were left empty, because they contain a name, an id, a date, an e-mail "
        f"address or a telephone number: row {first_of(map(str, sorted(numbers)))}."
        for column, numbers in emptied.items()
    ]


def first_of(names: Iterable[str]) -> str:
    """List the first names, and say how many there are more.

    >>> first_of(["P1", "P2"])
    'P1, P2'
    """
    listed = list(names)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more
