"""Which files a destination has acknowledged, so that a later call does not send them again."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from nephrograde.errors import RunError, about_writing
from nephrograde.lock import only_writer_of
from nephrograde.replacement import make_folder, save_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Journal:
    """The files that one destination has acknowledged, by SHA-256: neither a name nor a patient is in it."""

    def __init__(self, to: str, acknowledged: set[str], stream: IO[str] | None) -> None:
        self._to, self._acknowledged, self._stream = to, acknowledged, stream

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._acknowledged

    @property
    def is_kept(self) -> bool:
        """Whether a later call will know."""
        return self._stream is not None

    def add(self, sha256: str) -> None:
        """Note that a file was acknowledged; it is on the disk when this returns.

        Args:
            sha256: Of the file.

        Raises:
            OSError: It cannot be written.
        """
        self._acknowledged.add(sha256)
        if self._stream is not None:
            self._stream.write(json.dumps({"to": self._to, "sha256": sha256}) + "\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())


@contextmanager
def open_journal(path: Path | None, to: str) -> Iterator[Journal]:
    """Open the journal of a destination; without a path, nothing is known of earlier calls.

    Args:
        path: The file, JSON lines; created if it is missing. Several destinations may share it.
        to: The destination.

    Raises:
        RunError: It is no journal, or another process is writing it.
        WriteError: It cannot be written.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "sent.jsonl"
    >>> with open_journal(path, "PACS@10.1.2.3:104") as journal:
    ...     journal.add("ab12")
    >>> with open_journal(path, "PACS@10.1.2.3:104") as journal:
    ...     "ab12" in journal, "cd34" in journal
    (True, False)
    """
    if path is None:
        yield Journal(to, set(), None)
        return
    with only_writer_of(path, is_private=True):
        acknowledged = _read(path, to)
        make_folder(path.parent, is_private=True)
        with about_writing(path), path.open("a", encoding="utf-8") as stream:
            stream.truncate(path.read_bytes().rfind(b"\n") + 1)  # a line that was cut by a crash
            save_names(path.parent)
            yield Journal(to, acknowledged, stream)


def _read(path: Path, to: str) -> set[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return set()
    except (OSError, UnicodeDecodeError):
        raise RunError(f"{path} cannot be read as a journal. Name another file.") from None
    acknowledged = set()
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line) if line else {}
        except ValueError:
            if number == len(lines):
                break  # cut by a crash: what it noted is sent again
            raise RunError(f"{path} is no journal of sent files (line {number}). Name another file.") from None
        if isinstance(entry, dict) and entry.get("to") == to and isinstance(entry.get("sha256"), str):
            acknowledged.add(entry["sha256"])
    return acknowledged
