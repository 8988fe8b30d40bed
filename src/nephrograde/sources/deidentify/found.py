"""The bytes of the files below a folder and inside its zip archives, in a stable order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nephrograde.sources.scan.tree import UNREADABLE, walk_files
from nephrograde.volume.dicom.archive import MEMBER_SEPARATOR, ArchiveRefused, Member, is_zip, walk_members

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path


class SetAside(Exception):  # noqa: N818 - not an error: the file is just not written
    """A file that is not written; the message says why, without its name or content."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file, or a member of an archive, that has not been read yet.

    Attributes:
        name: Path below the folder with ``/``; a member of an archive is ``archive.zip//member``. It may identify the
            patient: not for logs or reports.
        stamp: Size and time; a different stamp means that the file has changed.
        n_bytes: Its size.
        beginning: Returns its first n bytes, or raises SetAside.
    """

    name: str
    stamp: str
    n_bytes: int
    beginning: Callable[[int], bytes]

    def read(self) -> bytes:
        """Return all its bytes, or raise SetAside."""
        return self.beginning(self.n_bytes + 1)  # beyond the last byte, the checksum of an archive is compared


def contents_below(folder: Path, *, leave_out: Collection[Path] = ()) -> Iterator[Content]:
    """Iterate over all files below a folder and in its zip archives, including nested archives, recognised by content.

    Members of archives are read in memory and only up to the limits, whatever size the archive states.

    Args:
        folder: The folder.
        leave_out: Files to skip.

    Yields:
        Files in order of their paths, members in the order of their archive; an unreadable file raises when it is read.
        Read each member before requesting the next one.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> import zipfile
    >>> with zipfile.ZipFile(folder / "export", "w") as archive:
    ...     archive.writestr("IM1", b"DICM")
    >>> [(content.name, content.read()) for content in contents_below(folder)]
    [('export//IM1', b'DICM')]
    """
    for found in walk_files(folder, leave_out=leave_out):
        stamp = f"{found.n_bytes} {found.changed_ns}"
        path = folder / found.path
        if found.reason:
            yield Content(found.path, stamp, 0, partial(_refuse, found.reason))
        elif _begins_as_zip(path):
            yield from _members(path, found.path, stamp)
        else:
            yield Content(found.path, stamp, found.n_bytes, partial(_read, path))


def _begins_as_zip(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return is_zip(stream.read(4))
    except OSError:
        return False  # reported when it is read


def _members(archive_path: Path, name: str, stamp: str) -> Iterator[Content]:
    try:
        for member in walk_members(archive_path):
            place = f"{name}{MEMBER_SEPARATOR}{member.name}"
            changed = f"{stamp} {member.n_bytes} {member.checksum}"
            yield Content(place, changed, member.n_bytes, partial(_read_member, member))
    except ArchiveRefused as refused:
        yield Content(name, stamp, 0, partial(_refuse, str(refused)))


def _read(path: Path, n_bytes: int) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(n_bytes)
    except OSError:
        raise SetAside(UNREADABLE) from None


def _read_member(member: Member, n_bytes: int) -> bytes:
    try:
        return member.read() if n_bytes > member.n_bytes else member.beginning(n_bytes)
    except ArchiveRefused as refused:
        raise SetAside(str(refused)) from None


def _refuse(reason: str, _: int) -> bytes:
    raise SetAside(reason)
