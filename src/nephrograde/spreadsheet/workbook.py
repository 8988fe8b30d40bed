"""XLSX workbooks: the first visible sheet with a table, as text, and the cells whose content the file does not hold.

Only cells with content are kept, so that one stray cell in the last row costs nothing, and a file that claims more than
it can hold is refused before it is unpacked.
"""

from __future__ import annotations

import datetime
import io
import re
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nephrograde.spreadsheet.sheets import ChosenSheet, choose_sheet, hidden_rows, merged_downwards

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openpyxl.cell.read_only import ReadOnlyCell
    from openpyxl.workbook import Workbook

    Cells: TypeAlias = tuple[ReadOnlyCell, ...]

MOST_CELLS: Final = 5_000_000
"""Cells that a sheet may span, empty ones included: 50,000 patients with 100 columns."""

MOST_BYTES: Final = 1_000_000_000
"""Size to which a workbook may unpack."""

MOST_DIGITS: Final = 15
"""Digits that a number in a spreadsheet keeps; later ones have become zeros."""

_LISTED = 10
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))
_NO_VALUE = frozenset({"#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!"})


class UnreadableWorkbookError(Exception):
    """The bytes are not a workbook that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class LostCells:
    """Cells of one kind whose content is not in the file.

    Attributes:
        cells: Their names in the spreadsheet, such as ``C2``.
        what: What they hold.
        remedy: What to do.
    """

    cells: tuple[str, ...]
    what: str
    remedy: str

    @property
    def place(self) -> str:
        """The cells, the first ten by name.

        >>> LostCells(("C2", "C3"), "", "").place, LostCells(("C2:C3",), "", "").place
        ('cells C2, C3', 'cells C2:C3')
        """
        more = f" and {len(self.cells) - _LISTED} more" if len(self.cells) > _LISTED else ""
        is_one = len(self.cells) == 1 and ":" not in self.cells[0]
        return f"cell{'' if is_one else 's'} {', '.join(self.cells[:_LISTED])}{more}"


@dataclass(frozen=True, slots=True)
class WorkbookGrid:
    """One sheet of a workbook.

    Attributes:
        rows: Row number in the spreadsheet and texts, up to the last cell with content; empty rows are left out.
        lost: What is wrong with single cells.
        day_zero: The day from which date numbers count.
        sheet: Which sheet it is; None if there is none with data.
        hidden: Numbers of the rows that the spreadsheet does not show; they are among ``rows`` all the same.
    """

    rows: tuple[tuple[int, list[str]], ...]
    lost: tuple[LostCells, ...]
    day_zero: datetime.date
    sheet: ChosenSheet | None = None
    hidden: frozenset[int] = frozenset()


def read_workbook(raw: bytes) -> WorkbookGrid:
    """Read the first visible sheet that is a table, or else the first that contains data.

    Args:
        raw: The bytes of an XLSX file.

    Raises:
        UnreadableWorkbookError: If they are not a workbook, or claim to hold more than a table of patients can.
    """
    import openpyxl

    _check_size(raw)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns about styles and filters, which contain no data
            workbook = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
            formulas = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=False)
            return _first_grid(workbook, formulas)
    except (
        KeyError,
        TypeError,
        ValueError,
        OSError,
        SyntaxError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise UnreadableWorkbookError(f"is not a readable .xlsx workbook ({error})") from error


def strip_cell(text: str) -> str:
    """Remove invisible characters, and white space at both ends.

    >>> strip_cell(" P1\u200b ")
    'P1'
    """
    return text.translate(_INVISIBLE).strip()


def _check_size(raw: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise UnreadableWorkbookError(f"is not a readable .xlsx workbook ({error})") from error
    if n_bytes > MOST_BYTES:
        raise UnreadableWorkbookError(f"would unpack to {n_bytes / 1e9:.1f} GB, which is more than a table of patients")


def _first_grid(workbook: Workbook, formulas: Workbook) -> WorkbookGrid:
    from openpyxl.cell.read_only import EMPTY_CELL

    empty: object = EMPTY_CELL  # one for all cells that are not in the file
    day_zero = workbook.epoch.date() if hasattr(workbook.epoch, "date") else workbook.epoch
    chosen = choose_sheet(formulas)
    if chosen is None:
        return WorkbookGrid((), (), day_zero)
    sheet = workbook[chosen.title]
    lost: dict[tuple[str, str], list[str]] = {}
    rows = []
    blank: set[str] = set()
    for number, cells in _filled_rows(sheet):
        texts = ["" if cell is empty else _cell_text(cell.value, cell.number_format) for cell in cells]
        while texts and not texts[-1]:
            texts.pop()
        for cell in cells:
            if cell is not empty:
                _note(cell, lost, blank)
        if texts:
            rows.append((number, texts))
    if blank:
        _note_formulas(formulas[chosen.title], blank, lost)
    _note_merged(sheet, rows, lost)
    found = tuple(LostCells(tuple(cells), *kind) for kind, cells in lost.items())
    return WorkbookGrid(tuple(rows), found, day_zero, chosen, hidden_rows(sheet))


def _filled_rows(sheet: Any) -> Iterator[tuple[int, Cells]]:  # its stub has no read-only sheets
    """Yield the rows that have cells, and stop where a sheet spans more cells than it can hold patients."""
    sheet.reset_dimensions()  # some exporters write a wrong range
    n_cells = 0
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        n_cells += max(len(cells), 1)
        if n_cells > MOST_CELLS:
            raise UnreadableWorkbookError(
                f"spans more than {MOST_CELLS:,} cells, most of them empty; a stray cell far below or to the right "
                "of the table does this"
            )
        if cells:
            yield number, cells


def _note(cell: ReadOnlyCell, lost: dict[tuple[str, str], list[str]], blank: set[str]) -> None:
    value = cell.value
    if value is None:
        if cell.data_type == "n":
            blank.add(cell.coordinate)
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= 10**MOST_DIGITS:
        what = f"a number of more than {MOST_DIGITS} digits, of which a spreadsheet keeps {MOST_DIGITS}"
        remedy = "Format the column as text, and enter the numbers again."
        lost.setdefault((what, remedy), []).append(cell.coordinate)
    elif value in _NO_VALUE:
        lost.setdefault((f"the error {value}", "Correct the formula, or enter the value."), []).append(cell.coordinate)


def _note_formulas(sheet: Any, blank: set[str], lost: dict[tuple[str, str], list[str]]) -> None:
    """Find the formulas among the cells without a value: they were never calculated."""
    what = "a formula whose result is not in the file"
    remedy = "Open the workbook in Excel or LibreOffice, save it there, and try again; or enter the values."
    for _, cells in _filled_rows(sheet):
        for cell in cells:
            if cell.data_type == "f" and cell.coordinate in blank:
                lost.setdefault((what, remedy), []).append(cell.coordinate)


def _note_merged(sheet: Any, rows: Sequence[tuple[int, list[str]]], lost: dict[tuple[str, str], list[str]]) -> None:
    """Find cells below the headings that show a value which the file holds only once, in the first of them."""
    from openpyxl.utils import column_index_from_string

    texts = dict(rows)
    heading_row = next((number for number, cells in rows if sum(map(bool, cells)) > 1), 0)
    for merged in merged_downwards(sheet):
        first = column_index_from_string(merged.left) - 1
        cells = texts.get(merged.top, [])
        if merged.bottom <= heading_row or not cells[first : first + 1] or not cells[first]:
            continue
        if merged.top > heading_row:
            if not any(texts.get(heading_row, [])[first : first + 1]):
                continue  # without a heading, the column is not read
            what = "one value for several rows, in merged cells"
            remedy = "Unmerge them, and enter the value in each row."
        else:
            what = "a heading in several rows, in merged cells"
            remedy = "Write all headings into one row."
        lost.setdefault((what, remedy), []).append(merged.name)


def _cell_text(value: object, number_format: str) -> str:
    """Format a cell as Excel shows it where that matters: ids without ``.0`` and with their leading zeros."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int):
        zeros = re.fullmatch(r"00+", number_format)
        return str(value).zfill(len(zeros[0]) if zeros else 0)
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        has_time = value.time() != datetime.time()
        return value.isoformat(" ") if has_time else value.date().isoformat()
    return "" if value is None else strip_cell(str(value))
