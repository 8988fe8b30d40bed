"""The journal of a reader: one line of JSON per entry, on disk before it is acknowledged, and never rewritten.

Several processes, also on two machines that share a folder, may append to one journal: each waits until the other has
finished. What a killed process left of its last line is dropped by the next one.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nephrograde.annotations.entry import Entry, check_reader, read_entry
from nephrograde.annotations.state import PatientLabels, replay, write_result
from nephrograde.errors import InputError, Problem, RunError, WriteError, about_writing
from nephrograde.lock import lock_handle
from nephrograde.replacement import make_folder, save_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SUFFIX = ".jsonl"
_LONGEST_WAIT_S = 20.0
_PAUSE_S = 0.004
_LISTED = 10  # damaged lines listed individually
_REMEDY = "Restore the file from a copy, or correct the line; the journal is not changed until then."


class Journal:
    """One reader's journal in a folder of annotations; safe for threads and processes.

    After every entry, ``<reader>.csv`` is written again from the whole journal. If that cannot be written,
    for instance because a spreadsheet has it open, the entry is saved all the same, ``unwritten`` says why, and the
    next entry writes it.

    Args:
        folder: The folder of annotations; created with the first entry.
        reader: The name of the reader.
        phases: Phases that have columns in the result, also while nothing is drawn on them.

    Raises:
        InputError: The reader has no valid name.

    >>> import pathlib, tempfile
    >>> journal = Journal(pathlib.Path(tempfile.mkdtemp()), "li")
    >>> given = {"id": "0" * 32, "patient_id": "P1", "phase": "cmp", "kind": "slice", "value": "-312.5 mm"}
    >>> journal.append(given) == journal.append(given)
    True
    >>> [entry.value for entry in journal.entries()]
    ['-312.5 mm']
    """

    def __init__(self, folder: Path, reader: str, *, phases: Sequence[str] = ()) -> None:
        self.folder = folder
        self.reader = check_reader(reader)
        self.phases = tuple(phases)
        self.unwritten: WriteError | RunError | None = None
        self._entries: list[Entry] = []
        self._by_id: dict[str, Entry] = {}
        self._of_patient: dict[str, list[Entry]] = {}
        self._labels: dict[str, PatientLabels] = {}
        self._n_bytes = 0
        self._n_lines = 0
        self._file: tuple[int, int] | None = None
        self._guard = threading.RLock()

    @property
    def path(self) -> Path:
        """The journal."""
        return self.folder / f"{self.reader}{SUFFIX}"

    @property
    def result_path(self) -> Path:
        """The table of labels that follow from it."""
        return self.folder / f"{self.reader}.csv"

    @property
    def masks_dir(self) -> Path:
        """The folder of the masks that its entries name."""
        return self.folder / f"{self.reader}.masks"

    def append(self, given: Mapping[str, Any]) -> Entry:
        """Save an entry; when this returns, it is on the disk.

        Args:
            given: The keys of an entry; see :func:`~nephrograde.annotations.entry.read_entry`.

        Returns:
            The entry; if one with the same id is there already, that one.

        Raises:
            InputError: The entry is not valid, or the journal has damaged lines.
            RunError: Another process holds the journal for longer than 20 s.
            WriteError: The entry cannot be written, and is not saved.
        """
        entry = read_entry(given, reader=self.reader)
        with self._guard, self._opened() as (handle, is_locked):
            self._read_new(handle)
            self._end_last_line(handle, is_locked=is_locked)
            known = self._by_id.get(entry.id)
            if known is None:
                with about_writing(self.path):
                    _write(handle, entry.line())
                self._read_new(handle)
            with about_writing(self.path):
                os.fsync(handle)
            self._write_result()
            return known or self._by_id[entry.id]

    def entries(self) -> tuple[Entry, ...]:
        """Read all entries, in the order in which they were saved; an incomplete last line is not one.

        Raises:
            InputError: Lines are damaged; the error lists them by number.
            RunError: The file cannot be read.
        """
        with self._guard:
            try:
                handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            except FileNotFoundError:
                self._forget()
                return ()
            except OSError as error:
                raise self._unreadable(error) from None
            try:
                self._read_new(handle)
            except OSError as error:  # such as a folder of this name
                raise self._unreadable(error) from None
            finally:
                os.close(handle)
            return tuple(self._entries)

    def labels(self) -> dict[str, PatientLabels]:
        """Read what the entries say of each patient; errors are those of :meth:`Journal.entries`."""
        with self._guard:
            self.entries()
            return dict(self._labels)

    def _unreadable(self, error: OSError) -> RunError:
        return RunError(f"{self.path} cannot be read ({error.strerror}). Check its permissions.")

    def _forget(self) -> None:
        self._entries, self._by_id, self._of_patient, self._labels = [], {}, {}, {}
        self._n_bytes, self._n_lines = 0, 0

    @contextmanager
    def _opened(self) -> Iterator[tuple[int, bool]]:
        """Open the journal for appending, and say whether it is locked; a new file is on the disk in its folder."""
        make_folder(self.folder)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        with about_writing(self.path):
            is_new = not self.path.exists()
            handle = os.open(self.path, flags, 0o666)
        try:
            with about_writing(self.path):
                is_locked = _wait_for(handle, self.path)
                if is_new:
                    save_names(self.folder)
            yield handle, is_locked
        finally:
            os.close(handle)

    def _read_new(self, handle: int) -> None:
        """Read what has been appended since the last time; all of it if it is another file, or a shorter one."""
        status = os.fstat(handle)
        if (status.st_dev, status.st_ino) != self._file or status.st_size < self._n_bytes:
            self._forget()
        self._file = (status.st_dev, status.st_ino)
        raw = _read_from(handle, self._n_bytes)
        whole = raw[: raw.rfind(b"\n") + 1]
        found: list[Entry] = []
        problems: list[Problem] = []
        lines = whole.split(b"\n")[:-1]
        for number, line in enumerate(lines, start=self._n_lines + 1):
            try:
                found.append(_parse(line, reader=self.reader))
            except InputError as error:
                what = "; ".join(f"{one.place} {one.what}" for one in error.problems)
                problems.append(Problem(f"{self.path.name} line {number}", f"is damaged ({what})", _REMEDY))
        if problems:
            more = len(problems) - _LISTED
            rest = [Problem(self.path.name, f"{more} more lines are damaged", _REMEDY)] if more > 0 else []
            raise InputError([*problems[:_LISTED], *rest])
        self._n_bytes += len(whole)
        self._n_lines += len(lines)
        changed: dict[str, list[Entry]] = {}
        for entry in found:
            if entry.id not in self._by_id:
                self._by_id[entry.id] = entry
                self._entries.append(entry)
                self._of_patient.setdefault(entry.patient_id, []).append(entry)
                changed[entry.patient_id] = self._of_patient[entry.patient_id]
        for own in changed.values():
            self._labels |= replay(own)

    def _end_last_line(self, handle: int, *, is_locked: bool) -> None:
        """Drop what a killed process left of its last line; a line that only lacks its line feed is completed."""
        tail = _read_from(handle, self._n_bytes)
        if not tail:
            return
        if not is_locked:  # it may be a line that another machine is writing
            what = "its last line is incomplete, and this file system has no locks"
            raise RunError(f"{self.path}: {what}. Close all other pages, and move the folder to a local disk.")
        with about_writing(self.path):
            try:
                _parse(tail, reader=self.reader)
            except InputError:
                os.ftruncate(handle, self._n_bytes)
            else:
                _write(handle, b"\n")
        self._read_new(handle)

    def _write_result(self) -> None:
        try:
            write_result(self.result_path, self._labels, phases=self.phases, masks_dir=self.masks_dir)
            self.unwritten = None
        except (WriteError, RunError) as error:
            self.unwritten = error


def readers_in(folder: Path) -> list[str]:
    """List the readers who have a journal in a folder, in alphabetical order.

    Args:
        folder: The folder of annotations; may be missing.
    """
    return sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))


def _parse(line: bytes, *, reader: str) -> Entry:
    try:
        given = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError([Problem("it", f"is not JSON: {str(error)[:120]}", "")]) from None
    if not isinstance(given, dict):
        raise InputError([Problem("it", "is not a JSON object", "")])
    if missing := [key for key in Entry.__dataclass_fields__ if key not in given]:
        raise InputError([Problem("it", f"lacks {', '.join(missing)}", "")])
    return read_entry(given, reader=reader)


def _wait_for(handle: int, path: Path) -> bool:
    """Lock the journal, waiting for a process that is appending; returns False where no locks exist."""
    deadline = time.monotonic() + _LONGEST_WAIT_S
    while (is_locked := lock_handle(handle)) is False:
        if time.monotonic() > deadline:
            raise RunError(f"{path} has been held by another process for {_LONGEST_WAIT_S:g} s. Close the other page.")
        time.sleep(_PAUSE_S)
    return is_locked is True


def _read_from(handle: int, start: int) -> bytes:
    os.lseek(handle, start, os.SEEK_SET)
    parts = []
    while part := os.read(handle, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _write(handle: int, line: bytes) -> None:
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(handle, rest) :]
