"""Files that are there whole or not at all: written beside their place under a temporary name, then renamed."""

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
"""The program's name and the process's id come before the name that the file is going to have."""


def temporary_beside(target_path: Path) -> Path:
    """The name under which this process writes a file or folder until it is whole; it ends as the target does.

    Args:
        target_path: Where the file is going to be.
    """
    return target_path.with_name(f".nephrograde-{os.getpid()}-{target_path.name}")


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
    temporary_path = temporary_beside(target_path)
    try:
        yield temporary_path
        temporary_path.replace(target_path)
    finally:
        temporary_path.unlink(missing_ok=True)


@contextmanager
def replaced_folder(target_dir: Path, *, is_ours: Callable[[str], object]) -> Iterator[Path]:
    """Give a temporary folder to fill, and rename it to ``target_dir`` when the block ends well.

    Of a folder of that name from before, what the program wrote is removed first. Files that somebody else put there
    stay; the new files then join them one by one. A symbolic link of that name is replaced, and what it points to is
    left alone.

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
    """Rename a file or folder; where both are folders, move what is in the one into the other."""
    if source.is_dir() and target.is_dir() and not target.is_symlink():
        for part in source.iterdir():
            _move(part, target / part.name)
    else:
        source.replace(target)


def remove_ours(folder: Path, is_ours: Callable[[str], object], *, keep: Collection[str] = ()) -> None:
    """Remove files and folders that the program itself named; everything else in the folder stays.

    Symbolic links are not followed: nothing is removed from a folder that is one, and one in it is removed itself. A
    folder is removed once it is empty. Temporary names stay, as another process of the same fit may be writing there.

    Args:
        folder: Where to look; may be missing.
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
    """Remove what a killed process left in a folder under a temporary name; call it where no other process writes.

    Folders below are not searched and symbolic links are not followed.

    Args:
        folder: Where to look; may be missing.
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
    """SHA-256 of a file, or of a folder's file names and contents (a DICOM series)."""
    if path.is_dir():
        parts = sorted(part for part in path.iterdir() if part.is_file())
        return fingerprint([[part.name, sha256_of(part)] for part in parts])
    with path.open("rb") as stream:
        return sha256_of_stream(stream)


def sha256_of_stream(stream: IO[bytes]) -> str:
    """SHA-256 of what an open file still holds."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def fingerprint(content: object) -> str:
    """SHA-256 of anything JSON can write, independent of the order of keys.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
