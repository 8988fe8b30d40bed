"""The SQLite file in which a scan keeps what it has read, so that the next scan reads only what is new or changed.

It contains what the headers say about the patients: keep it with the key file, and delete it when the cohort is final.
Every row has a checksum, and all are verified when the file is opened: a damaged catalogue is refused, never believed.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nephrograde.errors import InputError, Problem, WriteError, about_writing
from nephrograde.replacement import make_folder
from nephrograde.sources.scan.headers import CUT_SHORT, DAMAGED, EMPTY, InstanceHeader, Refused
from nephrograde.sources.scan.stacks import Instance
from nephrograde.sources.scan.tree import UNREADABLE
from nephrograde.volume.dicom.archive import BROKEN_MEMBER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nephrograde.sources.scan.archive import Looked
    from nephrograde.sources.scan.tree import FoundFile

VERSION = 5
"""Increase when headers are read differently; older files are then read again."""
COPY = "duplicate of another file in its series (same SOPInstanceUID)"
_OURS = 0x6E656772  # "negr", the SQLite application id
_UNFINISHED = -1
_TABLES = """
CREATE TABLE scan (version INTEGER, folder BLOB, number INTEGER);
CREATE TABLE file (
    id INTEGER PRIMARY KEY, path BLOB UNIQUE, n_bytes INTEGER, changed_ns INTEGER, checksum INTEGER, number INTEGER);
CREATE TABLE refused (
    file INTEGER, member TEXT, reason TEXT, patient_id TEXT, study_uid TEXT, series_uid TEXT, sop_uid TEXT,
    checksum INTEGER);
CREATE TABLE says (id INTEGER PRIMARY KEY, text TEXT UNIQUE, checksum INTEGER);
CREATE TABLE instance (
    file INTEGER, member TEXT, patient_id TEXT, study_uid TEXT, series_uid TEXT, sop_uid TEXT, acquisition TEXT,
    number INTEGER, n_images INTEGER, low_mm REAL, high_mm REAL, step_mm REAL, acquired TEXT, says INTEGER,
    checksum INTEGER);
CREATE INDEX refused_file ON refused (file);
CREATE INDEX refused_series ON refused (series_uid, reason);
CREATE INDEX instance_file ON instance (file);
CREATE INDEX instance_series ON instance (patient_id, study_uid, series_uid);
"""
_CHECKED = (
    "SELECT path, n_bytes, changed_ns, checksum FROM file",
    "SELECT * FROM refused",
    "SELECT text, checksum FROM says",
    "SELECT * FROM instance",
)
"""The values of each table with their checksum; the ids that others refer to are checked by ``_DANGLING``."""
_DANGLING = (
    "SELECT 1 FROM instance WHERE file NOT IN (SELECT id FROM file) OR says NOT IN (SELECT id FROM says)",
    "SELECT 1 FROM refused WHERE file NOT IN (SELECT id FROM file)",
)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Files that were skipped for one reason.

    Attributes:
        reason: In words.
        count: How many.
        examples: Up to three paths below the scanned folder. They may identify the patient: keep them out of reports.
    """

    reason: str
    count: int
    examples: tuple[str, ...]


_UNWRITABLE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
}
_DELETE = "Delete it and run the command again: the folder is then read again. If it is not a catalogue, move it away."
_IN_USE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


@contextmanager
def about_catalogue(catalogue_path: Path) -> Iterator[None]:
    """Say what SQLite refuses in the block: the disk is full, another scan has the file, or it is something else.

    Args:
        catalogue_path: The file.

    Raises:
        InputError: It is in use, not a catalogue, or damaged.
        WriteError: It cannot be written.
    """
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bytes are details
        if code in _UNWRITABLE:
            raise WriteError.of(catalogue_path, OSError(_UNWRITABLE[code], str(error))) from error
        what = "is in use by another scan" if code in _IN_USE else "is not a scan catalogue, or is damaged"
        remedy = "Wait for it to end." if code in _IN_USE else _DELETE
        raise InputError([Problem(str(catalogue_path), what, remedy)]) from None


