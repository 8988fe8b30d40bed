"""A table of corrections that a page writes: each change as a line of a journal first, and refused if it was edited.

The table is the one that a scan reads. A person may edit it as well, also while the page is open, so every change names
the table that its author has seen, and is refused if that is no longer the one on the disk.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nephrograde.annotations.entry import check_reader, now
from nephrograde.errors import InputError, NephrogradeError, Problem, RunError, about_writing
from nephrograde.files import sha256_of
from nephrograde.lock import only_writer_of
from nephrograde.replacement import remove_leftovers, replaced, save_names
from nephrograde.sources.scan.corrections import key_of, open_corrections, read_corrections
from nephrograde.spreadsheet.cells import RowWriter
from nephrograde.volume.phase.evidence import PHASES, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COLUMNS = ("patient_id", "description", "series_uid", "part", "phase", "reader", "at")
"""Columns that the page writes; those of a table that has others stay."""
_WORKBOOK = b"PK\x03\x04"


class EditedError(NephrogradeError):
    """The table of corrections is no longer the one that the author of a change has seen."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person said of a series: its phase, empty if it is left out; and who and when, if the table says so."""

    phase: str
    reader: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Corrected:
    """The table of corrections at one moment.

    Attributes:
        stamp: Identifies its content; empty if there is no table.
        by_key: What it says, by key of a series or of a part of one.
        problems: Why it cannot be read or written; empty otherwise.
    """

    stamp: str
    by_key: Mapping[str, Correction] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a person says of one series.

    Attributes:
        id: 32 hexadecimal digits, given by the page; sent again, it is the same change.
        reader: The name of the person.
        patient_id: The pseudonym.
        series_uid: SeriesInstanceUID.
        part: Of a series of several stacks; empty otherwise.
        description: Of the series, for people who read the table.
        phase: The phase; empty to leave the series out; None to take back what was said.
        parts: All parts of the series, if there are several.
        instead_of: Keys of other series of the patient that a person had given the same phase; theirs is taken back.
        session: The tab of the page.
    """

    id: str
    reader: str
    patient_id: str
    series_uid: str
    part: str = ""
    description: str = ""
    phase: str | None
    parts: Sequence[str] = ()
    instead_of: Sequence[str] = ()
    session: str = ""

    @property
    def key(self) -> str:
        """The key of the series, or of its part."""
        return key_of({"series_uid": self.series_uid, "part": self.part})


class CorrectionsFile:
    r"""The table of corrections of a scan, with the journal of its changes beside it, named ``<table>.jsonl``.

    >>> import pathlib, tempfile
    >>> held = CorrectionsFile(pathlib.Path(tempfile.mkdtemp()) / "cohort.corrections.csv")
    >>> change = Change(id="0" * 32, reader="li", patient_id="P0001", series_uid="1.2.3", phase="np")
    >>> held.change(change, seen=held.read().stamp).by_key["1.2.3"].phase
    'np'
    >>> held.change(change, seen="something else").by_key["1.2.3"].phase  # the same change, sent again
    'np'
    """

    def __init__(self, path: Path) -> None:
        """Name the table.

        Args:
            path: It need not exist.
        """
        self.path = path.resolve()
        self._guard = threading.Lock()

    @property
    def journal_path(self) -> Path:
        """One line of JSON per change, in the order in which they were saved."""
        return self.path.with_suffix(".jsonl")

    def read(self) -> Corrected:
        """Read the table as it is now."""
        stamp = self._stamp()
        if not stamp:
            return Corrected("")
        try:
            phases = read_corrections(self.path).phases
            rows = {key_of(cells): cells for _, cells in reversed(open_corrections(self.path).rows)}
        except InputError as error:
            return Corrected(stamp, problems=error.problems)
        said = {
            key: Correction(phase, rows[key].get("reader", ""), rows[key].get("at", ""))
            for key, phase in phases.items()
        }
        return Corrected(stamp, said, self._unwritable())

    def change(self, change: Change, *, seen: str) -> Corrected:
        """Save a change; when this returns, it is on the disk and can be read back.

        Args:
            change: What a person says of a series.
            seen: ``stamp`` of the table that the person has seen.

        Returns:
            The table with the change.

        Raises:
            EditedError: The table was changed since.
            InputError: The change is not valid, or the table cannot be read, or is a workbook.
            RunError: Another process is writing the table, or something else was written in the same moment.
            WriteError: It cannot be written; the table is as it was.
        """
        _check(change)
        with self._guard, only_writer_of(self.path):
            remove_leftovers(self.path.parent, is_ours={self.path.name}.__contains__)
            before = self.read()
            if self._is_saved(change, before):
                return before
            if before.stamp != seen:
                raise EditedError(
                    f"{self.path.name} was changed since this page read it. Look at the series again, and repeat what "
                    "you wanted."
                )
            if before.problems:
                raise InputError(before.problems)
            self._write(change, before)
            after = self.read()
        said = after.by_key.get(change.key)
        if (None if said is None else said.phase) != change.phase:
            raise RunError(f"{self.path.name} was written by another program in the same moment. Try again.")
        return after

    def _stamp(self) -> str:
        try:
            return sha256_of(self.path) if self.path.exists() else ""
        except OSError as error:
            raise RunError(f"{self.path.name} cannot be read ({error.strerror}). Check its permissions.") from None

    def _unwritable(self) -> tuple[Problem, ...]:
        with self.path.open("rb") as stream:
            if stream.read(len(_WORKBOOK)) != _WORKBOOK:
                return ()
        remedy = "Save it as CSV, and scan again with --corrections and its name."
        return (Problem(self.path.name, "is a workbook, which is read but not written", remedy),)

    def _is_saved(self, change: Change, now_said: Corrected) -> bool:
        said = now_said.by_key.get(change.key)
        return (None if said is None else said.phase) == change.phase and change.id in self._ids()

    def _ids(self) -> set[str]:
        ids = set()
        with suppress(FileNotFoundError):
            for line in self.journal_path.read_bytes().splitlines():
                with suppress(ValueError, TypeError, KeyError):
                    ids.add(str(json.loads(line)["id"]))
        return ids

    def _write(self, change: Change, before: Corrected) -> None:
        """Replace the table; the line of the journal is on the disk before the table is renamed."""
        at = now()
        headings, rows = self._rows()
        rows = _changed(rows, change, at)
        columns = [*headings, *(name for name in COLUMNS if name not in headings)]
        is_private = bool(before.stamp) and not self.path.stat().st_mode & 0o077
        with replaced(self.path, is_private=is_private) as temporary_path:
            with temporary_path.open("w", encoding="utf-8", newline="") as stream:
                writer = RowWriter(stream)
                writer.write_row(columns)
                for row in rows:
                    writer.write_row(row.get(column, "") for column in columns)
                stream.flush()
                os.fsync(stream.fileno())
            said = before.by_key.get(change.key)
            self._append(change, at, None if said is None else said.phase)
        save_names(self.path.parent)

    def _rows(self) -> tuple[tuple[str, ...], list[dict[str, str]]]:
        if not self.path.exists():
            return (), []
        sheet = open_corrections(self.path)
        return sheet.headings, [cells for _, cells in sheet.rows]

    def _append(self, change: Change, at: str, was: str | None) -> None:
        content: dict[str, Any] = {
            "id": change.id,
            "at": at,
            "reader": change.reader,
            "session": change.session,
            "patient_id": change.patient_id,
            "series_uid": change.series_uid,
            "part": change.part,
            "phase": change.phase,
            "was": was,
            "instead_of": list(change.instead_of),
            "version": 1,
        }
        with about_writing(self.journal_path):
            handle = os.open(
                self.journal_path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666
            )
            try:
                size = os.fstat(handle).st_size
                os.lseek(handle, max(size - 1, 0), os.SEEK_SET)
                is_torn = size > 0 and os.read(handle, 1) != b"\n"
                line = json.dumps(content, ensure_ascii=False).encode() + b"\n"
                os.write(handle, b"\n" + line if is_torn else line)
                os.fsync(handle)
            finally:
                os.close(handle)


def _check(change: Change) -> None:
    check_reader(change.reader)
    problems = []
    if change.phase is not None and change.phase not in {*PHASES, UNKNOWN}:
        remedy = f"Give one of {', '.join(PHASES)}, an empty text, or null."
        problems.append(Problem("phase", "is not a phase", remedy))
    if len(change.id) != 32 or set(change.id) - set("0123456789abcdef"):
        problems.append(Problem("id", "does not have 32 hexadecimal digits", "Give every change an id of its own."))
    if problems:
        raise InputError(problems)


def _changed(rows: list[dict[str, str]], change: Change, at: str) -> list[dict[str, str]]:
    """Apply a change to the rows; a row for a whole series becomes one per part if only a part of it changes."""
    whole = [row for row in rows if key_of(row) == change.series_uid] if change.part else []
    if whole:
        rows = [row for row in rows if key_of(row) != change.series_uid]
        said = {key_of(row) for row in rows}
        spread = [{**whole[0], "part": part} for part in change.parts]
        rows += [row for row in spread if key_of(row) not in said]
    gone = {*change.instead_of} - {change.key}
    kept = [row for row in rows if key_of(row) not in gone]
    own = next((row for row in kept if key_of(row) == change.key), None)
    others = [row for row in kept if key_of(row) != change.key]
    if change.phase is None:
        return others
    new = {"phase": change.phase, "reader": change.reader, "at": at}
    if own is not None:
        return [{**row, **new} if row is own else row for row in kept if row is own or key_of(row) != change.key]
    described = {"patient_id": change.patient_id, "description": change.description}
    return [*others, {**described, "series_uid": change.series_uid, "part": change.part, **new}]
