"""The files to be sent, and what became of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from nephrograde.errors import InputError, Problem
from nephrograde.exchange.headers import ObjectHeader, header_of
from nephrograde.files import sha256_of_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

State: TypeAlias = Literal["stored", "warning", "known", "skipped", "failed"]
"""Acknowledged; acknowledged with a warning; acknowledged to an earlier call; no DICOM object; not stored."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A file with an object to be sent."""

    path: Path
    header: ObjectHeader = field(repr=False)
    sha256: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one file.

    Attributes:
        path: The file.
        state: What became of it.
        what: Why, where it was not simply stored; it names no patient.
    """

    path: Path
    state: State
    what: str = ""


@dataclass(frozen=True, slots=True)
class SendReport:
    """What became of the files.

    Attributes:
        to: The destination.
        files: Each of them.
        is_known_later: Whether a later call will know what was acknowledged.
    """

    to: str
    files: tuple[Sent, ...] = field(repr=False)
    is_known_later: bool = False

    def count(self, *states: State) -> int:
        """Count the files in some states.

        Args:
            states: Such as ``stored``.
        """
        return sum(one.state in states for one in self.files)

    @property
    def is_complete(self) -> bool:
        """Whether the destination has every object."""
        return not self.count("failed")


def pause_s(attempt: int) -> float:
    """How long to wait after an attempt that failed: 1 s, and twice as long each time, up to 30 s.

    Args:
        attempt: Its number, from 1.

    >>> [pause_s(attempt) for attempt in (1, 2, 3, 9)]
    [1.0, 2.0, 4.0, 30.0]
    """
    return float(min(2 ** (attempt - 1), 30))


def find_outgoing(sources: Sequence[str | Path]) -> Iterator[Outgoing | Sent]:
    """Find the objects in files and folders, in the order of their paths.

    Args:
        sources: Files, and folders that are searched at any depth.

    Returns:
        The objects; what is no DICOM object, or lacks the entries that sending needs, is told as skipped or failed.

    Raises:
        InputError: One does not exist.
    """
    missing = [Path(one) for one in sources if not Path(one).exists()]
    if missing:
        raise InputError([Problem(str(one), "does not exist", "Check the path.") for one in missing])
    for source in map(Path, sources):
        paths = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
        for path in paths:
            yield _look_at(path)


def _look_at(path: Path) -> Outgoing | Sent:
    try:
        header = header_of(path)
        if header is None:
            return Sent(path, "skipped", "is no DICOM object")
        if not header.is_valid:
            return Sent(path, "failed", "lacks a UID that sending needs")
        return Outgoing(path, header, sha256_of_parts([path]))
    except OSError as error:
        return Sent(path, "failed", f"cannot be read: {error.strerror or error}")
