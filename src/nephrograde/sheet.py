"""Tables as users save them: CSV, TSV or XLSX, in the encodings that Excel writes in China and elsewhere.

Workbooks are read in ``spreadsheet/workbook.py``, and the encoding of a text file is chosen in
``spreadsheet/encoding.py``.

The file type is detected from the first bytes, not from the name: hospital systems name web pages and tab-separated
text ``.xls``. A row keeps the number that Excel shows, so that a message can say where to look.
"""

from __future__ import annotations

import csv
import datetime
import difflib
import io
import re
import unicodedata
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.errors import Problem
from nephrograde.spreadsheet.cells import as_read
from nephrograde.spreadsheet.encoding import UndecodableError, decode_table
from nephrograde.spreadsheet.sheets import ChosenSheet
from nephrograde.spreadsheet.workbook import UnreadableWorkbookError, read_workbook, strip_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd

    from nephrograde.spreadsheet.workbook import LostCells

SAVE_AS = "Open it in Excel and save it as .xlsx, or as CSV UTF-8."
NAME_ENCODING = "Name its encoding with --encoding, such as cp1250, or save it as .xlsx or CSV UTF-8."
DAY_ZERO = datetime.date(1899, 12, 30)
"""The day from which date numbers count in Excel; in workbooks made on old Macintoshes it is in 1904."""

_BLANK = frozenset(
    {
        "",
        "na",
        "n/a",
        "n.a.",
        "#n/a",
        "<na>",
        "nan",
        "nat",
        "null",
        "-",
        "--",
        "–",
        "—",
        "——",
        "/",
        "\\",
    }
)
_NONE = frozenset({"none", "无"})

_HEADINGS_BELOW_TITLE = 3
_PEEKED_ROWS, _PEEKED_CHARACTERS = 10, 100_000
"""At the top of a text file, where the headings are."""

_OLD_OFFICE = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK\x03\x04"
_HAN = "\u3400-\u9fff"


class _UnreadableError(Exception):
    """The file is not a readable table."""

    def __init__(self, what: str, remedy: str = SAVE_AS) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(what, remedy)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The rows that are not empty, and what was noticed in reading them."""

    rows: tuple[tuple[int, list[str]], ...]
    note: str = ""
    lost: tuple[LostCells, ...] = ()
    day_zero: datetime.date = DAY_ZERO
    sheet: ChosenSheet | None = None
    hidden: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as text: its file name, its headings, and for each row its number in Excel and its cells.

    ``note`` says in which encoding a text file was read, if that was a choice; ``day_zero`` is the day from which date
    numbers count; ``title`` and ``passed_over`` are the sheet that was read and the other tables of a workbook, and
    ``hidden`` the numbers of those rows that the spreadsheet does not show.

    >>> Sheet("cohort.csv", ("patient_id",), ((2, {"patient_id": "P001"}),)).rows[0][1]["patient_id"]
    'P001'
    """

    name: str
    headings: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    note: str = ""
    day_zero: datetime.date = DAY_ZERO
    title: str = ""
    passed_over: tuple[str, ...] = ()
    hidden: tuple[int, ...] = ()

    def notes(self, remedy: str = "") -> tuple[str, ...]:
        """Return how the table was read, where that was a choice: its encoding, its sheet, or its hidden rows.

        Args:
            remedy: What can be done about a wrong encoding.

        >>> Sheet("a.xlsx", (), (), title="2024", passed_over=("Legend",)).notes()
        ("a.xlsx was read from its sheet '2024', not from 'Legend'. To read another sheet, move it to the front.",)
        """
        told = []
        if self.note:
            told.append(f"{self.name} {self.note}. {remedy}".rstrip())
        if self.passed_over:
            others = " or ".join(f"'{title}'" for title in self.passed_over[:2])
            more = f" and {len(self.passed_over) - 2} more" if len(self.passed_over) > 2 else ""
            what = f"{self.name} was read from its sheet '{self.title}', not from {others}{more}."
            told.append(f"{what} To read another sheet, move it to the front.")
        if self.hidden:
            which = f"{len(self.hidden)}, the first of them row {self.hidden[0]}"
            what = f"{self.name} was read with its hidden rows ({which})."
            told.append(f"{what} Delete those that should not take part.")
        return tuple(told)


def open_table(table: pd.DataFrame | str | Path, encoding: str | None = None) -> tuple[Sheet | None, list[Problem]]:
    """Read a DataFrame or a file alike, and report everything that is wrong with its structure.

    Args:
        table: A DataFrame, whose missing values are empty and whose rows are numbered from 1; or the path of a file,
            as for :func:`open_sheet`.
        encoding: The encoding of a text file; None detects it.

    Returns:
        The sheet, None if it cannot be read at all; and the problems.

    >>> import pandas as pd
    >>> sheet, _ = open_table(pd.DataFrame({"patient_id": ["P001 "], "p_high": [0.5]}))
    >>> sheet.rows
    ((1, {'patient_id': 'P001', 'p_high': '0.5'}),)
    """
    if isinstance(table, str | Path):
        return open_sheet(Path(table), encoding)
    headings = [str(name) for name in table.columns]
    texts = [[str(cell) for cell in row] for row in table.astype(object).where(table.notna(), "").to_numpy().tolist()]
    return _sheet_of(_Grid(tuple(_filled([headings, *texts], first=0))), "the DataFrame")


