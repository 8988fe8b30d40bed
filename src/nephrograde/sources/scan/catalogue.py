"""Every DICOM file below a folder: headers are read in parallel and kept, so an interrupted scan can resume.

This process walks the tree, worker processes read headers, and this process stores what they find. The number of
files in flight is limited so that memory use does not grow with the folder.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import cached_property
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple

from nephrograde.errors import InputError, Problem
from nephrograde.processes import begin_serving, starting
from nephrograde.sources.scan.archive import Looked, look_into
from nephrograde.sources.scan.headers import Refused, read_header
from nephrograde.sources.scan.stacks import describe_stack, lacks_slices, separate_stacks
from nephrograde.sources.scan.store import Skipped, Store, about_catalogue
from nephrograde.sources.scan.tree import UNREADABLE, FoundFile, walk_files
from nephrograde.threads import usable_processors
from nephrograde.volume.dicom.archive import (
    MEMBER_SEPARATOR,
    UNLISTABLE,
    ArchiveRefused,
    count_members,
    is_listable,
    is_zip,
)
from nephrograde.volume.dicom.entries import beginning_of
from nephrograde.volume.dicom.series_list import DAMAGED_HEADING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import IO, Self

    from nephrograde.sources.scan.stacks import Instance
    from nephrograde.volume.dicom.header import SeriesHeader

__all__ = ["Catalogue", "Skipped", "catalogue"]

CHUNK_FILES = 200
CHUNK_MEMBERS = 2000
"""Per task for archives: larger, because each task reads the archive's directory again."""
_MEMBERS_AT_ONCE = 50
"""An archive with more members than this is split into tasks of its own, so that no answer grows large."""
_COMMIT_EVERY_S = 1.0


class Catalogue:
    """What a folder holds. Close it, or use it in a ``with`` block."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder

    @cached_property
    def n_files(self) -> int:
        """Number of files and archive members, including skipped ones."""
        return self._store.count_files()

    def studies(self) -> Iterator[list[SeriesHeader]]:
        """Iterate over the studies, ordered by patient and study, holding one at a time.

        Yields:
            The series of one study, ordered by SeriesInstanceUID, including objects that are not images (0 rows).
            Patients without a PatientID all have ""; only the study distinguishes them.

        Source: DICOM PS3.3 A.1.2 (patient, study, series).
        """
        for patient_id, study_uid in self._store.studies():
            series = self._store.instances(patient_id, study_uid).items()
            yield [one for uid, instances in series for one in _describe((patient_id, study_uid, uid), instances)]

    def find(self, study_uid: str, series_uid: str, part: str = "") -> SeriesHeader | None:
        """Find one series, or one of its parts; None if it is not there, or is stored under several PatientIDs.

        Args:
            study_uid: StudyInstanceUID.
            series_uid: SeriesInstanceUID.
            part: As in its header.
        """
        owners = self._store.owners(study_uid, series_uid)
        if len(owners) != 1:
            return None
        ids = (owners[0], study_uid, series_uid)
        return next((one for one in _describe(ids, self._store.instances(*ids)[series_uid]) if one.part == part), None)

    def files(self, header: SeriesHeader) -> list[str]:
        """List the files of a series, or of one part of it, as the lines of a series list.

        Args:
            header: As :meth:`Catalogue.studies` gives it.

        Returns:
            Absolute paths with ``/`` as separator, ordered along the slice normal, without duplicates; a member of an
            archive is ``archive.zip//member``. They may identify the patient: keep them out of logs and reports.
            Slices that cannot be read follow. If slices are missing, files beside the others come last, after
            ``DAMAGED_HEADING``, that cannot be read and may be the missing ones.
        """
        ids = (header.patient_id, header.study_uid, header.series_uid)
        stacks = separate_stacks(self._store.instances(*ids).get(header.series_uid, []))
        stack = stacks[int(header.part or 1) - 1]
        sure = [self._line(*instance.place) for instance in stack]
        folders = dict.fromkeys(line.rpartition("/")[0] for line in sure)
        beside = [one for folder in folders for one in self._damaged.get(folder, ())] if stack[0].n_images == 1 else []
        lost = [self._line(*place) for place in self._store.lost_slices(*ids)]
        doubtful: list[str] = []
        if len(stacks) == 1:
            sure += [*lost, *(line for line, is_sure in beside if is_sure)]
        else:
            doubtful = [*lost, *(line for line, is_sure in beside if is_sure)]
        doubtful += [line for line, is_sure in beside if not is_sure]
        return [*sure, DAMAGED_HEADING, *doubtful] if doubtful and lacks_slices(stack) else sure

    @cached_property
    def _damaged(self) -> dict[str, list[tuple[str, bool]]]:
        """Files that cannot be read, by folder; and whether they belong to the series there, which is the only one."""
        damaged: dict[str, list[tuple[str, bool]]] = {}
        for file, member, is_dicom in self._store.damaged():
            line = self._line(file, member)
            is_sure = is_dicom and self._store.holds_one_series(file, member)
            damaged.setdefault(line.rpartition("/")[0], []).append((line, is_sure))
        return damaged

    def _line(self, file: int, member: str) -> str:
        path = (self._folder / self._store.path_of(file)).as_posix()
        return f"{path}{MEMBER_SEPARATOR}{member}" if member else path

    def skipped(self) -> list[Skipped]:
        """Summarize what was skipped and why, the most common reason first."""
        return self._store.skipped()

    def skipped_files(self) -> Iterator[tuple[str, str]]:
        """Iterate over everything that was skipped, including duplicates of other files, holding one at a time.

        Yields:
            The reason, and where it lies, as :meth:`Catalogue.files` writes it. It may tell who the patient is: not
            for logs or reports.
        """
        top = self._folder.as_posix().rstrip("/")
        for reason, path in self._store.skipped_files():
            yield reason, f"{top}/{path}"

    def close(self) -> None:
        """Close the catalogue's file."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        with suppress(sqlite3.DatabaseError):  # the first failure is the one to report
            self.close()


