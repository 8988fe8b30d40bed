"""The tables and JSON files of a run folder, and the digests of files."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from typing import IO, TYPE_CHECKING, Any

from nephrograde.errors import RunError
from nephrograde.replacement import replaced
from nephrograde.spreadsheet.cells import RowWriter, as_read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


_AGAIN = "Delete it and run again."
_LEFT_BY_OTHERS = {".DS_Store", "Thumbs.db", "desktop.ini"}


def write_rows(csv_path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV file atomically (UTF-8, comma); None becomes an empty cell and floats keep all digits.

    A text that a spreadsheet would run as a formula is written as text; see :mod:`nephrograde.spreadsheet.cells`.
    """
    with replaced(csv_path) as temporary_path, temporary_path.open("w", encoding="utf-8", newline="") as stream:
        writer = RowWriter(stream)
        writer.write_row(columns)
        for row in rows:
            if unknown := row.keys() - set(columns):
                raise ValueError(f"{csv_path.name} has no columns {', '.join(sorted(unknown))}")
            writer.write_row(row.get(column) for column in columns)


def read_rows(csv_path: Path, columns: Iterable[str] = (), *, remedy: str = _AGAIN) -> list[dict[str, str]]:
    """Read a CSV file of the run folder, with every cell as text.

    Args:
        csv_path: The file.
        columns: Columns that it must have; others may be there as well.
        remedy: What to do about a damaged file.

    Raises:
        RunError: The file is missing or cannot be read, lacks a column, or has a row with another number of cells than
            there are headings.
    """
    try:
        with csv_path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = [_as_read(row) for row in reader]
            headings = [as_read(heading) for heading in reader.fieldnames or ()]
    except FileNotFoundError:
        raise RunError(f"{csv_path} is missing. Run the earlier stage first, or `nephrograde run`.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(csv_path, error, remedy) from None
    missing = [column for column in columns if column not in headings]
    uneven = next((number for number, row in enumerate(rows, start=1) if None in row or None in row.values()), None)
    if missing:
        what = f"has no column {', '.join(missing)}"
    elif len(set(headings)) < len(headings):
        what = "uses a heading twice"
    elif uneven is not None:
        what = f"has another number of cells in row {uneven} than it has headings"
    else:
        return rows
    raise RunError(f"{csv_path} is damaged (it {what}). {remedy}")


def finite(cell: str) -> float:
    """Parse a number in a cell of the run folder, where neither NaN nor infinity is ever written as a number.

    Args:
        cell: The text.

    Raises:
        ValueError: It is not a number, or not finite.

    >>> finite("0.25")
    0.25
    """
    number = float(cell)
    if not math.isfinite(number):
        raise ValueError(f"{cell} is not a finite number")
    return number


def without_nan(row: Mapping[str, object]) -> dict[str, object]:
    """Replace numbers that were not computed by None: empty in a table, null in JSON.

    Args:
        row: A row by column.

    >>> without_nan({"auc": 0.8, "low": float("nan"), "n": 12})
    {'auc': 0.8, 'low': None, 'n': 12}
    """
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}


def _as_read(row: dict[str, Any]) -> dict[str, str]:
    return {
        as_read(heading) if isinstance(heading, str) else heading: as_read(cell) if isinstance(cell, str) else cell
        for heading, cell in row.items()
    }


def write_json(json_path: Path, content: object) -> None:
    """Write a JSON file atomically (UTF-8, indented, keys in the given order)."""
    with replaced(json_path) as temporary_path:
        temporary_path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(json_path: Path) -> dict[str, Any]:
    """Read a JSON object of the run folder.

    Raises:
        RunError: The file is missing, cannot be read, or is not a JSON object.
    """
    try:
        return parse_json(json_path.read_bytes(), json_path)
    except FileNotFoundError:
        raise RunError(f"{json_path} is missing. Is this a run folder?") from None
    except OSError as error:
        raise _unreadable(json_path, error) from None


def parse_json(raw: bytes, json_path: Path) -> dict[str, Any]:
    """Parse a JSON object whose bytes have been read.

    Args:
        raw: The bytes.
        json_path: The file that they come from, for messages.

    Raises:
        RunError: They are not a JSON object in UTF-8.

    >>> from pathlib import Path
    >>> parse_json(b'{"a": 1}', Path("a.json"))
    {'a': 1}
    """
    try:
        content = json.loads(raw.decode("utf-8"))
        if b"\\u" in raw:  # half of a surrogate pair is valid JSON, but no text that could be written
            json.dumps(content, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise _unreadable(json_path, error) from None
    if not isinstance(content, dict):
        raise RunError(f"{json_path} does not hold a JSON object. {_AGAIN}")
    return content


def _unreadable(path: Path, error: Exception, remedy: str = _AGAIN) -> RunError:
    """An error about a file of the run folder that is there but cannot be read or parsed."""
    if isinstance(error, OSError):
        return RunError(f"{path} cannot be read ({error.strerror or error}). {remedy}")
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return RunError(f"{path} is damaged ({reason}). {remedy}")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, or of a folder's file names and contents (a DICOM series).

    What file managers and notebooks leave in a folder is not part of it.
    """
    if path.is_dir():
        parts = sorted(part for part in path.iterdir() if part.is_file() and part.name not in _LEFT_BY_OTHERS)
        return fingerprint([[part.name, sha256_of(part)] for part in parts])
    return sha256_of_parts([path])


def sha256_of_parts(paths: Iterable[Path]) -> str:
    """SHA-256 of the content of files, joined in this order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            for block in _blocks(stream):
                digest.update(block)
    return digest.hexdigest()


def sha256_of_stream(stream: IO[bytes]) -> str:
    """SHA-256 of the remaining content of an open file."""
    digest = hashlib.sha256()
    for block in _blocks(stream):
        digest.update(block)
    return digest.hexdigest()


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(1 << 20):
        yield block


def fingerprint(content: object) -> str:
    """SHA-256 of any JSON-serialisable value, independent of key order.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
