"""Files that are there whole or not at all: written beside their place under a temporary name, then renamed."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Any

from nephrograde.errors import RunError, VolumeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

SERIES_LIST_HEADING = "# nephrograde series 1"
LARGEST_MEMBER_BYTES = 4 * 2**30
"""A file in an archive that says it is larger is not unpacked; an enhanced CT of 2000 slices has 1 GB (our choice)."""


@contextmanager
def replaced(target_path: Path) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it to ``target_path`` when the block ends well.

    A reader therefore sees the old file or the new one, never a half. The folder is made when it is missing.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with replaced(folder / "a.txt") as temporary_path:
    ...     _ = temporary_path.write_text("whole")
    >>> [path.name for path in folder.iterdir()]
    ['a.txt']
    """
    target_path.parent.mkdir(parents=True, exist_ok=True)
    temporary_path = target_path.with_name(f".{target_path.name}.{os.getpid()}.tmp{target_path.suffix}")
    try:
        yield temporary_path
        temporary_path.replace(target_path)
    finally:
        temporary_path.unlink(missing_ok=True)


@contextmanager
def replaced_folder(target_dir: Path) -> Iterator[Path]:
    """Give a temporary folder to fill, and rename it to ``target_dir`` when the block ends well.

    A folder of that name from before is removed first; what a killed process left behind is removed too.
    """
    target_dir.parent.mkdir(parents=True, exist_ok=True)
    for stale_dir in target_dir.parent.glob(f".{target_dir.name}.*.tmp"):
        shutil.rmtree(stale_dir)
    temporary_dir = target_dir.with_name(f".{target_dir.name}.{os.getpid()}.tmp")
    temporary_dir.mkdir()
    try:
        yield temporary_dir
        if target_dir.exists():
            shutil.rmtree(target_dir)
        temporary_dir.replace(target_dir)
    finally:
        shutil.rmtree(temporary_dir, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left under temporary names, anywhere below a folder."""
    for path in sorted(folder.rglob(".*.tmp*")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_rows(csv_path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV (UTF-8, comma) whole; None becomes an empty cell and floats keep every digit."""
    with replaced(csv_path) as temporary_path, temporary_path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n", extrasaction="raise")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(csv_path: Path) -> list[dict[str, str]]:
    """Read a CSV of the run folder back, every cell as text.

    Raises:
        RunError: Where the file is missing.
    """
    try:
        with csv_path.open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.DictReader(stream))
    except FileNotFoundError:
        raise RunError(f"{csv_path} is missing. Run the earlier stage first, or `nephrograde run`.") from None