def _describe(ids: tuple[str, str, str], instances: Sequence[Instance]) -> list[SeriesHeader]:
    """Describe each stack of a series; the parts are numbered if there are several."""
    stacks = separate_stacks(instances)
    return [
        describe_stack(ids, stack, str(number) if len(stacks) > 1 else "")
        for number, stack in enumerate(stacks, start=1)
    ]


def last_catalogue(catalogue_path: Path) -> Catalogue:
    """Open the catalogue of the last scan without changing it; another scan can run as soon as it is closed.

    Args:
        catalogue_path: The SQLite file.

    Raises:
        InputError: It is missing, in use, not a catalogue, damaged, or of another version.
    """
    return Catalogue(*Store.last(catalogue_path))


def catalogue(
    folder: Path,
    catalogue_path: Path,
    *,
    workers: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
    chunks: tuple[int, int] = (CHUNK_FILES, CHUNK_MEMBERS),
) -> Catalogue:
    """Read the header of every DICOM file below a folder, including those in zip archives, whatever their names.

    Args:
        folder: The root of the tree; nothing in it is changed.
        catalogue_path: A SQLite file that keeps what was read. If it exists, only files whose size or modification
            time changed are read, and what an interrupted scan had read is kept. It contains what the headers say
            about the patients.
        workers: Number of reader processes; None uses one per processor. A script that asks for more than one needs
            the guard ``if __name__ == "__main__"``, as always with Python processes; without it, this process does all
            the reading.
        advance: Called with the number of files just finished; an archive counts as one file.
        chunks: Number of files per task, and of members per task for large archives. Smaller folders are read without
            further processes.

    Returns:
        The open catalogue.

    Raises:
        InputError: If ``folder`` is not a folder, or ``catalogue_path`` is another kind of file or in use.
        WriteError: If ``catalogue_path`` cannot be written.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "README").write_text("no image")
    >>> with catalogue(folder, folder / "scan.sqlite") as held:
    ...     held.n_files, held.skipped(), list(held.studies())
    (1, [Skipped(reason='not a DICOM file', count=1, examples=('README',))], [])
    """
    if not folder.is_dir():
        raise InputError([Problem(str(folder), "is not a folder", "Name the folder that holds the DICOM files.")])
    folder, catalogue_path = folder.absolute(), catalogue_path.absolute()
    store = Store.begin(catalogue_path, folder)
    try:
        with about_catalogue(catalogue_path):
            own = [catalogue_path, catalogue_path.with_name(f"{catalogue_path.name}-journal")]
            found = walk_files(folder, leave_out=own)
            reading = _Reading(store, folder, advance, chunk_files=chunks[0], chunk_members=chunks[1])
            reading.run(found, workers or usable_processors())
            store.forget_unseen()
    except BaseException:
        with suppress(sqlite3.DatabaseError):  # the first failure is the one to report
            store.close()  # keeps what was read so far, also after Ctrl-C
        raise
    return Catalogue(store, folder)


class _Piece(NamedTuple):
    """A task for a worker: one file, or some members of an archive (all of them if ``stop`` is None)."""

    file: int
    path: str
    n_bytes: int
    first: int = 0
    stop: int | None = None


class _Answer(NamedTuple):
    """The outcome of a task; ``n_members`` above 0 asks for the task to be resubmitted in smaller pieces."""

    piece: _Piece
    looked: list[Looked]
    n_members: int = 0


