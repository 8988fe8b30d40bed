"""Atomic file writing: files are written next to their target under a temporary name, then renamed."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import re
import shutil
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from nephrograde.cells import RowWriter, as_read
from nephrograde.errors import RunError, WriteError, about_writing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


_TEMPORARY = re.compile(r"\.nephrograde-[0-9]+-(?P<target>.+)", re.DOTALL)
"""Program name and process id, followed by the final name of the file."""
_AGAIN = "Delete it and run again."
_LEFT_BY_OTHERS = {".DS_Store", "Thumbs.db", "desktop.ini"}


def temporary_beside(target_path: Path) -> Path:
    """The temporary name under which this process writes a file or folder; it ends like the target's name.

    Args:
        target_path: The final path.
    """
    return target_path.with_name(f".nephrograde-{os.getpid()}-{target_path.name}")


def make_folder(folder: Path, *, is_private: bool = False) -> None:
    """Create a folder and its parents as far as they are missing.

    Args:
        folder: The folder.
        is_private: Whether only the owner may open the folders that are created. Existing ones stay as they are.

    Raises:
        WriteError: If it cannot be created, for instance because a file has its name.
    """
    with about_writing(folder):
        missing: list[Path] = []
        for place in (folder, *folder.parents):
            if place.is_dir():
                break
            if place.exists() or place.is_symlink():
                raise WriteError(place, "it is not a folder", "Name another folder, or move it away.")
            missing.append(place)
        for place in reversed(missing):
            place.mkdir(mode=0o700 if is_private else 0o777, exist_ok=True)


@contextmanager
def replaced(target_path: Path, *, is_private: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to ``target_path`` if the block succeeds.

    A reader therefore sees either the old or the new file, never a partial one. The folder is created if it is missing.
    In a block of :func:`staged`, the file is renamed at the end of that block.

    Args:
        target_path: The file.
        is_private: Whether only the owner may read the file and open the folders that are created for it.

    Raises:
        WriteError: If the file cannot be written; an older one is left as it was.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with replaced(folder / "a.txt") as temporary_path:
    ...     _ = temporary_path.write_text("whole")
    >>> [path.name for path in folder.iterdir()]
    ['a.txt']
    """
    if target_path.is_dir():
        raise RunError(f"{target_path} is a folder where a file belongs. Move it away, and run the same command again.")
    make_folder(target_path.parent, is_private=is_private)
    temporary_path = temporary_beside(target_path)
    group = _GROUP.get()
    try:
        with about_writing(target_path, temporary_path=temporary_path):
            if is_private:
                os.close(os.open(temporary_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            yield temporary_path
            if group is None:
                temporary_path.replace(target_path)
            else:
                group.temporary_paths[target_path] = temporary_path
    except BaseException:
        _remove(temporary_path)
        raise


@dataclass(frozen=True, slots=True)
class Index:
    """A JSON object that names the SHA-256 of files which must agree, such as a table and what was made with it.

    While the files are being replaced, it names those of the earlier files as well, under "replaces". An interrupted
    replacement is recognised by that, and the command that finds it does it again.

    Attributes:
        path: Where it is written.
        content: What else it says.
        files: The files it names, relative to ``below``; None for all files of the block.
        below: The folder that the names start from.
    """

    path: Path
    below: Path
    content: Mapping[str, object] = field(default_factory=dict)
    files: Collection[Path] | None = None


@dataclass(slots=True)
class _Group:
    """Files that wait for the end of a block, by target, and the indexes that name them."""

    temporary_paths: dict[Path, Path] = field(default_factory=dict)
    indexes: list[Index] = field(default_factory=list)


_GROUP: ContextVar[_Group | None] = ContextVar("_GROUP", default=None)


@contextmanager
def staged(*indexes: Index) -> Iterator[None]:
    """Let the files that this thread writes in the block take the place of older ones together, at its end.

    If the block fails, or would change nothing, none of them is replaced. A process that is killed during the renaming
    leaves an index that says so. In a block within another, the files wait for the end of the outer one.

    Args:
        indexes: Indexes that name files of the block.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with staged(Index(folder / "scan.json", folder)):
    ...     write_rows(folder / "series.csv", ["series_uid"], [])
    ...     write_rows(folder / "cohort.csv", ["patient_id"], [])
    ...     (folder / "series.csv").exists()
    False
    >>> list(read_json(folder / "scan.json"))
    ['series.csv', 'cohort.csv']
    """
    outer = _GROUP.get()
    if outer is not None:
        yield
        outer.indexes += indexes
        return
    group = _Group()
    token = _GROUP.set(group)
    try:
        yield
        group.indexes += indexes
    except BaseException:
        _discard(group)
        raise
    finally:
        _GROUP.reset(token)
    try:
        _commit(group)
    finally:
        _discard(group)


@contextmanager
def at_once() -> Iterator[None]:
    """Write the files of the block immediately, although it is inside a block of :func:`staged`."""
    token = _GROUP.set(None)
    try:
        yield
    finally:
        _GROUP.reset(token)


REPLACES = "replaces"
"""The key of an index under which an unfinished replacement names the earlier files."""


def _commit(group: _Group) -> None:
    contents = {index.path: {**index.content, **_digests(index, group, of_new=True)} for index in group.indexes}
    if _is_unchanged(group, contents):
        return
    for index in group.indexes:
        write_json(index.path, {**contents[index.path], REPLACES: _digests(index, group, of_new=False)})
    for target_path, temporary_path in group.temporary_paths.items():
        with about_writing(target_path, temporary_path=temporary_path):
            temporary_path.replace(target_path)
    for index_path, content in contents.items():
        write_json(index_path, content)


def _is_unchanged(group: _Group, contents: Mapping[Path, Mapping[str, object]]) -> bool:
    """Whether the files of a block are there already, with the same bytes, and so are their indexes."""
    pairs = group.temporary_paths.items()
    if not all(target.is_file() and sha256_of(target) == sha256_of(temporary) for target, temporary in pairs):
        return False
    with suppress(RunError):  # missing or damaged
        return all(read_json(path) == content for path, content in contents.items())
    return False


def _digests(index: Index, group: _Group, *, of_new: bool) -> dict[str, str]:
    """SHA-256 by name of the files of an index: as written in the block, or as they were before."""
    paths = group.temporary_paths if index.files is None else index.files
    found = {path: group.temporary_paths.get(path, path) if of_new else path for path in paths}
    return {path.relative_to(index.below).as_posix(): sha256_of(now) for path, now in found.items() if now.is_file()}


def _discard(group: _Group) -> None:
    for temporary_path in group.temporary_paths.values():
        _remove(temporary_path)


def _remove(temporary_path: Path) -> None:
    with suppress(OSError):  # the first failure is the one to report
        temporary_path.unlink(missing_ok=True)


@contextmanager
def replaced_folder(target_dir: Path, *, is_ours: Callable[[str], object]) -> Iterator[Path]:
    """Yield a temporary folder to fill, and rename it to ``target_dir`` if the block succeeds.

    If a folder of that name exists, the files that the program wrote there are removed first. Other files stay, and the
    new files are moved in beside them. A symbolic link of that name is replaced; its target is left untouched.

    Args:
        target_dir: The folder.
        is_ours: Whether the program writes files or folders of that name into it, at any depth.
    """
    make_folder(target_dir.parent)
    temporary_dir = temporary_beside(target_dir)
    try:
        with about_writing(target_dir, temporary_path=temporary_dir):
            temporary_dir.mkdir()
            yield temporary_dir
            if target_dir.is_symlink():
                target_dir.unlink()
            elif target_dir.is_dir():
                remove_ours(target_dir, is_ours)
                if not any(target_dir.iterdir()):
                    target_dir.rmdir()
            _move(temporary_dir, target_dir)
    finally:
        shutil.rmtree(temporary_dir, ignore_errors=True)


def _move(source: Path, target: Path) -> None:
    """Rename a file or folder; if both are folders, move the contents of one into the other."""
    if source.is_dir() and target.is_dir() and not target.is_symlink():
        for part in source.iterdir():
            _move(part, target / part.name)
    else:
        source.replace(target)


def remove_ours(folder: Path, is_ours: Callable[[str], object], *, keep: Collection[str] = ()) -> None:
    """Remove files and folders that the program itself named; everything else in the folder stays.

    Symbolic links are not followed: a link inside is removed itself, and nothing is removed from a folder that is a
    link. Folders are removed once they are empty. Temporary names stay, as another process of the same fit may be
    writing there.

    Args:
        folder: The folder to clean; may be missing.
        is_ours: Whether the program gives that name, at any depth.
        keep: Names that stay.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("a.npy", "b.npy", "notes.txt"):
    ...     (folder / name).touch()
    >>> remove_ours(folder, lambda name: name.endswith(".npy"), keep={"b.npy"})
    >>> sorted(path.name for path in folder.iterdir())
    ['b.npy', 'notes.txt']
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in list(folder.iterdir()):
        if path.name in keep or _TEMPORARY.fullmatch(path.name) or not is_ours(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            remove_ours(path, is_ours)
            if not any(path.iterdir()):
                path.rmdir()
        else:
            path.unlink(missing_ok=True)


def remove_leftovers(folder: Path, *, is_ours: Callable[[str], object] = lambda _: True) -> None:
    """Remove the temporary files of a killed process from a folder that no other process writes to.

    Subfolders are not searched and symbolic links are not followed.

    Args:
        folder: The folder to clean; may be missing.
        is_ours: Whether the program writes files or folders of that name there.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in (".nephrograde-17-scores.csv", ".vimrc.tmpl"):
    ...     (folder / name).touch()
    >>> remove_leftovers(folder)
    >>> [path.name for path in folder.iterdir()]
    ['.vimrc.tmpl']
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in list(folder.iterdir()):
        found = _TEMPORARY.fullmatch(path.name)
        if found is None or not is_ours(found["target"]):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_all(stream: IO[bytes], content: bytes) -> None:
    """Write bytes to an unbuffered file, which may take only part of them at a time.

    Args:
        stream: The open file.
        content: The bytes.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[stream.write(rest) :]


def write_rows(csv_path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV file atomically (UTF-8, comma); None becomes an empty cell and floats keep all digits.

    A text that a spreadsheet would run as a formula is written as text; see :mod:`nephrograde.cells`.
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
    with path.open("rb") as stream:
        return sha256_of_stream(stream)


def sha256_of_stream(stream: IO[bytes]) -> str:
    """SHA-256 of the remaining content of an open file."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def fingerprint(content: object) -> str:
    """SHA-256 of any JSON-serialisable value, independent of key order.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
