"""Cells of a table that a spreadsheet must not run as a formula.

Excel and LibreOffice run a text that begins with ``=``, ``+``, ``-`` or ``@``, also in a CSV file. An apostrophe before
it makes it a text; reading takes the apostrophe away again. Numbers stay numbers. People write ``'0012`` or ``="0012"``
for an id whose zeros a spreadsheet is to keep: it is read as ``0012``.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

_RUN = "=+\\-@\t\r\n＝＋－＠"
"""The first characters of a formula, their full-width forms, and white space that spreadsheets skip before one."""
_FORMULA = re.compile(rf"'*[{_RUN}]|'+[0-9]")
_ESCAPED = re.compile(rf"'+[{_RUN}0-9]")
_TEXT = re.compile(r'="([^"]*)"')
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+](inf|nan)", re.ASCII)


class RowWriter:
    r"""Writes the rows of a CSV file: commas, lines that end in a line feed, and cells that no spreadsheet runs.

    A cell with a line break is quoted, also one with a bare carriage return, which Python's writer would leave to be
    read as the end of the row.

    >>> import io
    >>> stream = io.StringIO()
    >>> writer = RowWriter(stream)
    >>> writer.write_row(["P001", "=1+1", "a\rb", None, -0.5])
    >>> stream.getvalue()
    'P001,\'=1+1,"a\rb",,-0.5\n'
    """

    def __init__(self, stream: TextIO) -> None:
        """Begin at the position of a stream.

        Args:
            stream: Opened with ``newline=""``.
        """
        self._stream = stream
        self._writer = csv.writer(self, lineterminator="\r\n")

    def write(self, row: str) -> None:
        """Write a formatted row; called by the CSV writer."""
        self._stream.write(row.removesuffix("\r\n") + "\n")

    def write_row(self, cells: Iterable[object]) -> None:
        """Write a row; None is an empty cell.

        Args:
            cells: Its cells.
        """
        self._writer.writerow(map(as_written, cells))


def as_written(cell: object) -> object:
    """Return what is written for a cell, so that no spreadsheet runs it.

    Args:
        cell: A text, or a value of another type, which is returned as it is.

    **Source:** OWASP, "CSV Injection".

    >>> [as_written(cell) for cell in ("=1+1", "@SUM(A1)", "-0.5", -0.5, "-12,4 mm", "P001", "'=x")]
    ["'=1+1", "'@SUM(A1)", '-0.5', -0.5, "'-12,4 mm", 'P001', "''=x"]
    """
    is_formula = isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def as_read(text: str) -> str:
    """Return the text that was written for a cell by :func:`as_written`, or by a person for a spreadsheet.

    Args:
        text: The cell as it is in the file.

    >>> [as_read(text) for text in ("'=1+1", "-0.5", "''=x", "'", "it's", "'0012", '="0012"')]
    ['=1+1', '-0.5', "'=x", "'", "it's", '0012', '0012']
    """
    if _ESCAPED.match(text):
        return text[1:]
    return text if (found := _TEXT.fullmatch(text)) is None else found[1]
