"""The key: each patient's original id and date shift in days, and the secret behind the new UIDs."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import os
import re
import secrets
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem, about_writing
from nephrograde.replacement import replaced, write_all
from nephrograde.sources.deidentify.uids import is_registered
from nephrograde.spreadsheet.cells import RowWriter, as_read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_COLUMNS = ["patient_id", "original_id", "days_shifted"]
_SECRET_ROW = "(secret)"  # noqa: S105 - the name of the row, not its content
_SHIFT_FROM_DAYS, _SHIFT_TO_DAYS = 30, 3650
_OURS = re.compile(r"P(\d{4,12})")


@dataclass(frozen=True, slots=True)
class Subject:
    """One patient in the key.

    Attributes:
        patient_id: The pseudonym, "P0001".
        days_shifted: Days added to every date, a negative number.
    """

    patient_id: str
    days_shifted: int


class Key:
    """An open key file, whose only reader and writer the process must be (:func:`~nephrograde.lock.only_writer_of`).

    A patient's row is written before their files, so that a killed run loses no patient.

    The file is a CSV with the columns ``patient_id, original_id, days_shifted``, readable by its owner only; a row
    named "(secret)" holds the secret. A key that another step began (without days or a secret) is completed.
    """

    def __init__(self, key_path: Path) -> None:
        """Open a key file, or create one.

        Args:
            key_path: The file; its folder is created if missing.

        Raises:
            InputError: If the file is not a key, or gives two patients one pseudonym.
            WriteError: If it cannot be written.
        """
        self._path = key_path
        self._subjects: dict[str, Subject] = {}
        rows = _read_rows(key_path)
        secret = next((row["original_id"] for row in rows if row["patient_id"] == _SECRET_ROW), "")
        self._secret = _secret_of(secret, key_path) if secret else secrets.token_bytes(32)
        for row in rows:
            if row["patient_id"] != _SECRET_ROW:
                days = _days_of(row.get("days_shifted") or "", key_path)
                self._subjects[row["original_id"]] = Subject(row["patient_id"], days)
        numbers = (int(match[1]) for one in self._subjects.values() if (match := _OURS.fullmatch(one.patient_id)))
        self._last = max(numbers, default=0)
        known = [[one.patient_id, original, one.days_shifted] for original, one in self._subjects.items()]
        write_private(key_path, [_COLUMNS, [_SECRET_ROW, self._secret.hex(), ""], *known])

    def subject(self, original_id: str) -> Subject:
        """Return the patient with an original id; a new patient gets the next number and a random date shift.

        The shift is 30 to 3,650 days into the past, drawn once per patient, so that intervals within a patient are
        preserved.

        Args:
            original_id: The id as written in the header.
        """
        if original_id not in self._subjects:
            self._last += 1
            one = Subject(f"P{self._last:04d}", _random_days())
            _append_private(self._path, [one.patient_id, original_id, one.days_shifted])
            self._subjects[original_id] = one
        return self._subjects[original_id]

    def original_id(self, patient_id: str) -> str:
        """Return the original id behind a pseudonym; empty if there is none."""
        return next((original for original, one in self._subjects.items() if one.patient_id == patient_id), "")

    def uid(self, original_uid: str) -> str:
        """Map a UID to its replacement, which is the same each time and cannot be reversed without the key.

        Args:
            original_uid: Any text. UIDs registered in the standard and empty texts are returned unchanged.

        Returns:
            A UID of the form 2.25.<UUID>, derived by HMAC-SHA-256.

        **Source:** DICOM PS3.5 B.2 (UUID derived UID); FIPS 198-1 (HMAC).
        """
        if not original_uid or is_registered(original_uid):
            return original_uid
        drawn = hmac.digest(self._secret, f"uid {original_uid}".encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"2.25.{uuid.UUID(bytes=drawn[:16], version=4).int}"

    def digest(self, text: str) -> str:
        """Return a keyed digest of a text, such as a path; it reveals nothing without the key."""
        drawn = hmac.digest(self._secret, f"text {text}".encode("utf-8", "surrogatepass"), hashlib.sha256)
        return drawn.hex()[:32]


def _random_days() -> int:
    return -_SHIFT_FROM_DAYS - secrets.randbelow(_SHIFT_TO_DAYS - _SHIFT_FROM_DAYS + 1)


def _read_rows(key_path: Path) -> list[dict[str, str]]:
    try:
        text = key_path.read_bytes().decode("utf-8-sig", "surrogatepass")
    except FileNotFoundError:
        return []
    except (UnicodeDecodeError, OSError) as error:
        raise _not_a_key(key_path, f"cannot be read ({type(error).__name__})") from None
    whole, _, _ = text.rpartition("\n")  # a killed run may have left a partial line, whose patient has no file yet
    reader = csv.DictReader(io.StringIO(whole, newline=""))
    if not {"patient_id", "original_id"} <= set(reader.fieldnames or ()):
        raise _not_a_key(key_path, "lacks the columns patient_id and original_id")
    rows = [{name: as_read(cell) if isinstance(cell, str) else cell for name, cell in row.items()} for row in reader]
    if any(not row["patient_id"] or row["original_id"] is None for row in rows):
        raise _not_a_key(key_path, "has a row without an id")
    if len({row["original_id"] for row in rows}) < len(rows):
        raise _not_a_key(key_path, "has a patient in two rows")
    if len({row["patient_id"].strip().casefold() for row in rows}) < len(rows):
        raise _not_a_key(key_path, "gives two patients one pseudonym")
    return rows


def _secret_of(text: str, key_path: Path) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise _not_a_key(key_path, "has a secret that is not hexadecimal") from None


def _days_of(text: str, key_path: Path) -> int:
    try:
        return int(text) if text else _random_days()
    except ValueError:
        raise _not_a_key(key_path, "has a days_shifted that is not a whole number") from None


def _not_a_key(key_path: Path, what: str) -> InputError:
    remedy = "Name the key file of an earlier run, or a new file."
    return InputError([Problem(str(key_path), f"the key file {what}", remedy)])


def write_private(csv_path: Path, rows: Sequence[Sequence[object]]) -> None:
    """Write a CSV file atomically, readable by its owner only.

    Args:
        csv_path: The file; its folder is created if missing.
        rows: The rows, starting with the headings.
    """
    with replaced(csv_path, is_private=True) as temporary_path, temporary_path.open("wb") as stream:
        stream.write(_csv_bytes(rows))
        stream.flush()
        os.fsync(stream.fileno())


def _append_private(key_path: Path, row: Sequence[object]) -> None:
    """Append a row, or nothing of it."""
    with about_writing(key_path), key_path.open("ab", buffering=0) as stream:
        end = stream.seek(0, os.SEEK_END)
        try:
            write_all(stream, _csv_bytes([row]))
            os.fsync(stream.fileno())
        except OSError:
            stream.truncate(end)
            raise


def _csv_bytes(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = RowWriter(text)
    for row in rows:
        writer.write_row(row)
    return text.getvalue().encode("utf-8", "surrogatepass")
