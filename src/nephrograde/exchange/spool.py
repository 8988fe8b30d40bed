"""The spool of a listener: received objects and what became of each series, as folders that survive a crash.

::

    SPOOL/incoming/     objects that are being written; nobody has been told that they are here
    SPOOL/received/     series that are not complete, or wait for a region
    SPOOL/masks/        segmentations and structure sets
    SPOOL/grading/      series that are graded, or wait for it
    SPOOL/sending/      graded series whose result is not at its destination yet
    SPOOL/done/         graded series with their result
    SPOOL/failed/       series that were not graded, or not sent, with the reason

A series is one folder, which is renamed from one state to the next. All names are digests of UIDs: nothing that came
over the network is part of a path.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from nephrograde.errors import InputError, Problem
from nephrograde.exchange.spool_names import digest_of, is_key, key_of, write_whole
from nephrograde.replacement import make_folder, save_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nephrograde.exchange.headers import ObjectHeader

State: TypeAlias = Literal["received", "masks", "grading", "sending", "done", "failed"]
STATES: Final[tuple[State, ...]] = get_args(State)
IMAGES: Final = "images"
RESULT: Final = "result"
ATTEMPTS: Final = "attempts.json"
"""How often a series was given to the worker."""
STAMP: Final = "stamp.json"
"""When it was first graded, and what the UIDs of its result are derived from."""
_INCOMING: Final = "incoming"
_REASON: Final = "reason.json"
_INTERRUPTED: Final = "interrupted"
_OPEN: Final = "open-"


class SpoolFullError(Exception):
    """There is no room for another object."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a series failed: a code, and words that name no patient."""

    code: str
    what: str


@dataclass(frozen=True, slots=True)
class Queued:
    """A series in the spool.

    Attributes:
        key: Its name there.
        state: The folder in which it is.
        n_images: How many objects it has.
        reason: Why it failed.
    """

    key: str
    state: State
    n_images: int
    reason: Reason | None = None