def open_sheet(table_path: Path, encoding: str | None = None) -> tuple[Sheet | None, list[Problem]]:
    """Read a table, and report everything that is wrong with its structure.

    A text that was written with an apostrophe, so that no spreadsheet runs it, is read without it. The first non-empty
    row contains the headings, unless it is a title: a single cell above a row of at least three texts. Empty rows and
    columns without a heading are ignored. In an XLSX workbook, the first visible sheet that is a table is read; another
    with the same headings, formulas without a stored result, errors of Excel, numbers that have lost digits and values
    that are merged over several rows are problems.

    Args:
        table_path: CSV or text separated by tabs or semicolons, or XLSX.
        encoding: The encoding of a text file, by its Python name. None recognises UTF-8, with or without BOM, and
            UTF-16 with BOM, and otherwise takes the one in which the text is most plausible; see
            ``spreadsheet.encoding``.

    Returns:
        The sheet, None if it cannot be read at all; and the problems.

    >>> from pathlib import Path
    >>> open_sheet(Path("nowhere.csv"))[1][0].what
    'no such file'
    """
    try:
        grid = _read_grid(table_path, encoding)
    except _UnreadableError as error:
        return None, [Problem(str(table_path), error.what, error.remedy)]
    return _sheet_of(grid, table_path.name, place=str(table_path))


def _sheet_of(grid: _Grid, name: str, place: str = "") -> tuple[Sheet | None, list[Problem]]:
    problems = [Problem(f"{name} {one.place}", f"holds {one.what}", one.remedy) for one in grid.lost]
    chosen = grid.sheet or ChosenSheet("")
    if chosen.alike:
        what = f"has several sheets with the same headings, '{chosen.title}' and '{chosen.alike[0]}'"
        what += f" and {len(chosen.alike) - 1} more" if len(chosen.alike) > 1 else ""
        remedy = "Put all rows on one sheet, or hide the sheets that are not to be read."
        problems.append(Problem(place or name, what, remedy))
    if not grid.rows:
        empty = Problem(place or name, "the table is empty", "Add a row of headings and one row per patient.")
        return None, problems or [empty]
    headings, rows, found = _split_headings(name, _below_title(grid.rows))
    hidden = tuple(number for number, _ in rows if number in grid.hidden)
    sheet = Sheet(name, headings, rows, grid.note, grid.day_zero, chosen.title, chosen.others, hidden)
    return sheet, [*problems, *found]


def _read_grid(table_path: Path, encoding: str | None) -> _Grid:
    try:
        if table_path.is_dir():
            raise _UnreadableError("is a folder, not a table", "Name the table in it, such as cohort.csv.")
        raw = table_path.read_bytes()
        if not raw.startswith(_ZIP):
            return _text_grid(raw, encoding)
        book = read_workbook(raw)
    except FileNotFoundError:
        raise _UnreadableError("no such file", _near_files(table_path)) from None
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise _UnreadableError(what, "Check the path and its permissions.") from error
    except UndecodableError as error:
        raise _UnreadableError(str(error), NAME_ENCODING) from error
    except UnreadableWorkbookError as error:
        raise _UnreadableError(str(error), SAVE_AS) from error
    width = max((len(cells) for _, cells in book.rows), default=0)
    rows = list(book.rows)
    if rows:
        number, cells = rows[0]
        rows[0] = (number, [*cells, *[""] * (width - len(cells))])  # a cell beside the table has no heading
    return _Grid(tuple(rows), lost=book.lost, day_zero=book.day_zero, sheet=book.sheet, hidden=book.hidden)


def clean_heading(text: str) -> str:
    r"""Normalize a heading for comparison: half-width, without stray spaces or newlines.

    Args:
        text: A heading as written in a table or in the study file.

    Returns:
        The heading with single spaces, and none beside ``_`` or between Chinese characters.

    >>> clean_heading(" cmp_\nimage "), clean_heading("病案\n号"), clean_heading("size  (cm)")
    ('cmp_image', '病案号', 'size (cm)')
    """
    plain = " ".join(strip_cell(unicodedata.normalize("NFKC", text)).split())
    return re.sub(rf"(?<=[{_HAN}]) (?=[{_HAN}])", "", plain.replace(" _", "_").replace("_ ", "_"))


def is_blank(text: str) -> bool:
    """Tell whether a cell says that nothing was entered; "none" and 无, which answer a question, are not blank.

    >>> [text for text in ("N/A", "—", "<NA>", "无", "0") if is_blank(text)]
    ['N/A', '—', '<NA>']
    """
    return unicodedata.normalize("NFKC", text).strip().casefold() in _BLANK


def is_nothing(text: str) -> bool:
    """Tell whether a cell names nothing: it is blank, or says that there is none. For files, places and numbers.

    >>> [text for text in ("N/A", "None", "无", "0") if is_nothing(text)]
    ['N/A', 'None', '无']
    """
    return is_blank(text) or unicodedata.normalize("NFKC", text).strip().casefold() in _NONE


