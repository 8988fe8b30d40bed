"""Which sheet of a workbook is the table, which of its cells are merged, and which of its rows are hidden."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openpyxl.workbook import Workbook

PEEKED_ROWS: Final = 200
"""Rows at the top of a sheet that tell whether it is a table."""

_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_HIDDEN = re.compile(rb'<(?:\w+:)?row\s(?=[^>]*\bhidden="(?:1|true)")(?:[^>]*?\s)?r="(\d+)"')
_CHUNK_BYTES = 1 << 20
_LONGEST_TAG = 400


@dataclass(frozen=True, slots=True)
class ChosenSheet:
    """The sheet that is read, and those that are not.

    Attributes:
        title: Its title.
        others: Titles of the other visible sheets that are tables.
        alike: Those of them with mostly the same headings, such as one for every year.
    """

    title: str
    others: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedCells:
    """A range of cells that share the value of the first one.

    >>> MergedCells("C", 2, "C", 4).name
    'C2:C4'
    """

    left: str
    top: int
    right: str
    bottom: int

    @property
    def name(self) -> str:
        """The range as a spreadsheet writes it."""
        return f"{self.left}{self.top}:{self.right}{self.bottom}"


def choose_sheet(formulas: Workbook) -> ChosenSheet | None:
    """Choose the first visible sheet that looks like a table, or else the first with any cell.

    A table has headings in at least two columns and a row below them. Notes on a first sheet and hidden sheets are
    passed over.

    Args:
        formulas: The workbook with formulas as such, so that those without a result count.

    Returns:
        The sheet; None if no visible one has a cell with content.
    """
    tops = {sheet.title: _top(sheet) for sheet in formulas.worksheets if sheet.sheet_state == "visible"}
    tables = [title for title, rows in tops.items() if len(rows) > 1 and max(map(len, rows[:-1])) > 1]
    chosen = next(iter(tables), None) or next((title for title, rows in tops.items() if rows), None)
    if chosen is None:
        return None
    others = tuple(title for title in tables if title != chosen)
    headings = _headings(tops[chosen])
    alike = tuple(title for title in others if len(headings & _headings(tops[title])) * 2 >= max(len(headings), 4))
    return ChosenSheet(chosen, others, alike)


def merged_downwards(sheet: Any) -> Iterator[MergedCells]:  # the stub of openpyxl has no read-only sheets
    """Yield the ranges of merged cells that span several rows.

    Args:
        sheet: A sheet that was opened for reading only, which does not tell them.
    """
    for left, top, right, bottom in _found(_MERGED, sheet):
        if int(bottom) > int(top):
            yield MergedCells(left, int(top), right, int(bottom))


def hidden_rows(sheet: Any) -> frozenset[int]:
    """The numbers of the rows that the spreadsheet does not show: hidden, filtered away or folded.

    Args:
        sheet: A sheet that was opened for reading only, which does not tell them.
    """
    return frozenset(int(number) for (number,) in _found(_HIDDEN, sheet))


def _found(tag: re.Pattern[bytes], sheet: Any) -> Iterator[Sequence[str]]:
    """Yield what a tag says, wherever it is in the file of a sheet."""
    left_over = b""
    with sheet._get_source() as source:
        while chunk := source.read(_CHUNK_BYTES):
            text, found = left_over + chunk, None
            for found in tag.finditer(text):
                yield [part.decode() for part in found.groups()]
            left_over = text[max(found.end() if found else 0, len(text) - _LONGEST_TAG) :]


def _top(sheet: Any) -> list[list[str]]:
    sheet.reset_dimensions()  # some exporters write a wrong range
    rows = []
    for cells in sheet.iter_rows(max_row=PEEKED_ROWS, values_only=True):
        texts = [text for cell in cells if cell is not None and (text := str(cell).strip())]
        if texts:
            rows.append(texts)
    return rows


def _headings(rows: Sequence[Sequence[str]]) -> set[str]:
    """The first row with more than one cell: above it there may be a title."""
    return {"".join(text.split()).casefold() for text in next((row for row in rows if len(row) > 1), ())}