class _Reading:
    """One scan in progress."""

    def __init__(
        self, store: Store, folder: Path, advance: Callable[[int], None], *, chunk_files: int, chunk_members: int
    ) -> None:
        self.store = store
        self.folder = os.fspath(folder)
        self.advance = advance
        self.chunk_files = chunk_files
        self.chunk_members = chunk_members
        self.members: deque[list[_Piece]] = deque()
        self.pieces_left: dict[int, int] = {}
        self.committed_s = time.monotonic()

    def run(self, found: Iterator[FoundFile], workers: int) -> None:
        """Read what is new, keeping slightly more tasks in flight than there are workers."""
        chunks = self.chunks(found)
        with _pool(workers, self.chunk_files) as submit:
            under_way: dict[Future[list[_Answer]], list[_Piece]] = {}
            chunk = next(chunks, None)
            while chunk is not None or under_way or self.members:
                while (self.members or chunk is not None) and len(under_way) < 2 * workers:
                    pieces = self.members.popleft() if self.members else chunk or []
                    if pieces is chunk:
                        chunk = next(chunks, None)
                    under_way[submit(self.folder, pieces)] = pieces
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    self.keep(self.answers(future, under_way.pop(future)))

    def answers(self, future: Future[list[_Answer]], pieces: list[_Piece]) -> list[_Answer]:
        """Return what a worker found; if workers die, as for want of memory, read here instead."""
        try:
            return future.result()
        except BrokenProcessPool:
            return _read_pieces(self.folder, pieces)

    def chunks(self, found: Iterator[FoundFile]) -> Iterator[list[_Piece]]:
        """Collect the files that need reading; files that are known or unreadable are handled here."""
        chunk: list[_Piece] = []
        for one in found:
            if not one.reason and self.store.keeps(one):
                self.advance(1)
                continue
            file = self.store.begin_file(one)
            reason = one.reason or ("" if is_listable(one.path) else UNLISTABLE)
            if reason:
                self.store.add(file, [Looked("", Refused(reason))])
                self.store.finish_file(file)
                self.advance(1)
                continue
            chunk.append(_Piece(file, one.path, one.n_bytes))
            if len(chunk) == self.chunk_files:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def keep(self, answers: list[_Answer]) -> None:
        """Store answers; a file is finished when the last of its tasks is."""
        for piece, looked, n_members in answers:
            if n_members:
                bounds = range(0, n_members, self.chunk_members)
                self.members += [[piece._replace(first=k, stop=k + self.chunk_members)] for k in bounds]
                self.pieces_left[piece.file] = len(bounds)
                continue
            self.store.add(piece.file, looked)
            self.pieces_left[piece.file] = self.pieces_left.get(piece.file, 1) - 1
            if not self.pieces_left[piece.file]:
                del self.pieces_left[piece.file]
                self.store.finish_file(piece.file)
                self.advance(1)
        if time.monotonic() - self.committed_s > _COMMIT_EVERY_S:
            self.store.commit()
            self.committed_s = time.monotonic()


@contextmanager
def _pool(workers: int, chunk_files: int) -> Iterator[Callable[[str, list[_Piece]], Future[list[_Answer]]]]:
    """Start processes with the first large chunk; a small folder is read sooner than they would start."""
    pool: ProcessPoolExecutor | None = None

    def submit(folder: str, pieces: list[_Piece]) -> Future[list[_Answer]]:
        nonlocal pool
        if workers > 1 and (pool or len(pieces) == chunk_files or pieces[0].stop is not None):
            # Forked processes would inherit locks held by threads that they do not have.
            pool = pool or ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=begin_serving)
            with starting(), suppress(BrokenProcessPool):  # with each chunk, a process may be started
                return pool.submit(_read_pieces, folder, pieces)
        done: Future[list[_Answer]] = Future()
        done.set_result(_read_pieces(folder, pieces))
        return done

    try:
        yield submit
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)


def _read_pieces(folder: str, pieces: list[_Piece]) -> list[_Answer]:
    """Read headers, possibly in a worker process."""
    return [_read_piece(os.path.join(folder, piece.path), piece) for piece in pieces]  # noqa: PTH118 (undecodable names)


def _read_piece(path: str, piece: _Piece) -> _Answer:
    try:
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 (undecodable names; faster)
            return _look_at(stream, piece)
    except OSError:
        return _Answer(piece, [Looked("", Refused(UNREADABLE))])
    except ArchiveRefused as refused:
        return _Answer(piece, [Looked("", Refused(str(refused)))])


def _look_at(stream: IO[bytes], piece: _Piece) -> _Answer:
    beginning = beginning_of(stream)
    if not is_zip(beginning(4)):
        return _Answer(piece, [Looked("", read_header(beginning, piece.n_bytes))])
    if piece.stop is None:
        n_members = count_members(stream)
        if n_members > _MEMBERS_AT_ONCE:
            return _Answer(piece, [], n_members)
    return _Answer(piece, list(look_into(stream, first=piece.first, stop=piece.stop)))
