"""Files that are there whole or not at all: written beside their place under a temporary name, then renamed."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from nephrograde.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


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
