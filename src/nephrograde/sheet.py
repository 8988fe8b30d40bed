"""Tables as users save them: CSV, TSV or XLSX, in the encodings that Excel writes in China and elsewhere.

The file type is detected from the first bytes, not from the name: hospital systems name web pages and tab-separated
text ``.xls``. A row keeps the number that Excel shows, so that a message can say where to look.
"""

from __future__ import annotations

import codecs
import csv
import datetime
import difflib
import io
import re
import unicodedata
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.cells import as_read
from nephrograde.errors import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from openpyxl.workbook import Workbook

SAVE_AS = "Open it in Excel and save it as .xlsx, or as CSV UTF-8."

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

_OLD_OFFICE = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK\x03\x04"
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))
_HAN = "\u3400-\u9fff"


class _UnreadableError(Exception):
    """The bytes are not a readable table; the message says what they are."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as text: its file name, its headings, and for each row its number in Excel and its cells.

    >>> Sheet("cohort.csv", ("patient_id",), ((2, {"patient_id": "P001"}),)).rows[0][1]["patient_id"]
    'P001'
    """

    name: str
    headings: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


def open_sheet(table_path: Path) -> tuple[Sheet | None, list[Problem]]:
    """Read a table, and report everything that is wrong with its structure.

    A text that was written with an apostrophe, so that no spreadsheet runs it, is read without it. The first non-empty
    row contains the headings. Empty rows and columns without a heading are ignored. In an XLSX
    workbook, the first visible sheet with data is read.

    Args:
        table_path: CSV or text separated by tabs or semicolons (UTF-8 with or without BOM, UTF-16 with BOM, GB18030),
            or XLSX.

    Returns:
        The sheet, None if it cannot be read at all; and the problems.

    >>> from pathlib import Path
    >>> open_sheet(Path("nowhere.csv"))[1][0].what
    'no such file'
    """
    try:
        raw = table_path.read_bytes()
        grid = _workbook_grid(raw) if raw.startswith(_ZIP) else _text_grid(raw)
    except FileNotFoundError:
        return None, [Problem(str(table_path), "no such file", _near_files(table_path))]
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        return None, [Problem(str(table_path), what, "Check the path and its permissions.")]
    except _UnreadableError as error:
        return None, [Problem(str(table_path), str(error), SAVE_AS)]
    filled = [(number, cells) for number, cells in enumerate(grid, start=1) if any(cells)]
    if not filled:
        return None, [Problem(str(table_path), "the table is empty", "Add a row of headings and one row per patient.")]
    return _as_sheet(table_path.name, filled)


def clean_heading(text: str) -> str:
    r"""Normalize a heading for comparison: half-width, without stray spaces or newlines.

    Args:
        text: A heading as written in a table or in the study file.

    Returns:
        The heading with single spaces, and none beside ``_`` or between Chinese characters.

    >>> clean_heading(" cmp_\nimage "), clean_heading("病案\n号"), clean_heading("size  (cm)")
    ('cmp_image', '病案号', 'size (cm)')
    """
    plain = " ".join(_strip(unicodedata.normalize("NFKC", text)).split())
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


def _as_sheet(name: str, filled: list[tuple[int, list[str]]]) -> tuple[Sheet, list[Problem]]:
    filled = [(number, [as_read(cell) for cell in cells]) for number, cells in filled]
    heading_row, heading_cells = filled[0]
    headings = [clean_heading(cell) for cell in heading_cells]
    problems = []
    for heading in dict.fromkeys(heading for heading in headings if heading and headings.count(heading) > 1):
        what = f"the heading '{heading}' is used for {headings.count(heading)} columns"
        problems.append(Problem(f"{name} row {heading_row}", what, "Rename or remove all but one."))
    rows = []
    for number, cells in filled[1:]:
        beyond = [cell for cell in cells[len(headings) :] if cell]
        if beyond:
            what = f"has {len(cells)} cells under {len(headings)} headings"
            remedy = f"Quote any cell that contains the separator, such as a position; '{beyond[0]}' is left over."
            problems.append(Problem(f"{name} row {number}", what, remedy))
        padded = [*cells, *[""] * len(headings)]
        rows.append((number, {heading: padded[i] for i, heading in enumerate(headings) if heading}))
    if not rows:
        problems.append(Problem(name, "there are headings but no rows", "Add one row per patient."))
    return Sheet(name, tuple(dict.fromkeys(filter(None, headings))), tuple(rows)), problems


def _strip(text: str) -> str:
    return text.translate(_INVISIBLE).strip()


def _text_grid(raw: bytes) -> list[list[str]]:
    if raw.startswith(_OLD_OFFICE):
        raise _UnreadableError("is an old .xls workbook or is password-protected")
    text = _decode(raw)
    if re.match(r"\s*<(!doctype|html|\?xml|table|meta|head)", text, re.IGNORECASE):
        raise _UnreadableError("is a web page, despite its name")
    hint = re.match(r"sep=([,;\t])\r?\n", text)
    body = text[hint.end() :] if hint else text
    delimiter = hint[1] if hint else _delimiter_of(body)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    try:
        return [[_strip(cell) for cell in row] for row in reader]
    except csv.Error as error:
        raise _UnreadableError(f"has a misplaced quote near line {reader.line_num} ({error})") from error


def _decode(raw: bytes) -> str:
    has_utf16_bom = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if has_utf16_bom else ("utf-8-sig", "gb18030"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise _UnreadableError("is neither a workbook nor text in UTF-8 or GB18030")


def _delimiter_of(text: str) -> str:
    """Return the delimiter that splits the headings into the most cells."""
    first_line = next((line for line in text.splitlines() if line.strip(" ,;\t\ufeff")), "")
    return max(",;\t", key=lambda delimiter: len(next(csv.reader([first_line[:100_000]], delimiter=delimiter), [])))


def _workbook_grid(raw: bytes) -> list[list[str]]:
    import openpyxl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns about styles and filters, which contain no data
            workbook = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
            return _first_grid(workbook)
    except (KeyError, TypeError, ValueError, OSError, SyntaxError, zipfile.BadZipFile, zlib.error) as error:
        raise _UnreadableError(f"is not a readable .xlsx workbook ({error})") from error


def _first_grid(workbook: Workbook) -> list[list[str]]:
    for sheet in workbook.worksheets:
        if sheet.sheet_state != "visible":
            continue
        sheet.reset_dimensions()  # some exporters write a wrong range
        grid = [[_cell_text(cell.value, cell.number_format) for cell in row] for row in sheet.iter_rows()]
        if any(any(row) for row in grid):
            width = max(len(row) for row in grid)
            return [[*row, *[""] * (width - len(row))] for row in grid]
    return []


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
    return "" if value is None else _strip(str(value))