class Store:
    """The open file; only one scan at a time writes to it. Its journal has the permissions of the file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._texts = lru_cache(maxsize=256)(self._text)  # more than a patient has series, which are read together
        self._says = lru_cache(maxsize=4096)(self._says_id)
        self._connection = connection
        self.number = 0

    @classmethod
    def begin(cls, catalogue_path: Path, folder: Path) -> Store:
        """Open the file for a scan of a folder, and create it if it is missing; errors as of the block above."""
        make_folder(catalogue_path.parent, is_private=True)
        with about_writing(catalogue_path):
            os.close(os.open(catalogue_path, os.O_RDWR | os.O_CREAT, 0o600))
        with about_catalogue(catalogue_path):
            store = cls(sqlite3.connect(catalogue_path, timeout=1.0))
            try:
                store.number = store._begin(catalogue_path, os.fsencode(folder))
            except BaseException:
                store._connection.close()
                raise
        return store

    @classmethod
    def last(cls, catalogue_path: Path) -> tuple[Store, Path]:
        """Open the file of the last scan without changing it, and return the folder that was scanned with it.

        Rows are not verified one by one; the next scan does that.

        Raises:
            InputError: It is missing, in use, not a catalogue, damaged, or of another version.
        """
        with about_catalogue(catalogue_path):
            if not catalogue_path.is_file():
                raise InputError([Problem(str(catalogue_path), "is missing", "Scan the folder again.")])
            store = cls(sqlite3.connect(f"{catalogue_path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0))
            with ExitStack() as opened:
                opened.callback(store._connection.close)
                version, folder = store._connection.execute("SELECT version, folder FROM scan").fetchone() or (0, b"")
                if version == VERSION:
                    opened.pop_all()
                    return store, Path(os.fsdecode(folder))
            what = "was written by another version of nephrograde"
            raise InputError([Problem(str(catalogue_path), what, "Scan the folder again.")])

    def _begin(self, catalogue_path: Path, folder: bytes) -> int:
        """Create the tables if missing or from another folder or version; return the number of this scan."""
        connection = self._connection
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and connection.execute("PRAGMA application_id").fetchone()[0] != _OURS:
            raise sqlite3.DatabaseError("another program's")
        with about_writing(catalogue_path):
            catalogue_path.chmod(0o600)
        known = connection.execute("SELECT version, folder, number FROM scan").fetchone() if "scan" in tables else None
        if known is None or known[:2] != (VERSION, folder):
            for table in tables:
                connection.execute(f"DROP TABLE {_quoted(table)}")
            connection.executescript(f"PRAGMA application_id = {_OURS}; {_TABLES}")
            connection.execute("INSERT INTO scan VALUES (?, ?, 0)", (VERSION, folder))
        else:
            self._verify(known[2])
        connection.execute("UPDATE scan SET number = number + 1")
        connection.commit()
        return int(connection.execute("SELECT number FROM scan").fetchone()[0])

    def _verify(self, number: object) -> None:
        """Check every row, and that what refers to another finds it; ``number`` is that of the last scan."""
        connection = self._connection
        is_sound = isinstance(number, int) and connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
        if not is_sound or any(connection.execute(f"{query} LIMIT 1").fetchone() for query in _DANGLING):
            raise sqlite3.DatabaseError("damaged")
        for query in _CHECKED:
            for *values, checksum in connection.execute(query):
                if _checksum(values) != checksum:
                    raise sqlite3.DatabaseError("damaged")
        if connection.execute(
            "SELECT 1 FROM file WHERE typeof(number) != 'integer' OR number > ?", (number,)
        ).fetchone():
            raise sqlite3.DatabaseError("damaged")

    def keeps(self, found: FoundFile) -> bool:
        """Whether a file is known and unchanged; it is then marked as seen. False for files that cannot be read."""
        seen = self._connection.execute(
            "UPDATE file SET number = ? WHERE path = ? AND n_bytes = ? AND changed_ns = ? AND number != ? "
            "AND NOT EXISTS (SELECT 1 FROM refused WHERE refused.file = file.id AND reason = ?)",
            (self.number, os.fsencode(found.path), found.n_bytes, found.changed_ns, _UNFINISHED, UNREADABLE),
        )
        return seen.rowcount > 0

    def begin_file(self, found: FoundFile) -> int:
        """Forget a file's contents and give it a number; until it is finished, the next scan reads it again."""
        path = os.fsencode(found.path)
        old = self._connection.execute("SELECT id FROM file WHERE path = ?", (path,)).fetchone()
        if old:
            self._forget("= ?", old)
        added = self._connection.execute(
            "INSERT INTO file (path, n_bytes, changed_ns, checksum, number) VALUES (?, ?, ?, ?, ?)",
            (*_with_checksum(path, found.n_bytes, found.changed_ns), _UNFINISHED),
        )
        return int(added.lastrowid or 0)

    def add(self, file: int, outcomes: Iterable[Looked]) -> None:
        """Store what was found in a file, or in some members of an archive."""
        for member, outcome in outcomes:
            if isinstance(outcome, Refused):
                series = outcome.series or ("", "", "")
                row = _with_checksum(file, member, outcome.reason, *series, outcome.sop_uid)
                self._connection.execute("INSERT INTO refused VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
                continue
            self._connection.execute(
                "INSERT INTO instance VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                _row(file, member, outcome, self._says),
            )

    def finish_file(self, file: int) -> None:
        """Record that the whole file has been read."""
        self._connection.execute("UPDATE file SET number = ? WHERE id = ?", (self.number, file))

    def commit(self) -> None:
        """Make recent additions durable, whatever happens to the process."""
        self._connection.commit()

    def forget_unseen(self) -> None:
        """Drop the files that no longer exist; call it only after the whole folder was walked."""
        self._forget("IN (SELECT id FROM file WHERE number != ?)", (self.number,))
        self._connection.execute("DELETE FROM says WHERE id NOT IN (SELECT says FROM instance)")
        self._says.cache_clear()
        self.commit()

    def _forget(self, which: str, values: tuple[Any, ...]) -> None:
        for table, column in (("instance", "file"), ("refused", "file"), ("file", "id")):
            self._connection.execute(f"DELETE FROM {table} WHERE {column} {which}", values)  # noqa: S608 (our names)

    def count_files(self) -> int:
        """Count files and members, including skipped ones."""
        counts = "SELECT (SELECT COUNT(*) FROM instance) + (SELECT COUNT(*) FROM refused)"
        return int(self._connection.execute(counts).fetchone()[0])

    def owners(self, study_uid: str, series_uid: str) -> list[str]:
        """PatientIDs under which a series is stored; more than one where UIDs were copied."""
        listed = "SELECT DISTINCT patient_id FROM instance WHERE study_uid = ? AND series_uid = ? ORDER BY 1"
        return [owner for (owner,) in self._connection.execute(listed, (study_uid, series_uid))]

    def studies(self) -> Iterator[tuple[str, str]]:
        """PatientID and StudyInstanceUID of every study, in order."""
        yield from self._connection.execute("SELECT DISTINCT patient_id, study_uid FROM instance ORDER BY 1, 2")

    def instances(self, patient_id: str, study_uid: str, series_uid: str = "") -> dict[str, list[Instance]]:
        """The objects of a study, or of one of its series, by SeriesInstanceUID in UID order."""
        listed: dict[str, list[Instance]] = {}
        rows = self._connection.execute(
            "SELECT series_uid, file, member, sop_uid, acquisition, number, n_images, low_mm, high_mm, step_mm, "
            "acquired, says FROM instance WHERE patient_id = ?1 AND study_uid = ?2 AND (?3 = '' OR series_uid = ?3) "
            "ORDER BY series_uid, file, member",
            (patient_id, study_uid, series_uid),
        )
        for series, file, member, *rest, says in rows:
            listed.setdefault(series, []).append(Instance._make(((file, member), *rest, self._texts(says))))
        return listed

    def lost_slices(self, patient_id: str, study_uid: str, series_uid: str) -> list[tuple[int, str]]:
        """Where the slices of a series lie that cannot be read although their headers can: files and members.

        A slice of which there is another, sound copy is not lost.
        """
        listed = (
            "SELECT file, member FROM refused WHERE patient_id = ?1 AND study_uid = ?2 AND series_uid = ?3 AND NOT "
            "EXISTS (SELECT 1 FROM instance WHERE instance.sop_uid = refused.sop_uid AND refused.sop_uid != '' AND "
            "instance.patient_id = ?1 AND instance.study_uid = ?2 AND instance.series_uid = ?3) ORDER BY file, member"
        )
        return self._connection.execute(listed, (patient_id, study_uid, series_uid)).fetchall()

    def damaged(self) -> list[tuple[int, str, bool]]:
        """Where files and members lie whose headers cannot be read, and whether they are DICOM nevertheless."""
        listed = (
            "SELECT file, member, reason IN (?1, ?2) FROM refused WHERE series_uid = '' AND reason IN (?1, ?2, ?3, ?4) "
            "ORDER BY file, member"
        )
        rows = self._connection.execute(listed, (DAMAGED, CUT_SHORT, EMPTY, BROKEN_MEMBER))
        return [(file, member, bool(is_dicom)) for file, member, is_dicom in rows]

    def holds_one_series(self, file: int, member: str) -> bool:
        """Whether all images in the folder of a file, or of a member within its archive, are of one series."""
        place = member or self.path_of(file)
        folder = place[: place.rfind("/") + 1]
        beyond = f"{folder[:-1]}0" if folder else "\U0010ffff"  # the character after "/"
        if member:
            listed = "SELECT DISTINCT series_uid FROM instance WHERE file = ? AND member >= ? AND member < ? LIMIT 2"
            within: tuple[Any, ...] = (file, folder, beyond)
        else:
            listed = (
                "SELECT DISTINCT series_uid FROM instance WHERE file IN "
                "(SELECT id FROM file WHERE path >= ? AND path < ?) LIMIT 2"
            )
            within = (os.fsencode(folder), os.fsencode(beyond))
        return len(self._connection.execute(listed, within).fetchall()) == 1

    def path_of(self, file: int) -> str:
        """The path of a file below the folder."""
        return os.fsdecode(self._connection.execute("SELECT path FROM file WHERE id = ?", (file,)).fetchone()[0])

    def skipped_files(self) -> Iterator[tuple[str, str]]:
        """The reason and the path below the folder of everything that was skipped, read one at a time."""
        listed = (
            "SELECT reason, path, member FROM refused JOIN file ON file = id UNION ALL "
            "SELECT ?, path, member FROM (SELECT file, member, ROW_NUMBER() OVER (PARTITION BY patient_id, study_uid, "
            "series_uid, sop_uid, low_mm, number, acquisition ORDER BY file, member) AS n FROM instance "
            "WHERE sop_uid != '') JOIN file ON file = id WHERE n > 1 ORDER BY 1, 2, 3"
        )
        for reason, path, member in self._connection.execute(listed, (COPY,)):
            yield reason, _name(path, member)

    def skipped(self) -> list[Skipped]:
        """What was skipped, by reason, the most common first."""
        counts = "SELECT reason, COUNT(*) FROM refused GROUP BY reason ORDER BY 2 DESC, 1"
        examples = (
            "SELECT path, member FROM refused JOIN file ON file = id WHERE reason = ? ORDER BY path, member LIMIT 3"
        )
        listed = [
            Skipped(reason, n, tuple(_name(*found) for found in self._connection.execute(examples, (reason,))))
            for reason, n in self._connection.execute(counts).fetchall()
        ]
        copies = self._connection.execute(
            "SELECT SUM(n - 1) FROM (SELECT COUNT(*) AS n FROM instance WHERE sop_uid != '' "
            "GROUP BY patient_id, study_uid, series_uid, sop_uid, low_mm, number, acquisition HAVING n > 1)"
        ).fetchone()[0]
        return listed + ([Skipped(COPY, copies, ())] if copies else [])

    def close(self) -> None:
        """Commit what was added and close the file."""
        try:
            self._connection.commit()
        finally:
            self._connection.close()

    def _says_id(self, text: str) -> int:
        self._connection.execute("INSERT OR IGNORE INTO says (text, checksum) VALUES (?, ?)", _with_checksum(text))
        return int(self._connection.execute("SELECT id FROM says WHERE text = ?", (text,)).fetchone()[0])

    def _text(self, says: int) -> dict[str, Any]:
        text = self._connection.execute("SELECT text FROM says WHERE id = ?", (says,)).fetchone()[0]
        return dict(json.loads(text))


def _row(file: int, member: str, header: InstanceHeader, says: Any) -> tuple[Any, ...]:
    return _with_checksum(
        file,
        member,
        header.patient_id,
        header.study_uid,
        header.series_uid,
        header.sop_uid,
        header.acquisition,
        header.number,
        header.n_images,
        header.low_mm,
        header.high_mm,
        header.step_mm,
        header.acquired,
        says(header.series),
    )


def _with_checksum(*values: Any) -> tuple[Any, ...]:
    return (*values, _checksum(values))


def _checksum(values: Iterable[Any]) -> int:
    """The same for values as they are written and as SQLite returns them: it stores NaN as NULL, and 5 as 5.0."""
    as_stored = [float(value) if isinstance(value, int) else None if value != value else value for value in values]  # noqa: PLR0124 (NaN)
    return zlib.crc32(repr(as_stored).encode())


def _quoted(table: str) -> str:
    return '"' + table.replace('"', '""') + '"'


def _name(path: bytes, member: str) -> str:
    return f"{os.fsdecode(path)}//{member}" if member else os.fsdecode(path)