def _near_files(table_path: Path) -> str:
    folder = table_path.parent
    if not folder.is_dir():
        return f"There is no folder {folder} either; correct the path."
    near = difflib.get_close_matches(table_path.name, sorted(entry.name for entry in folder.iterdir()), n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    return "Correct the path; relative paths in a study file start from its folder."


def cell_text(text: str) -> str:
    r"""Return the text of a cell: without the apostrophe that keeps spreadsheets from running it, and stripped.

    >>> cell_text(" P1\u200b "), cell_text("'=1+1")
    ('P1', '=1+1')
    """
    return strip_cell(as_read(text))


def frame_headings(frame: pd.DataFrame) -> list[str]:
    r"""The headings of a DataFrame as those of a file are read.

    >>> import pandas as pd
    >>> frame_headings(pd.DataFrame({" p_high\n": [0.5]}))
    ['p_high']
    """
    return [clean_heading(as_read(str(name))) for name in frame.columns]


def _below_title(filled: Sequence[tuple[int, list[str]]]) -> Sequence[tuple[int, list[str]]]:
    """Leave out a title above the headings, which Excel shows merged over the columns."""
    while len(filled) > 1:
        (_, above), (_, below) = filled[:2]
        texts = [cell for cell in below if cell]
        if sum(map(bool, above)) > 1 or len(texts) < _HEADINGS_BELOW_TITLE or any(map(_has_number, texts)):
            break
        filled = filled[1:]
    return filled


def _has_number(text: str) -> bool:
    return re.fullmatch(r"[\d.,\s%+-]+", unicodedata.normalize("NFKC", text)) is not None


def _split_headings(
    name: str, filled: Sequence[tuple[int, list[str]]]
) -> tuple[tuple[str, ...], tuple[tuple[int, dict[str, str]], ...], list[Problem]]:
    filled = [(number, [as_read(cell) for cell in cells]) for number, cells in filled]
    heading_row, heading_cells = filled[0]
    headings = [clean_heading(cell) for cell in heading_cells]
    problems = []
    for heading in dict.fromkeys(heading for heading in headings if heading and headings.count(heading) > 1):
        what = f"the heading '{heading}' is used for {headings.count(heading)} columns"
        place = f"{name} row {heading_row}" if heading_row else name
        problems.append(Problem(place, what, "Rename or remove all but one."))
    rows = []
    for number, cells in filled[1:]:
        beyond = [cell for cell in cells[len(headings) :] if cell]
        if beyond:
            what = f"has {len(cells)} cells under {len(headings)} headings"
            remedy = f"Quote any cell that contains the separator, such as a position; '{beyond[0]}' is left over."
            problems.append(Problem(f"{name} row {number}", what, remedy))
        padded = [*cells, *[""] * (len(headings) - len(cells))]
        rows.append((number, {heading: strip_cell(padded[i]) for i, heading in enumerate(headings) if heading}))
    if not rows:
        problems.append(Problem(name, "there are headings but no rows", "Add one row per patient."))
    return tuple(dict.fromkeys(filter(None, headings))), tuple(rows), problems


def _text_grid(raw: bytes, encoding: str | None) -> _Grid:
    if raw.startswith(_OLD_OFFICE):
        raise _UnreadableError("is an old .xls workbook or is password-protected")
    decoded = decode_table(raw, encoding)
    text = decoded.text
    if re.match(r"\s*<(!doctype|html|\?xml|table|meta|head)", text, re.IGNORECASE):
        raise _UnreadableError("is a web page, despite its name")
    hint = re.match(r"sep=([,;\t])\r?\n", text)
    body = text[hint.end() :] if hint else text
    delimiter = hint[1] if hint else _delimiter_of(body)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [[strip_cell(cell) for cell in row] for row in reader]
    except csv.Error as error:
        raise _UnreadableError(f"has a misplaced quote near line {reader.line_num} ({error})") from error
    return _Grid(tuple(_filled(rows)), decoded.note)


def _filled(rows: Iterable[list[str]], first: int = 1) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, with their numbers."""
    return ((number, cells) for number, cells in enumerate(rows, start=first) if any(cells))


def _delimiter_of(text: str) -> str:
    """Return the delimiter that splits the headings into the most cells; none splits a title above them."""
    rows_by = {delimiter: _first_rows(text, delimiter) for delimiter in ",;\t"}
    for row in range(_PEEKED_ROWS):
        widths = {delimiter: len(rows[row]) if row < len(rows) else 0 for delimiter, rows in rows_by.items()}
        if max(widths.values()) > 1:
            return max(widths, key=lambda delimiter: widths[delimiter])
    return ","


def _first_rows(text: str, delimiter: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text[:_PEEKED_CHARACTERS], newline=""), delimiter=delimiter)
    filled = (cells for cells in reader if any(cell.strip(" ,;\t\ufeff") for cell in cells))
    return list(islice(filled, _PEEKED_ROWS))