def write_json(json_path: Path, content: object) -> None:
    """Write JSON (UTF-8, indented, keys in the order given) whole."""
    with replaced(json_path) as temporary_path:
        temporary_path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(json_path: Path) -> dict[str, Any]:
    """Read a JSON object of the run folder.

    Raises:
        RunError: Where the file is missing or not a JSON object.
    """
    try:
        content = json.loads(json_path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{json_path} is missing. Is this the folder of a run?") from None
    except json.JSONDecodeError as error:
        raise RunError(f"{json_path} is damaged ({error}). Delete it and run again.") from None
    if not isinstance(content, dict):
        raise RunError(f"{json_path} does not hold a JSON object. Delete it and run again.")
    return content


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, of a folder's file names and contents (a DICOM series), or of what a series list names.

    A listed file that is missing or damaged counts as such, so that a list can be hashed before it is read.
    """
    if path.is_dir():
        parts = sorted(part for part in path.iterdir() if part.is_file())
        return fingerprint([[part.name, sha256_of(part)] for part in parts])
    if is_series_list(path):
        try:
            with SeriesList(path) as listed:
                return fingerprint([_sha256_listed(listed, k) for k in range(len(listed))])
        except VolumeError:
            pass  # not a list after all: its own bytes, and reading it says what is wrong
    with path.open("rb") as stream:
        return _sha256_of_stream(stream)


def _sha256_of_stream(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _sha256_listed(listed: SeriesList, k: int) -> str:
    try:
        with listed.open(k) as stream:
            return _sha256_of_stream(stream)
    except VolumeError as error:
        return error.code


def is_series_list(path: Path) -> bool:
    """Whether a path names a series list: a text file ``*.series`` that names the files of one DICOM series."""
    return path.name.lower().endswith(".series") and path.is_file()


class SeriesList:
    r"""The files a series list names; archives among them are opened once and closed at the end of the block.

    The list is UTF-8 text. Its first line is ``SERIES_LIST_HEADING``; every further line names one file, relative to
    the list's folder or absolute, with ``/`` between folders. ``archive.zip//member/name`` is a file in an archive,
    ``outer.zip//inner.zip//name`` one in an archive in an archive. Messages count the files and do not name them, as
    file names often say who the patient is.

    >>> import pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with zipfile.ZipFile(folder / "export.zip", "w") as archive:
    ...     archive.writestr("CT/1", b"a slice")
    >>> _ = (folder / "np.series").write_text(f"{SERIES_LIST_HEADING}\nexport.zip//CT/1\n", encoding="utf-8")
    >>> with SeriesList(folder / "np.series") as listed, listed.open(0) as stream:
    ...     len(listed), stream.read()
    (1, b'a slice')
    """

    def __init__(self, list_path: Path) -> None:
        """Read the list, not yet its files.

        Args:
            list_path: The list.

        Raises:
            VolumeError: With code "series-list" where it is no such list.
        """
        try:
            heading, *lines = list_path.read_text(encoding="utf-8-sig").split("\n")
        except UnicodeDecodeError:
            heading, lines = "", []
        self._lines = [line for line in lines if line.strip()]
        if heading.strip() != SERIES_LIST_HEADING or not self._lines:
            raise VolumeError(
                "series-list",
                f"is no list of the files of a series (its first line is '{SERIES_LIST_HEADING}', then "
                "one file a line, in UTF-8).",
                "Write it again with `nephrograde scan`.",
                path=list_path,
            )
        self._list_path = list_path
        self._held = ExitStack()
        self._archives: dict[tuple[str, ...], zipfile.ZipFile] = {}

    def __enter__(self) -> SeriesList:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._held.close()

    def __len__(self) -> int:
        return len(self._lines)

    def name(self, k: int) -> str:
        """What a message calls a file of the list, which does not say who the patient is."""
        return f"file {k + 1} of the list"

    def path(self, k: int) -> Path | None:
        """Where a file of the list lies; None for one in an archive.

        Args:
            k: Its number, from 0.

        Raises:
            VolumeError: With code "file-missing".
        """
        path, members = self._parts(k)
        if members:
            return None
        if not path.is_file():
            raise self._missing(k)
        return path

    def open(self, k: int) -> IO[bytes]:
        """Open a file of the list to be read.

        Args:
            k: Its number, from 0.

        Raises:
            VolumeError: With code "file-missing", "file-unreadable", "archive-damaged" or "archive-too-large".
        """
        path, members = self._parts(k)
        try:
            return self._open_member(path, members) if members else path.open("rb")
        except (FileNotFoundError, KeyError):
            raise self._missing(k) from None
        except OSError as error:
            raise VolumeError(
                "file-unreadable", f"{self.name(k)} cannot be read ({error.strerror}).", "Check its permissions."
            ) from None
        except _LargeMemberError as error:
            raise VolumeError(
                "archive-too-large", f"{self.name(k)} unpacks to {error} bytes.", "Unpack it, and scan again."
            ) from None
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
            raise VolumeError(
                "archive-damaged",
                f"{self.name(k)} lies in an archive that is damaged or encrypted.",
                "Unpack it, and scan the folder again.",
            ) from None

    def _parts(self, k: int) -> tuple[Path, list[str]]:
        start = 2 if self._lines[k].startswith("//") else 0  # a Windows share begins with two strokes
        first, *members = self._lines[k][start:].split("//")
        return self._list_path.parent / f"{self._lines[k][:start]}{first}", members

    def _missing(self, k: int) -> VolumeError:
        return VolumeError("file-missing", f"{self.name(k)} is not there.", "Put it back, or scan the folder again.")

    def _open_member(self, path: Path, members: Sequence[str]) -> IO[bytes]:
        archive = self._archive((str(path),), path)
        for depth, member in enumerate(members[:-1], start=1):
            key = (str(path), *members[:depth])
            if key not in self._archives:
                self._archive(key, self._held.enter_context(_unpacked(archive, member)))
            archive = self._archives[key]
        return _unpacked(archive, members[-1])

    def _archive(self, key: tuple[str, ...], content: Path | IO[bytes]) -> zipfile.ZipFile:
        if key not in self._archives:
            self._archives[key] = self._held.enter_context(zipfile.ZipFile(content))
        return self._archives[key]


class _LargeMemberError(Exception):
    """A member of an archive says that it is larger than ``LARGEST_MEMBER_BYTES``."""


def _unpacked(archive: zipfile.ZipFile, member: str) -> IO[bytes]:
    """A member as a file of its own that can be searched; whole, as its checksum is compared at its end."""
    entry = archive.getinfo(member)
    if entry.file_size > LARGEST_MEMBER_BYTES:
        raise _LargeMemberError(f"{entry.file_size:,}")
    with ExitStack() as on_error, archive.open(entry) as stream:
        unpacked: IO[bytes] = on_error.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(stream, unpacked)
        unpacked.seek(0)
        on_error.pop_all()
    return unpacked


def fingerprint(content: object) -> str:
    """SHA-256 of anything JSON can write, independent of the order of keys.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
