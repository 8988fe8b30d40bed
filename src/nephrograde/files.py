"""Atomic file writing: files are written next to their target under a temporary name, then renamed."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from nephrograde.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


_TEMPORARY = re.compile(r"\.nephrograde-[0-9]+-(?P<target>.+)", re.DOTALL)
"""Program name and process id, followed by the final name of the file."""


def temporary_beside(target_path: Path) -> Path:
    """The temporary name under which this process writes a file or folder; it ends like the target's name.

    Args:
        target_path: The final path.
    """
    return target_path.with_name(f".nephrograde-{os.getpid()}-{target_path.name}")


@contextmanager
def replaced(target_path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to ``target_path`` if the block succeeds.

    A reader therefore sees either the old or the new file, never a partial one. The folder is created if it is missing.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with replaced(folder / "a.txt") as temporary_path:
    ...     _ = temporary_path.write_text("whole")
    >>> [path.name for path in folder.iterdir()]
    ['a.txt']
    """
    target_path.parent.mkdir(parents=True, exist_ok=True)
    temporary_path = temporary_beside(target_path)
    try:
        yield temporary_path
        temporary_path.replace(target_path)
    finally:
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
    target_dir.parent.mkdir(parents=True, exist_ok=True)
    temporary_dir = temporary_beside(target_dir)
    temporary_dir.mkdir()
    try:
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


def write_rows(csv_path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV file atomically (UTF-8, comma); None becomes an empty cell and floats keep all digits."""
    with replaced(csv_path) as temporary_path, temporary_path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n", extrasaction="raise")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(csv_path: Path) -> list[dict[str, str]]:
    """Read a CSV file of the run folder, with every cell as text.

    Raises:
        RunError: The file is missing.
    """
    try:
        with csv_path.open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.DictReader(stream))
    except FileNotFoundError:
        raise RunError(f"{csv_path} is missing. Run the earlier stage first, or `nephrograde run`.") from None


def write_json(json_path: Path, content: object) -> None:
    """Write a JSON file atomically (UTF-8, indented, keys in the given order)."""
    with replaced(json_path) as temporary_path:
        temporary_path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(json_path: Path) -> dict[str, Any]:
    """Read a JSON object of the run folder.

    Raises:
        RunError: The file is missing or not a JSON object.
    """
    try:
        content = json.loads(json_path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{json_path} is missing. Is this a run folder?") from None
    except json.JSONDecodeError as error:
        raise RunError(f"{json_path} is damaged ({error}). Delete it and run again.") from None
    if not isinstance(content, dict):
        raise RunError(f"{json_path} does not hold a JSON object. Delete it and run again.")
    return content


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, or of a folder's file names and contents (a DICOM series)."""
    if path.is_dir():
        parts = sorted(part for part in path.iterdir() if part.is_file())
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