class Spool:
    """The folders of a spool.

    Args:
        root: The spool; it is created, for its owner alone.
        limit_bytes: What it may hold.
        reserve_bytes: What has to stay free on its disk.
    """

    def __init__(self, root: Path, *, limit_bytes: int, reserve_bytes: int) -> None:
        self.root = root
        self._limit_bytes, self._reserve_bytes = limit_bytes, reserve_bytes
        self._lock = threading.RLock()
        self.used_bytes = 0

    def open(self) -> None:
        """Create the folders, and remove what nobody was told to be here.

        Raises:
            WriteError: The spool cannot be written.
        """
        for name in (_INCOMING, *STATES):
            make_folder(self.root / name, is_private=True)
        for path in (self.root / _INCOMING).iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for key in self.keys("received"):
            self._close(self.folder("received", key))
        self.measure()

    def measure(self) -> None:
        """Count the bytes that the spool holds."""
        self.used_bytes = sum(path.stat().st_size for path in self.root.rglob("*.dcm"))

    def folder(self, state: State, key: str) -> Path:
        """The folder of a series.

        Args:
            state: In which state.
            key: Of the series.
        """
        return self.root / state / key

    def keys(self, state: State) -> list[str]:
        """The series of a state, those that came first at the beginning.

        Args:
            state: The state.
        """
        try:
            entries = [(entry.stat().st_mtime_ns, entry.name) for entry in os.scandir(self.root / state)]
        except FileNotFoundError:
            return []
        return [name for _, name in sorted(entries)]

    def images(self, state: State, key: str) -> list[Path]:
        """The objects of a series.

        Args:
            state: In which state.
            key: Of the series.
        """
        return sorted((self.folder(state, key) / IMAGES).glob("*.dcm"))

    def store(self, content: bytes, header: ObjectHeader, association: str) -> str:
        """Keep an object; it is whole on the disk when this returns.

        An object that a series holds already, byte for byte, is not kept again if that is graded, done or failed.

        Args:
            content: The file.
            header: Its header, with valid UIDs.
            association: Which of the open associations brings it: letters and digits of our own.

        Returns:
            The key of its series.

        Raises:
            SpoolFullError: There is no room.
            OSError: It cannot be written.
        """
        key, name = key_of(header), f"{digest_of(header.sop_uid)}.dcm"
        if self.used_bytes + len(content) > self._limit_bytes:
            raise SpoolFullError
        if shutil.disk_usage(self.root).free - len(content) < self._reserve_bytes:
            raise SpoolFullError
        temporary_path = self.root / _INCOMING / f"{uuid.uuid4().hex}.part"
        try:
            write_whole(temporary_path, content)
            with self._lock:
                if self._is_held(key, name, content):
                    return key
                folder = self.folder("received", key)
                if not (folder / IMAGES).is_dir():
                    (folder / IMAGES).mkdir(mode=0o700, parents=True, exist_ok=True)
                    save_names(self.root / "received")
                mark = folder / f"{_OPEN}{association}"
                if not mark.exists():
                    write_whole(mark, b"")
                    save_names(folder)
                temporary_path.replace(folder / IMAGES / name)
                save_names(folder / IMAGES)
                self.used_bytes += len(content)
        finally:
            temporary_path.unlink(missing_ok=True)
        return key

    def release(self, key: str, association: str, *, whole: bool) -> None:
        """Note that an association that brought objects of a series has ended.

        Args:
            key: Of the series.
            association: As for :meth:`Spool.store`.
            whole: Whether it was released; otherwise the sender may have had more to send.
        """
        folder = self.folder("received", key)
        with self._lock:
            if not folder.is_dir():
                return
            if whole:
                (folder / _INTERRUPTED).unlink(missing_ok=True)
                (folder / f"{_OPEN}{association}").unlink(missing_ok=True)
            else:
                self._close(folder)

    def is_open(self, key: str) -> bool:
        """Tell whether an association that brings objects of a series has not ended.

        Args:
            key: Of the series.
        """
        return any(self.folder("received", key).glob(f"{_OPEN}*"))

    def is_interrupted(self, key: str) -> bool:
        """Tell whether the last association that brought objects of a series was aborted.

        Args:
            key: Of the series.
        """
        return (self.folder("received", key) / _INTERRUPTED).exists()

    def move(self, key: str, before: State, after: State) -> bool:
        """Rename the folder of a series to its next state, for good.

        Args:
            key: Of the series.
            before: Where it is.
            after: Where it goes.

        Returns:
            Whether it went; it stays where it is if it has received an object in between.
        """
        with self._lock:
            if before == "received" and self.is_open(key):
                return False
            self.folder(before, key).rename(self.folder(after, key))
            save_names(self.root / after)
            save_names(self.root / before)
        return True

    def fail(self, key: str, before: State, reason: Reason) -> None:
        """Move a series to the failed ones, with the reason.

        Args:
            key: Of the series.
            before: Where it is.
            reason: Why.
        """
        with self._lock:
            self.write_note(before, key, _REASON, {"code": reason.code, "what": reason.what})
            if self.folder("failed", key).exists():
                self.merge(key, "failed", before)
            if not self.move(key, before, "failed"):
                (self.folder(before, key) / _REASON).unlink(missing_ok=True)

    def merge(self, key: str, before: State, into: State) -> None:
        """Add the objects of a series in another state to it, and remove that folder; newer objects stay.

        Args:
            key: Of the series.
            before: Where the other objects are.
            into: Where they go.
        """
        with self._lock:
            for path in self.images(before, key):
                target = self.folder(into, key) / IMAGES / path.name
                if not target.exists():
                    path.rename(target)
            save_names(self.folder(into, key) / IMAGES)
            self.remove(key, before)

    def remove(self, key: str, state: State) -> None:
        """Remove a series.

        Args:
            key: Of the series.
            state: Where it is.
        """
        with self._lock:
            going = self.root / _INCOMING / f"{uuid.uuid4().hex}.gone"
            self.folder(state, key).rename(going)  # at once: half a series must not be left behind
            shutil.rmtree(going)
            self.measure()

    def reason_of(self, key: str) -> Reason | None:
        """Why a series failed.

        Args:
            key: Of the series.
        """
        note = self.read_note("failed", key, _REASON)
        return Reason(str(note.get("code")), str(note.get("what"))) if note else None

    def retry(self, key: str) -> State:
        """Put a failed series back: to the sending if it has a result, otherwise to the received ones.

        Objects that were graded before join it.

        Args:
            key: Of the series.

        Returns:
            Where it is now.

        Raises:
            InputError: No such series failed.
        """
        folder = self.folder("failed", key)
        if not is_key(key) or not folder.is_dir():
            what = f"names no failed series: {key}"
            raise InputError([Problem("--retry", what, "`nephrograde queue SPOOL` lists them.")])
        after: State = "sending" if (folder / RESULT).is_dir() else "received"
        with self._lock:
            if after == "received" and self.folder("done", key).is_dir():
                self.merge(key, "done", "failed")
            for name in (_REASON, _INTERRUPTED, STAMP, ATTEMPTS):
                (folder / name).unlink(missing_ok=True)
            if self.folder(after, key).exists():
                self.merge(key, "failed", after)
            else:
                self.move(key, "failed", after)
        return after

    def list(self) -> Iterator[Queued]:
        """Every series, by state."""
        for state in STATES:
            for key in self.keys(state):
                yield Queued(
                    key, state, len(self.images(state, key)), self.reason_of(key) if state == "failed" else None
                )

    def read_note(self, state: State, key: str, name: str) -> dict[str, Any]:
        """Read a note that lies beside the objects of a series; empty if there is none.

        Args:
            state: In which state.
            key: Of the series.
            name: Of the note.
        """
        try:
            note = json.loads((self.folder(state, key) / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def write_note(self, state: State, key: str, name: str, note: dict[str, Any]) -> None:
        """Write a note beside the objects of a series; it is on the disk when this returns.

        Args:
            state: In which state.
            key: Of the series.
            name: Of the note.
            note: What it says.
        """
        folder = self.folder(state, key)
        temporary_path = folder / f".{name}.part"
        write_whole(temporary_path, json.dumps(note).encode())
        temporary_path.replace(folder / name)
        save_names(folder)

    def remove_older(self, states: tuple[State, ...], keep_s: float) -> int:
        """Remove the series that have been in a state for longer than they are kept.

        Args:
            states: The states.
            keep_s: How long they are kept, seconds.

        Returns:
            How many were removed.
        """
        oldest = time.time() - keep_s
        old = [(key, state) for state in states for key in self.keys(state)
               if self.folder(state, key).stat().st_ctime < oldest]  # fmt: skip
        for key, state in old:
            self.remove(key, state)
        return len(old)

    def _is_held(self, key: str, name: str, content: bytes) -> bool:
        """Whether a series that is no longer received holds this very object."""
        paths = [self.folder(state, key) / IMAGES / name for state in STATES if state != "received"]
        return any(
            path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content for path in paths
        )

    @staticmethod
    def _close(folder: Path) -> None:
        """Turn what open associations have left behind into the note that the series was interrupted."""
        marks = list(folder.glob(f"{_OPEN}*"))
        if marks:
            write_whole(folder / _INTERRUPTED, b"")
            for mark in marks:
                mark.unlink()
            save_names(folder)
